"""The cards on top of a runbook's page: how its last run ended, what it is about, how to run it, its history.

Whether something changed since the run is known when the site is built. Whether it is time to run it again
is not: so the page says the date, and a script of the theme says when that has passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from blumeops.record import duration
from blumeops.records import RunMode, RunRecord, RunStatus, digest
from blumeops.runbooks.model import Risk
from blumeops.site.frontmatter import FrontMatter
from blumeops.site.runbook_steps import Cell, ended_at, inert, moment
from blumeops.site.verified import LastRun, due

NAMED = 3
"""So many changed files are named; the rest is a number."""

_EVERY = re.compile(r"(?P<number>\d{1,5})\s*(?P<unit>[hdw])")
_DAYS = {"h": 1 / 24, "d": 1, "w": 7}
_WORDS = {"h": "hours", "d": "days", "w": "weeks"}
_RISKS = {
    Risk.READ_ONLY: "read-only: it changes nothing",
    Risk.CHANGES: "changes the target",
    Risk.DESTRUCTIVE: "destructive: it can lose data",
}
_MODES = {RunMode.RUN: "", RunMode.DRY_RUN: "dry run", RunMode.REHEARSAL: "rehearsal"}


@dataclass(frozen=True, slots=True)
class About:
    """What a page shows of a runbook beside its text: its name, file, front matter, and links (by name)."""

    name: str
    source: str
    front: FrontMatter
    services: Mapping[str, str] = field(default_factory=dict)
    notebook: str = ""


def cards(about: About, text: str, cells: Iterable[Cell], last: LastRun) -> str:
    """All of them, as blocks of Markdown."""
    blocks = [_run(about, text, cells, last), "\n".join(_about(about)), _command(about), _history(last)]
    return "\n\n".join(block for block in blocks if block)


def _run(about: About, text: str, cells: Iterable[Cell], last: LastRun) -> str:
    """The card of the last run: one line of HTML."""
    record = last.record
    if record is None:
        none = '<p class="run-title">Never run</p><p>There is no record of a run of this runbook.</p>'
        return f'<div class="run-card is-never">{none}</div>'
    word = record.status.value
    title = f"{f'Stale: {word}' if last.stale else word.capitalize()} on {_when(record)}"
    parts = [f'<p class="run-title">{title}</p>', *_notes(about, text, cells, last), _facts(record)]
    return f'<div class="run-card is-{last.kind}">{"".join(parts)}</div>'


def _when(record: RunRecord) -> str:
    return f"{record.started.day} {record.started:%B %Y, %H:%M} UTC"


def _notes(about: About, text: str, cells: Iterable[Cell], last: LastRun) -> Iterator[str]:
    record = last.record
    if record is None:
        return
    if last.changed:
        yield f"<p><strong>Changed since this run:</strong> {_named(last.changed)}</p>"
    if changed := _text_changed(text, cells, record):
        yield f"<p>{changed}</p>"
    if stopped := ended_at(record):
        yield f"<p>{stopped}</p>"
    if record.note:
        yield f"<p>{inert(record.note)}</p>"
    if not record.verifies and last.proof is not None:
        yield f"<p>Last proved from end to end on {_when(last.proof)} at {_commit(last.proof)}.</p>"
    elif record.status is RunStatus.PASSED and not record.verifies:
        yield "<p>This run left out steps: it does not prove the whole runbook.</p>"
    if at := to_verify_by(about.front, last):
        every = inert(_every(about.front)[1])
        yield (
            f'<p class="run-due" data-due="{at}"><strong class="overdue" hidden>Overdue.</strong> '
            f"To be run again by {moment(at)}: every {every}.</p>"
        )


def to_verify_by(front: FrontMatter, last: LastRun) -> str:
    """When the last proof is too old by `verify-every`, as a date and time in UTC; empty when it never is."""
    days, _ = _every(front)
    return due(last.proof, timedelta(days=days)) if days and last.proof is not None else ""


def _named(paths: tuple[str, ...]) -> str:
    shown = ", ".join(f"<code>{inert(path)}</code>" for path in paths[:NAMED])
    more = len(paths) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _every(front: FrontMatter) -> tuple[float, str]:
    """How often to run it: in days (0: nobody said), and in words."""
    found = _EVERY.fullmatch(front.text("verify-every").strip())
    if not found:
        return 0, ""
    return int(found["number"]) * _DAYS[found["unit"]], f"{int(found['number'])} {_WORDS[found['unit']]}"


def _text_changed(text: str, cells: Iterable[Cell], record: RunRecord) -> str:
    if record.source_sha == digest(text):
        return ""
    if [cell.source_sha for cell in record.cells] == [digest(cell.source) for cell in cells]:
        return "The page's text changed after this run; its steps are the same."
    return "<strong>The page changed after this run</strong>: steps below are not all what ran."


def _facts(record: RunRecord) -> str:
    when = moment(f"{record.started:%Y-%m-%dT%H:%M:%S}+00:00").replace("<time ", '<time data-ago="" ', 1)
    target = inert(record.target) + (f", {inert(record.identity)}" if record.identity else "")
    rows = [
        ("when", when),
        ("commit", _commit(record) + (", and what was not committed" if record.dirty else "")),
        ("target", target),
        ("by", inert(record.who)),
        ("as", _MODES[record.mode]),
        ("took", duration(record.seconds)),
        ("resumed", f"{record.resumed} times" if record.resumed > 1 else "once" if record.resumed else ""),
    ]
    more = [("parameters", _parameters(record.parameters))]
    more += [(inert(name), inert(version)) for name, version in record.engines.items()]
    shown = [row for row in more if row[1]]
    label = "Parameters and engine versions" if more[0][1] else "Engine versions"
    folded = f"<details><summary>{label}</summary>{_list(shown)}</details>" if shown else ""
    return _list([row for row in rows if row[1]]) + folded


def _commit(record: RunRecord) -> str:
    return f"<code>{inert(record.commit[:12])}</code>"


def _parameters(values: Mapping[str, object]) -> str:
    return ", ".join(f"<code>{inert(f'{name}={value}')}</code>" for name, value in values.items())


def _list(rows: Iterable[tuple[str, str]]) -> str:
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    return f'<dl class="run-facts">{shown}</dl>'


def _about(about: About) -> Iterator[str]:
    """The front matter that a reader needs before a run, as a list of Markdown."""
    front = about.front
    rows = [
        ("Risk", _risk(front)),
        ("Layers", ", ".join(inert(layer) for layer in front.texts("layers"))),
        ("Services", ", ".join(_linked(name, about.services) for name in front.texts("services"))),
        ("Alerts", ", ".join(f"<code>{inert(alert)}</code>" for alert in front.texts("alerts"))),
        ("Needs", ", ".join(f"<code>{inert(word)}</code>" for word in front.texts("requires"))),
        ("May take", inert(front.text("timeout"))),
        ("Owner", inert(front.text("owner"))),
    ]
    shown = [f"- <span>{name}</span> {said}" for name, said in rows if said]
    if shown:
        yield '<div class="run-about" markdown="1">\n'
        yield from shown
        yield "\n</div>"


def _risk(front: FrontMatter) -> str:
    said = front.text("risk")
    if said not in [risk.value for risk in Risk]:
        return inert(said)
    risk = Risk(said)
    if risk is Risk.READ_ONLY or "reversible" not in front.values:
        return _RISKS[risk]
    way_back = "can be taken back" if front.values["reversible"] else "cannot be taken back"
    return f"{_RISKS[risk]}, {way_back}"


def _linked(name: str, ways: Mapping[str, str]) -> str:
    return f"[{inert(name)}]({ways[name]})" if name in ways else inert(name)


def _command(about: About) -> str:
    fence = f"```bash\nblumeops runbook run {about.name}\n```"
    if not about.notebook:
        return fence
    ways = f'[Notebook]({about.notebook}){{ .run-download download="{about.notebook}" }}'
    return f'{fence}\n\n<div class="run-ways" markdown="1">\n\n{ways}\n\n</div>'


def _history(last: LastRun) -> str:
    """The runs that are known, folded: one line of HTML."""
    if len(last.history) < 2:
        return ""
    rows = "".join(_row(record) for record in last.history)
    head = "<tr><th>ended</th><th>when</th><th>target</th><th>commit</th><th>took</th></tr>"
    return (
        '<details class="run-history" data-search-exclude="">'
        f"<summary>The last {len(last.history)} runs</summary>"
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table></details>"
    )


def _row(record: RunRecord) -> str:
    look = "good" if record.status is RunStatus.PASSED else "bad" if record.status.bad else "none"
    mode = f" ({_MODES[record.mode]})" if record.mode is not RunMode.RUN else ""
    at = moment(f"{record.started:%Y-%m-%dT%H:%M:%S}+00:00")
    return (
        f'<tr><td class="step-end is-{look}">{record.status.value}{mode}</td><td>{at}</td>'
        f"<td>{inert(record.target)}</td><td>{_commit(record)}</td><td>{duration(record.seconds)}</td></tr>"
    )

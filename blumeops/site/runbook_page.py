"""A runbook as a page: its prose, every code cell, and below each what it said in the last run."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from blumeops.records import CellRecord, RunRecord, RunStatus, digest
from blumeops.site import frontmatter, markdown, outputs

_CELL = re.compile(r"\{code-cell\}")
_OPTION = re.compile(r":[\w-]+:")
_BREAK = re.compile(r"\+\+\+.*")


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell of a `md:myst` notebook; `first` and `last` are its fences' lines, from 0."""

    index: int
    source: str
    first: int
    last: int


def cells(text: str) -> list[Cell]:
    """The code cells of a `md:myst` notebook, in order, with their sources as jupytext reads them."""
    found = [f for f in markdown.fences(text) if not f.lead and _CELL.match(f.info) and f.last is not None]
    return [Cell(n, _source(f.lines), f.first, f.last or f.first) for n, f in enumerate(found)]


def _source(lines: tuple[str, ...]) -> str:
    rest = list(lines)
    if rest and rest[0].strip() == "---":
        rest = rest[rest.index("---", 1) + 1 :] if "---" in rest[1:] else rest
    while rest and _OPTION.match(rest[0]):
        rest.pop(0)
    return "\n".join(rest).strip("\n")


def render(text: str, linked: str, record: RunRecord | None) -> str:
    """The page of a runbook as standard Markdown.

    `text` is the runbook's source, `linked` the same with wikilinks rewritten and embeds written out (which
    changes no cell), `record` its last run.
    """
    ran = {cell.index: cell for cell in record.cells} if record else {}
    starts = {cell.first: cell for cell in cells(linked)}
    lines = linked.split("\n")
    body: list[str] = []
    number, top = linked.count("\n", 0, frontmatter.end_of(linked)), 0
    while number < len(lines):
        cell = starts.get(number)
        if cell:
            body += ["", outputs.fence(cell.source, "python")]
            body += ["", "\n\n".join(_said(cell, ran.get(cell.index))) if record else "", ""]
            number = cell.last
        elif not _BREAK.fullmatch(lines[number]):
            body.append(lines[number])
            top = top or (len(body) if lines[number].startswith("# ") else 0)
        number += 1
    return "\n".join([*body[:top], "", card(text, record), "", *body[top:]]).strip("\n") + "\n"


def _said(cell: Cell, ran: CellRecord | None) -> Iterator[str]:
    if ran is None or ran.status is RunStatus.NOT_RUN:
        yield '!!! run-never "This step was not run"'
        return
    if ran.source_sha and ran.source_sha != digest(cell.source):
        yield '!!! run-changed "This step changed after the run below"'
    said = [text for output in ran.outputs if (text := outputs.to_markdown(output))]
    if said:
        yield '<div class="cell-output" markdown="1">'
        yield from said
        yield "</div>"
    if ran.status in (RunStatus.FAILED, RunStatus.ABORTED):
        yield f'!!! run-failed "This step {ran.status.value} after {seconds(ran.seconds)}"'


def card(text: str, record: RunRecord | None) -> str:
    """The status card on top of a runbook's page: how the last run ended, when, and on what."""
    if record is None:
        return '!!! run-never "Never run"\n\n    There is no record of a run of this runbook.'
    kind = "passed" if record.status is RunStatus.PASSED else "failed"
    title = f"{record.status.value.capitalize()} on {_date(record)}"
    rows = [
        ("commit", f"<code>{html.escape(record.commit[:12])}</code>"),
        ("target", html.escape(record.target)),
        ("took", seconds(record.seconds)),
        *((html.escape(name), html.escape(version)) for name, version in record.engines.items()),
    ]
    cards = "".join(f"<div><dt>{_inert(name)}</dt><dd>{_inert(value)}</dd></div>" for name, value in rows)
    said = [f'!!! run-{kind} "{title}"', "", f'    <dl class="run-facts">{cards}</dl>']
    if changed := _changed(text, record):
        said += ["", f"    {changed}"]
    return "\n".join(said)


def _changed(text: str, record: RunRecord) -> str:
    if record.source_sha == digest(text):
        return ""
    ran = [cell.source_sha for cell in record.cells]
    if ran == [digest(cell.source) for cell in cells(text)]:
        return "The page's text changed after this run; its steps are the same."
    return "**The page changed after this run**: steps below are not all what ran."


def _inert(text: str) -> str:
    return re.sub(r"[\[\]{}`*_\\]", lambda mark: f"&#{ord(mark[0])};", text)


def _date(record: RunRecord) -> str:
    return f"{record.started.day} {record.started:%B %Y, %H:%M} UTC"


def seconds(value: float) -> str:
    """A duration as people say it."""
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{int(value // 60)} min {int(value % 60)} s"

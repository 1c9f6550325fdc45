"""Services, runbooks, records, rules and runs in lines, for the fence that each tool puts around them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops.context.untrusted import clean
from blumeops.errors import BadInput, BlumeOpsError, Problem
from blumeops.target import SANDBOX

if TYPE_CHECKING:
    from blumeops.journal import Run
    from blumeops.records import RunRecord
    from blumeops.runbooks.model import Cell, Runbook
    from blumeops.services.model import Aspect, Service, ServiceMap
    from blumeops.tailnet.explain import Explanation

ASPECTS = ("route", "probe", "backup", "dashboard")


def services(found: ServiceMap) -> Iterator[str]:
    """Every service in a line, then what is missing."""
    for one in found.services:
        where = ", ".join(host.value for host in one.hosts) or "unknown"
        version = one.version.value if one.version else "package" if one.package else "unknown"
        aspects = "; ".join(f"{name}: {_short(one.aspect(name))}" for name in ASPECTS)
        yield f"{one.name} ({one.layer.value}, on {where}, version {version}): {aspects}"
    for problem in found.problems:
        yield f"missing: {' '.join(str(problem).split())}"


def service(one: Service, problems: Sequence[Problem]) -> Iterator[str]:
    """All that is known of one service, each fact with its place."""
    yield f"{one.title} ({one.layer.value})" + (f": {one.card.description}" if one.card else ", no card")
    if one.card:
        yield f"card: {one.card.fact.path}"
    for fact in one.made_by:
        yield f"made by: {fact.value} ({fact.where})"
    for kind, said in (("image", one.image), ("package", one.package), ("version", one.version)):
        if said:
            yield f"{kind}: {said.value} ({said.where})"
    for kind, facts in (("host", one.hosts), ("tag", one.tags), ("unit", one.units)):
        for fact in facts:
            yield f"{kind}: {fact.value} ({fact.where})"
    for route in one.routes:
        yield f"reached as: {route.name} → {route.upstream or 'files'} ({route.fact.where})"
    for aspect in one.aspects[1:]:
        if aspect.cover.name != "THERE":
            yield f"{aspect.name}: {aspect.cover.value}" + (f" ({aspect.why})" if aspect.why else "")
        for fact in aspect.facts:
            yield f"{aspect.name}: {fact.value} ({fact.where})"
    for problem in problems:
        if one.card and problem.path == one.card.fact.path:
            yield f"missing: {' '.join(str(problem).split())}"


def _short(aspect: Aspect) -> str:
    if aspect.cover.name != "THERE":
        return aspect.cover.value.removeprefix("none, ")
    facts = [str(fact) for fact in aspect.facts]
    return facts[0] + (f" and {len(facts) - 1} more" if len(facts) > 1 else "") if facts else "there"


def runbooks(root: Path, books: Iterable[Runbook]) -> Iterator[str]:
    """Every runbook in a line."""
    from blumeops import records
    from blumeops.runbooks import depends

    for book in books:
        record = records.latest(root, book.name)
        last = str(record).partition(": ")[2] if record else "never run"
        stale = "; stale" if record and depends.changed_since(root, record) else ""
        where = ", ".join(book.layers) or "no layer"
        yield f"{book.name} ({book.risk.value}; {where}; {last}{stale}): {book.title}. {book.description}"


def runbook(book: Runbook) -> Iterator[str]:
    """What one runbook asks for and does."""
    yield book.title
    yield book.description
    yield f"risk: {book.risk.value}, {'reversible' if book.reversible else 'no way back'}"
    for word in ("layers", "services", "alerts", "requires", "tags"):
        if values := getattr(book, word):
            yield f"{word}: {', '.join(values)}"
    for one in book.parameters.values():
        choices = f", one of {', '.join(one.choices)}" if one.choices else ""
        yield f"parameter {one.name}: {one.kind} = {one.default!r}{choices}. {one.help}"
    for cell in book.cells:
        yield _cell(cell)


def _cell(cell: Cell) -> str:
    role = "step, a person agrees first" if cell.gated else cell.role.value
    said = [
        f"gate: {cell.gate}" if cell.gate else "",
        f"done when: {cell.done}" if cell.done else "",
        f"takes back {cell.undoes}" if cell.undoes else "",
    ]
    return (
        f"{cell.index + 1}. {cell.name} ({role}, line {cell.line}) {'; '.join(w for w in said if w)}".rstrip()
    )


def record(run: RunRecord) -> Iterator[str]:
    """How a run went, and what its cells said."""
    yield f"{run.mode.value} on {run.target}: {run.status.value} at {run.commit[:12]} by {run.who}"
    if run.note:
        yield run.note
    for cell in run.cells:
        yield f"{cell.index + 1}. {cell.name}: {cell.status.value} {cell.error}".rstrip()
        for output in cell.outputs:
            if output.mime.startswith("text/") and output.mime != "text/html":
                yield from (f"   {line}" for line in clean(output.text).split("\n")[:40])


def explained(said: Explanation) -> Iterator[str]:
    """An answer about access, with its reasons."""
    yield str(said)
    for end in (said.src, said.dst):
        if end:
            yield f"{end.name} is {', '.join(end.devices) or 'no device'}"
            yield from end.because
    yield from (f"rule: {rule}" for rule in said.rules)
    if not said.rules:
        yield "no rule of the policy lets it through"


def journal(runs: Iterable[Run]) -> Iterator[str]:
    """What each run planned and did."""
    runs = list(runs)
    for run in runs:
        begun = run.events[0] if run.events else {}
        outcome = run.events[-1].get("outcome", "") if run.finished else "killed before its end"
        yield f"{begun.get('at', '?')} {run.verb} of {str(begun.get('revision', ''))[:12]}: {outcome}"
        for event in run.events:
            match event["event"]:
                case "plan":
                    changes = event.get("changes") or ["nothing to do"]
                    yield from (f"  planned {event.get('layer')}: {change}" for change in changes)
                case "result":
                    for change, became in event.get("outcomes") or []:
                        yield f"  {event.get('layer')}: {change}: {became}"
                    if event.get("error"):
                        yield f"  {event.get('layer')} failed: {event['error']}"
        if unfinished := run.unfinished_layers():
            yield f"  not finished: {', '.join(unfinished)}"
    if not runs:
        yield "nothing was applied yet"


def state(root: Path, target: str) -> Path:
    """The state folder of a target, found without reading its secrets. Raises `BlumeOpsError` for none."""
    if target == SANDBOX:
        return root / ".sandbox" / "state"
    file = root / "homelab" / "targets.toml"
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise BadInput([Problem(str(error), "homelab/targets.toml")]) from error
    if not isinstance(table := tables.get(target), dict):
        known = ", ".join([SANDBOX, *tables])
        raise BlumeOpsError(f"there is no target {target!r}", hint=f"known targets: {known}")
    return file.parent / str(table.get("state", f".blumeops/{target}"))

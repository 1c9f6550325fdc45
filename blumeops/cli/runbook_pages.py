"""The verbs over runbooks as pages: runbook list, show, check, new."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from blumeops.cli import runbook_complete as complete
from blumeops.cli.homelab import json_option
from blumeops.cli.runbook import runbook

if TYPE_CHECKING:
    from pathlib import Path

    from blumeops.records import RunRecord
    from blumeops.runbooks.model import Cell, Parameter, Runbook

RISKS = ("read-only", "changes", "destructive")
"""`model.Risk`, written down again so that the command line starts without the model."""

LAYERS = ("tailnet", "hosts", "cluster")


@runbook.command("list")
@click.option("--tag", help="Only those with this tag.")
@click.option("--layer", type=click.Choice(LAYERS), help="Only those that touch this layer.")
@click.option("--service", help="Only those about this service.")
@click.option("--alert", help="Only those that answer this alert.")
@json_option
def runbook_list(
    tag: str | None, layer: str | None, service: str | None, alert: str | None, as_json: bool
) -> int:
    """List the runbooks: what each does, how risky it is, and its last verified run.

    Exit code 2 says that some cannot be read; the others are listed all the same.
    """
    from blumeops import records
    from blumeops.errors import BadInput
    from blumeops.runbooks import format

    root = complete.root()
    books, problems = format.found(root)
    wanted = [
        _Listed.of(root, book, records.latest(root, book.name))
        for book in books
        if (not tag or tag in book.tags)
        and (not layer or layer in book.layers)
        and (not service or service in book.services)
        and (not alert or alert in book.alerts)
    ]
    if as_json:
        click.echo(json.dumps([_line(one) for one in wanted], indent=2, ensure_ascii=False))
    else:
        _listed(wanted)
    if problems:
        raise BadInput(problems)
    return 0


@dataclass(frozen=True, slots=True)
class _Listed:
    """A runbook with its last run, and whether what that run stood on has changed since."""

    book: Runbook
    record: RunRecord | None
    stale: bool

    @classmethod
    def of(cls, root: Path, book: Runbook, record: RunRecord | None) -> _Listed:
        from blumeops.runbooks import depends

        return cls(book, record, bool(record and depends.changed_since(root, record)))


def _listed(wanted: list[_Listed]) -> None:
    for one in wanted:
        book, record = one.book, one.record
        where = ", ".join(book.layers) or "no layer"
        last = str(record).partition(": ")[2] if record else "never run"
        last += "; stale" if one.stale else ""
        click.echo(f"{book.name:28} {book.title}")
        click.echo(f"{'':28} {book.risk.value}; {where}; {last}")
    if not wanted:
        click.echo("no runbook", err=True)


def _line(one: _Listed) -> dict[str, object]:
    about, record = _front(one.book), one.record
    if record is None:
        return {**about, "last": None}
    last = {"started": str(record.started), "status": record.status.value, "commit": record.commit}
    return {**about, "last": {**last, "stale": one.stale}}


@runbook.command("show")
@click.argument("name", shell_complete=complete.names)
@json_option
def runbook_show(name: str, as_json: bool) -> int:
    """Show what a runbook asks for and does: parameters, steps with their roles, gates and timeouts.

    What its runs said: `blumeops runbook history NAME`.
    """
    from blumeops.runbooks import format

    book = format.named(complete.root(), name)
    if as_json:
        about = {
            **_front(book),
            "parameters": [asdict(one) for one in book.parameters.values()],
            "cells": [_cell(cell) for cell in book.cells],
        }
        click.echo(json.dumps(about, indent=2, ensure_ascii=False))
    else:
        for line in _shown(book):
            click.echo(line)
    return 0


def _front(book: Runbook) -> dict[str, object]:
    return {
        "name": book.name,
        "title": book.title,
        "description": book.description,
        "tags": list(book.tags),
        "layers": list(book.layers),
        "services": list(book.services),
        "alerts": list(book.alerts),
        "risk": book.risk.value,
        "reversible": book.reversible,
        "owner": book.owner,
        "requires": list(book.requires),
        "timeout": book.timeout,
        "verify-every": book.verify_every,
    }


def _cell(cell: Cell) -> dict[str, object]:
    about = asdict(cell)
    return {**about, "role": cell.role.value, "tags": list(cell.tags), "changes": cell.changes}


def _shown(book: Runbook) -> Iterator[str]:
    yield click.style(book.title, bold=True)
    if book.description:
        yield book.description
    yield ""
    back = "reversible" if book.reversible else "no way back"
    yield f"risk        {book.risk.value}, {back}"
    for word, values in (
        ("layers", book.layers),
        ("services", book.services),
        ("alerts", book.alerts),
        ("requires", book.requires),
    ):
        if values:
            yield f"{word:12}{', '.join(values)}"
    again = f", verified every {_time(book.verify_every)}" if book.verify_every else ""
    yield f"{'timeout':12}{_time(book.timeout)}{again}"
    if book.owner:
        yield f"{'owner':12}{book.owner}"
    yield from ("", "Parameters")
    for one in book.parameters.values():
        yield f"  {one.name}: {one.kind} = {one.default!r}"
        yield f"      {'; '.join(word for word in (one.help, _limits(one)) if word) or 'no help'}"
    yield from ("", "Cells")
    for cell in book.cells:
        yield f"  {cell.index + 1:2}  {_role(cell):14}{cell.name}{_extra(cell)}"


def _role(cell: Cell) -> str:
    return "step, gated" if cell.gated else "a person" if cell.role.value == "confirm" else cell.role.value


def _extra(cell: Cell) -> str:
    said = [
        f"gate: {cell.gate}" if cell.gate else "",
        f"done: {cell.done}" if cell.done else "",
        f"takes back {cell.undoes}" if cell.undoes else "",
        f"at most {_time(cell.timeout)}" if cell.timeout else "",
    ]
    words = "; ".join(word for word in said if word)
    return f"  ({words})" if words else ""


def _limits(one: Parameter) -> str:
    if one.choices:
        return " or ".join(one.choices)
    if one.pattern:
        return f"matches {one.pattern}"
    if one.low is None and one.high is None:
        return ""
    low, high = ("" if bound is None else f"{bound:g}" for bound in (one.low, one.high))
    return f"{low}..{high}{' items' if one.kind == 'list' else ''}"


def _time(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


@runbook.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.names)
@click.option("--fix", is_flag=True, help="Write them as notebook editors keep them; no word is changed.")
@json_option
def runbook_check(names: tuple[str, ...], fix: bool, as_json: bool) -> int:
    """Check runbooks without running them: fields, sections, cells, code, commands, secrets.

    All of them unless some are named. It also finds what would silently not run, and parameters that look
    like secrets. Exit code 2 says that something is wrong.
    """
    from blumeops.cli import cli
    from blumeops.runbooks import check, format

    root = complete.root()
    chosen = names or format.names(root)
    if fix:
        for name in check.fix(root, chosen):
            click.echo(f"fixed  {format.FOLDER}/{name}.md", err=True)
    problems = check.check(root, names, clis={"blumeops": cli})
    if as_json:
        told = [asdict(problem) for problem in problems]
        click.echo(json.dumps({"checked": len(chosen), "problems": told}, indent=2, ensure_ascii=False))
    else:
        for problem in problems:
            click.echo(str(problem))
        count = len(chosen)
        click.echo(
            f"{count} runbook{'' if count == 1 else 's'} checked: {len(problems) or 'no'} "
            f"problem{'' if len(problems) == 1 else 's'}",
            err=True,
        )
    return 2 if problems else 0


@runbook.command("new")
@click.argument("name")
@click.option("--title", default="", help="Its title; else made from the name.")
@click.option("--layers", default="", metavar="A,B", help="The layers that it touches.")
@click.option("--service", "services", multiple=True, help="A service that it is about; may be repeated.")
@click.option("--risk", type=click.Choice(RISKS), default="changes", show_default=True)
@click.option("--owner", default="", help="Who looks after it; else whoever Git says you are.")
def runbook_new(name: str, title: str, layers: str, services: tuple[str, ...], risk: str, owner: str) -> int:
    """Write a new runbook that passes `runbook check`, to be filled in. Never overwrites one."""
    from blumeops.errors import BlumeOpsError
    from blumeops.journal import user
    from blumeops.runbooks import new
    from blumeops.runbooks.model import Risk

    chosen = tuple(word.strip() for word in layers.split(",") if word.strip())
    if wrong := [word for word in chosen if word not in LAYERS]:
        raise BlumeOpsError(f"there is no layer {wrong[0]}", hint=f"the layers are {', '.join(LAYERS)}")
    path = new.write(
        complete.root(), name,
        title=title, layers=chosen, services=services, risk=Risk(risk), owner=owner or user(),
    )  # fmt: skip
    click.echo(f"{path.parent.name}/{path.name}")
    click.echo(f"next: fill it in, then `blumeops runbook check {path.stem}`", err=True)
    return 0

"""What a run of a runbook would do, told from its page alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from blumeops import records
from blumeops.runbooks import running_choice, running_trust
from blumeops.runbooks.model import Cell, Role, Runbook
from blumeops.runbooks.running import defaults


def show(root: Path, book: Runbook, given: Mapping[str, object], *, as_json: bool) -> None:
    """Print the plan of a run with these parameters."""
    values = {**defaults(book), **given}
    where = running_trust.place(root, str(values.get("target", "sandbox")))
    last = records.latest(root, book.name)
    took = {cell.name: cell.seconds for cell in last.cells} if last else {}
    steps = [_plain(cell, took.get(cell.name)) for cell in _order(book)]
    if as_json:
        about = {"runbook": book.name, "title": book.title, "risk": book.risk.value, "timeout": book.timeout}
        place = {"target": where.name, "identity": where.identity, "parameters": values}
        click.echo(json.dumps({**about, **place, "steps": steps}, indent=2, ensure_ascii=False))
        return
    click.echo(
        f"{book.title}: {book.risk.value}, at most {book.timeout:g} s, on {where.name} ({where.identity})"
    )
    for name, value in values.items():
        click.echo(f"  {name} = {value!r}")
    for step in steps:
        seconds = f"{step['last_seconds']:6.1f} s" if step["last_seconds"] is not None else " " * 8
        click.echo(f"  {step['role']:12} {seconds}  {step['name']}{_notes(step)}")


def _order(book: Runbook) -> tuple[Cell, ...]:
    backs = tuple(cell for cell in book.cells if cell.role is Role.ROLLBACK)
    return (*running_choice.forward(book), *backs, *running_choice.cleanups(book))


def _plain(cell: Cell, seconds: float | None) -> dict[str, object]:
    about = {"name": cell.name, "role": cell.role.value, "gated": cell.gated, "gate": cell.gate}
    more = {"done": cell.done, "undoes": cell.undoes, "timeout": cell.timeout, "line": cell.line}
    return {**about, **more, "last_seconds": seconds}


def _notes(step: Mapping[str, object]) -> str:
    said = ["waits for you" + (f", shows {step['gate']}" if step["gate"] else "")] if step["gated"] else []
    said += ["waits for your word"] if step["role"] == Role.ATTEST else []
    said += [f"skipped when {step['done']}"] if step["done"] else []
    said += [f"takes back {step['undoes']}"] if step["undoes"] else []
    said += [f"at most {step['timeout']:g} s"] if step["timeout"] else []
    return f"  ({'; '.join(said)})" if said else ""

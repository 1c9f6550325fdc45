"""How reports look on a terminal; every colour stands beside a word or a sign that says the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from blumeops.plan import Action, Answer, Change, Plan, Report, Result, State, Status

COLOURS = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.REPLACE: "magenta", Action.DELETE: "red"}
STATES = {
    State.IN_SYNC: ("✓", "green"),
    State.PENDING: ("…", "yellow"),
    State.DRIFTED: ("≠", "magenta"),
    State.DEGRADED: ("!", "red"),
    State.UNKNOWN: ("?", "red"),
}
DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


class Diffs(Enum):
    """How much of the diffs is shown: none, those of what exists already, or all."""

    NONE = 0
    EXISTING = 1
    ALL = 2


def report(shown: Report, *, as_json: bool, diffs: Diffs = Diffs.EXISTING) -> None:
    """Print a report: JSON, or one block for each layer."""
    if as_json:
        click.echo(shown.to_json())
        return
    if all(isinstance(answer, Status) for answer in shown.answers):
        states(shown)
        return
    for answer in shown.answers:
        _answer(answer, diffs=diffs)


def states(shown: Report) -> None:
    """Print one line for each layer: its sign, state and reason."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for answer in shown.answers:
        if isinstance(answer, Status):
            sign, colour = STATES[answer.state]
            words = answer.state.value.replace("_", " ")
            table.add_row(
                f"[{colour}]{sign}[/]", answer.layer, f"[{colour}]{words}[/]", escape(answer.reason)
            )
    out.print(table)
    for answer in shown.answers:
        if isinstance(answer, Status):
            for detail in answer.details:
                out.print(f"    {escape(detail)}")
            if answer.error:
                err.print(f"[red]error:[/] {escape(answer.error)}")


def _answer(answer: Answer, *, diffs: Diffs) -> None:
    sign, colour = _mark(answer)
    out.print(f"[{colour}]{sign}[/] [bold]{answer.layer}[/]: {escape(_words(answer))}")
    match answer:
        case Plan():
            _changes(answer, diffs=diffs)
        case Result():
            for change, outcome in zip(answer.changes, answer.outcomes, strict=False):
                out.print(f"    {escape(str(change))}: {outcome.value}")
            for note in answer.notes:
                out.print(f"    {escape(note)}")
        case Status(error=error) if error:
            err.print(f"[red]error:[/] {escape(error)}")
        case Status():
            pass


def _changes(plan: Plan, *, diffs: Diffs) -> None:
    for change in plan.changes:
        colour = COLOURS[change.action]
        out.print(f"  [{colour}]{change.action.sign} {change.action.value}[/] {escape(change.address)}")
        for line in change.diff.splitlines() if _wanted(change, diffs) else ():
            shade = DIFF_COLOURS.get(line[:1], "default")
            out.print(f"      [{shade}]{escape(line)}[/]")
    for note in plan.coverage.notes:
        out.print(f"  [dim]· not compared: {escape(note)}[/]")


def _wanted(change: Change, diffs: Diffs) -> bool:
    """A new resource is all additions, which says little in many lines; its name is enough."""
    whole = change.action in (Action.CREATE, Action.DELETE)
    return diffs is Diffs.ALL or (diffs is Diffs.EXISTING and not whole)


def _mark(answer: Answer) -> tuple[str, str]:
    match answer:
        case Status():
            return STATES[answer.state]
        case Plan():
            return ("~", "yellow") if answer.changes else ("✓", "green")
        case Result():
            return ("✓", "green") if answer.succeeded else ("✗", "red")


def _words(answer: Answer) -> str:
    return str(answer).removeprefix(f"{answer.layer}: ")


def progress(*, quiet: bool) -> Callable[[str], None]:
    """A function that shows one line of progress on standard error."""
    if quiet:
        return lambda _line: None

    def show(line: str) -> None:
        err.print(f"[dim]·[/] {escape(line)}")

    return show


def interactive() -> bool:
    """True when a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()

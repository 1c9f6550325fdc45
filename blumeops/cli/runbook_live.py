"""What a person sees while a runbook runs, and how they are asked at its gates."""

from __future__ import annotations

import sys
import time

import click
from rich.markup import escape
from rich.status import Status
from rich.text import Text

from blumeops.cli import show
from blumeops.cli.progress import clock
from blumeops.record import duration
from blumeops.records import CellRecord, Output, RunStatus
from blumeops.runbooks.gates import Answer, Kind, Question, Reply
from blumeops.runbooks.model import Cell

MARKS = {
    RunStatus.PASSED: ("✓", "green"),
    RunStatus.ALREADY: ("✓", "green"),
    RunStatus.ATTESTED: ("✓", "green"),
    RunStatus.SKIPPED: ("-", "dim"),
    RunStatus.NOT_RUN: ("·", "dim"),
    RunStatus.RUNNING: ("▸", "cyan"),
    RunStatus.DECLINED: ("■", "yellow"),
}
"""The sign and colour of each status; what is not here went wrong."""

WRONG = ("✗", "red")


class Terminal:
    """Shows a run as it goes: a live line for the step that runs, on a terminal; plain lines elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = Status("", console=show.err) if show.err.is_terminal and not quiet else None
        self._begun = time.monotonic()

    def close(self) -> None:
        """Take the live line away."""
        if self._live:
            self._live.stop()

    def line(self, text: str) -> None:
        """Something has happened."""
        if not self._quiet:
            show.err.print(f"[dim]{clock(self._begun)}[/] {escape(text)}")

    def begin(self, cell: Cell, count: int) -> None:
        """A cell begins."""
        if self._live:
            self._live.update(f"[dim]{clock(self._begun)}[/] {cell.index + 1}/{count} {escape(cell.name)}")
            self._live.start()
        else:
            self.line(f"▸ {cell.index + 1}/{count} {cell.name}")

    def output(self, output: Output) -> None:
        """The cell that runs says something."""
        if self._quiet or not output.text.strip():
            return
        if output.mime == "text/markdown" and show.err.is_terminal:
            from rich.markdown import Markdown  # a second of imports, and few outputs are Markdown

            show.err.print(Markdown(output.text))
        elif output.mime.startswith("text/") and output.mime != "text/html":
            show.err.print(Text.from_ansi(output.text.rstrip("\n")))
        else:
            show.err.print(f"[dim]({output.mime}: in the notebook of this run)[/]")

    def ended(self, cell: CellRecord) -> None:
        """A cell has ended, or was left out."""
        if self._live:
            self._live.stop()
        if not self._quiet:
            show.err.print(f"[dim]{clock(self._begun)}[/] {cell_line(cell)}")

    # -- gates ------------------------------------------------------------------------------------

    def ask(self, question: Question) -> Reply:
        """Show what would happen, wait for a person, and give their answer."""
        if self._live:
            self._live.stop()
        show.err.print()
        show.err.print(f"[bold]{escape(question.title or question.step)}[/]")
        show.err.print(Text.from_ansi(question.shown))
        if question.identity:
            show.err.print(f"target [bold]{escape(question.target)}[/]: {escape(question.identity)}")
        try:
            return _answer(question)
        except click.Abort:
            raise KeyboardInterrupt from None


def _answer(question: Question) -> Reply:
    choices = {
        Kind.GATE: {"y": Answer.YES, "s": Answer.SKIP, "n": Answer.NO},
        Kind.ATTEST: {"y": Answer.YES, "n": Answer.NO},
        Kind.ROLLBACK: {"y": Answer.YES, "n": Answer.NO},
    }[question.kind]
    words = {"y": "y(es)", "s": "s(kip this step)", "n": "n(o, end here)"}
    legend = ", ".join(words[key] for key in choices)
    sys.stderr.flush()
    key = click.prompt(
        f"{question.words} {legend}",
        type=click.Choice([*choices]),
        show_choices=False,
        err=True,
    )
    said = ""
    if question.kind is Kind.ATTEST and choices[key] is Answer.YES:
        said = click.prompt("in your words (Enter for none)", default="", show_default=False, err=True)
    return Reply(choices[key], said)


def cell_line(cell: CellRecord) -> str:
    """One cell in one line, with rich's markup."""
    sign, colour = MARKS.get(cell.status, WRONG)
    took = f" [dim]{duration(cell.seconds)}[/]" if cell.seconds >= 0.05 else ""
    word = "" if cell.status is RunStatus.PASSED else f" {cell.status.value}"
    where = f" (line {cell.line})" if cell.line else ""
    why = f": {escape(cell.error)}" if cell.error else ""
    who = f" [dim]by {escape(cell.gate.who)}[/]" if cell.gate else ""
    return f"[{colour}]{sign} {escape(cell.name)}{word}[/]{where}{took}{who}{why}"

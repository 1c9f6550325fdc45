"""How a context pack looks on a terminal: the same words as in its Markdown, for a person."""

from __future__ import annotations

import re

from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from blumeops.cli.show import STATES
from blumeops.context import shown
from blumeops.context.excerpts import Excerpt
from blumeops.context.live import Live
from blumeops.context.model import Kind
from blumeops.context.pack import NOTHING, Pack
from blumeops.context.untrusted import clean

_FIRST_HEADING = re.compile(r"\A#+ [^\n]*\n+(?=\S)")
_WIKILINK = re.compile(r"!?\[\[([^\[\]|]+?)(?:\\?\|([^\[\]]*))?\]\]")

WIDEST = 120
"""Columns; longer lines of prose are hard to read."""


def show(pack: Pack) -> None:
    """Print a pack on the terminal."""
    from blumeops.cli.show import out

    console = Console(highlight=False, emoji=False, width=min(out.width, WIDEST))
    console.print(Text(clean(pack.question), style="bold"))
    for one in pack.runbooks:
        mark = Text("✓ ", "green") if one.holds else Text("! ", "yellow")
        console.print(Text.assemble(mark, (one.command, "bold cyan"), f"  {one.risk}; {one.said}"))
    for entry in pack.entries:
        _excerpt(console, entry)
    if pack.desired:
        _heading(console, "Desired state")
        for row in pack.desired:
            console.print(Text.assemble((row.place, "cyan"), f"  {row.what}  ", (clean(row.text), "dim")))
    if pack.live:
        _live(console, pack.live)
    if pack.also:
        _heading(console, "Also relevant")
        for section in pack.also:
            place, _, title = clean(shown.pointer(section)).partition(" ")
            console.print(Text.assemble((place, "cyan"), f"  {title}"))
    if not pack.found:
        console.print(NOTHING.strip())
    _foot(console, pack)


def _heading(console: Console, title: str, style: str = "bold") -> None:
    console.print()
    console.print(Rule(Text(title, style=style), align="left", style="dim"))


def _excerpt(console: Console, one: Excerpt) -> None:
    _heading(console, one.place, "cyan")
    console.print(Text(clean(" › ".join((one.title, *one.headings))), style="bold"))
    for mark in one.here:
        console.print(Text(f"! {mark}", style="yellow"))
    is_prose = one.kind in (Kind.PAGE, Kind.RUNBOOK) and not one.text.startswith("---")
    console.print(Markdown(_prose(one.text)) if is_prose else Padding(Text(one.text), (0, 0, 0, 2)))
    if one.clipped:
        console.print(Text("… cut short", style="dim"))


def _prose(text: str) -> str:
    """A section without the heading that stands above it already, its wikilinks as their words."""
    return _WIKILINK.sub(lambda found: found[2] or found[1], _FIRST_HEADING.sub("", text))


def _live(console: Console, live: Live) -> None:
    _heading(console, f"Now, {live.target}, {live.at:%H:%M} UTC")
    for one in live.layers:
        sign, colour = STATES[one.state]
        words = one.state.value.replace("_", " ")
        reason = " ".join(clean(one.reason).split())
        console.print(Text.assemble((f"{sign} ", colour), f"{one.layer}  ", (words, colour), f"  {reason}"))


def _foot(console: Console, pack: Pack) -> None:
    _heading(console, "")
    for rail in pack.rails:
        console.print(Text(f"· {rail}", style="dim"))
    left = f"; left out: {', '.join(pack.left_out)}" if pack.left_out else ""
    console.print(Text(f"{pack.tokens:,} of {pack.budget:,} tokens{left}", style="dim"))

"""A context pack as Markdown: blocks whose tokens add up, because each ends its line and begins with a mark.

What is quoted from files and systems stands in fences; what stands outside of them are our own words, paths
and names that went through `label`. So a heading that a page made up cannot be taken for one of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from blumeops.context import tokens
from blumeops.context.freshness import Mark
from blumeops.context.git_says import Row
from blumeops.context.live import Live
from blumeops.context.rehearsed import Rehearsed
from blumeops.context.untrusted import clean, fence, label, published

if TYPE_CHECKING:
    from blumeops.context.excerpts import Excerpt

LONGEST_QUESTION = 200
"""Characters of the question that a pack repeats; the reader knows it already."""


def heading(question: str) -> str:
    """The first line of a pack."""
    said = " ".join(clean(question).replace("`", "'").split())
    shown = said if len(said) <= LONGEST_QUESTION else f"{said[: LONGEST_QUESTION - 1]}…"
    return f"# Context: {shown}\n"


def listed(title: str, lines: Iterable[str]) -> str:
    """A heading with a list of our own words."""
    return "".join([f"## {title}\n", *(f"- {line}\n" for line in lines)])


def runbook(one: Rehearsed) -> str:
    """A runbook in one line: its command, what it may do, its parameters, and how its last run ended."""
    parameters = (
        f"; parameters: {', '.join(label(name) for name in one.parameters)}" if one.parameters else ""
    )
    return f"`{one.command}` ({one.risk}): {one.said}{parameters}"


def place(path: str, line: int, last: int) -> str:
    """Where an excerpt stands in its source."""
    return f"{label(path)}:{line}-{last}" if last > line else f"{label(path)}:{line}"


def crumbs(title: str, headings: Sequence[str], text: str) -> str:
    """The way to a section, as far as its own text does not say it in its first line."""
    first = text.partition("\n")[0].lstrip("# ")
    way = [one for one in (title, *headings) if one]
    return " › ".join(way[:-1] if way and first in (way[-1], "---") else way)


def excerpt(where: str, way: str, text: str, marks: Sequence[Mark], *, clipped: bool) -> str:
    """Some lines of a file in a fence, under the marks that say what of it does not hold any more."""
    doubts = "".join(f"**Doubtful:** {mark}\n" for mark in marks)
    more = " (cut short)" if clipped else ""
    text = published(text) if ".md:" in where else text
    said = f"{way}\n{text}" if way else text
    return f"{doubts}{fence(said, where + more)}\n"


def rows(title: str, shown: Sequence[Row]) -> str:
    """Rows of the desired state in one fence."""
    said = "\n".join(f"{label(row.place)} {row.what}{': ' if row.text else ''}{row.text}" for row in shown)
    return f"## {title}\n{fence(said, 'what Git says')}\n"


def live(found: Live) -> str:
    """What the layers said of themselves."""
    at = f"{found.at:%Y-%m-%d %H:%M} UTC"
    return f"## Now\n{fence(found.text(), f'live: blumeops status --target {label(found.target)}, {at}')}\n"


def pointers(shown: Sequence[Excerpt]) -> str:
    """Places that are relevant, too, and have no room."""
    said = "\n".join(pointer(one) for one in shown)
    return f"## Also relevant\n{fence(said, 'places and titles')}\n"


def pointer(one: Excerpt) -> str:
    """One place with the title of what stands there."""
    return f"{label(one.path)}:{one.line} {' › '.join((one.title, *one.headings[-1:]))}"


@lru_cache(maxsize=8192)
def size(block: str) -> int:
    """The tokens of a block."""
    return tokens.count(block)

"""Tables that list what there is: rows that are missing, and rows of what is not there.

Nothing marks such a table. It is one when most of its names are Applications (or roles, hosts, tasks, tags)
of the repository and most of these are in it; tables of one page that list the same count together.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from blumeops.facts.blocks import outside
from blumeops.facts.census import Census
from blumeops.facts.finding import Finding
from blumeops.facts.page import Page, Row, Table, said

SMALLEST = 4
"""Of fewer things a table says too little to be known as their list."""

MOST = 0.6
"""The part of a table's names that must be of a kind, and the part of the kind that must be in the table."""

NEARLY_ALL = 0.75
"""With this part of a kind in it, a table is its list beyond doubt."""

_NAME = re.compile(r"[a-z0-9][\w.:-]*", re.IGNORECASE)
_NO_NAMES = {"all", "total", "none", "default", "others"}
_TARGET = re.compile(r"\[\[([^\[\]|#\\]+)|\]\(([^)#\s]+?)(?:\.md)?\)")
_SPLIT = re.compile(r"\s*(?:,|/|\band\b|·|•|<br\s*/?>)\s*")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing that tables list: its name for people, and what there is of it."""

    word: str
    names: frozenset[str]


def kinds(census: Census) -> tuple[Kind, ...]:
    """Every kind of which the repository has enough to recognise a list."""
    found: Mapping[str, Iterable[str]] = {
        "Application": census.applications,
        "role": census.roles,
        "host": census.hosts,
        "task": census.tasks,
        "tag": census.tags,
    }
    all_of = (Kind(word, frozenset(name.casefold() for name in names)) for word, names in found.items())
    return tuple(kind for kind in all_of if len(kind.names) >= SMALLEST)


def check(page: Page, known: Iterable[Kind]) -> Iterator[Finding]:
    """Every missing row and every row of nothing in the lists of a page."""
    tables = outside(page)
    named = [(table, [(row, names(row)) for row in table.rows]) for table in tables]
    claimed: dict[int, str] = {}
    for kind in known:
        mine = [
            (t, rows)
            for t, rows in named
            if _is_of(rows, kind) and claimed.get(t.line, kind.word) == kind.word
        ]
        listed = {name for table, _ in mine for row in table.rows for name in _mentions(row)}
        part = len(listed & kind.names) / len(kind.names)
        if not mine or part < MOST:
            continue
        claimed.update((table.line, kind.word) for table, _ in mine)
        largest = max((table for table, _ in mine), key=lambda table: len(table.rows))
        yield from _missing(page, largest, kind, listed, part)
        yield from _dead(page, mine, kind, part, {n for other in known for n in other.names})


def names(row: Row) -> tuple[str, ...]:
    """The names in the first cell of a row, folded; none when it holds a sentence."""
    cell = re.sub(r"\s*\([^)]*\)", "", said(row.cells[0])) if row.cells else ""
    cell = re.sub(r"^(?:mise run|make|just) ", "", cell)
    found = [word.casefold() for word in _SPLIT.split(cell) if word]
    if found and all(_NAME.fullmatch(word) for word in found):
        return tuple(found)
    # "Home Assistant" is how people write home-assistant; a longer text is no name.
    title = "-".join(cell.casefold().split())
    return (title,) if cell.count(" ") == 1 and cell.istitle() and _NAME.fullmatch(title) else ()


def _mentions(row: Row) -> Iterator[str]:
    """Every name that a row could be of: those in its first cell, also as links, and other whole cells."""
    yield from names(row)
    if row.cells:
        yield from (
            target.rpartition("/")[2].casefold()
            for found in _TARGET.findall(row.cells[0])
            for target in found
            if target
        )
    yield from (said(cell).casefold() for cell in row.cells[1:])


def _is_of(rows: list[tuple[Row, tuple[str, ...]]], kind: Kind) -> bool:
    found = [any(name in kind.names for name in names) for _, names in rows if names]
    return len(found) >= 2 and sum(found) / len(found) >= MOST


def _missing(page: Page, table: Table, kind: Kind, listed: set[str], part: float) -> Iterator[Finding]:
    for name in sorted(kind.names - listed):
        what = f"the {kind.word} {name} has no row in this table of {kind.word}s"
        line = table.rows[-1].line if table.rows else table.line
        if not page.silenced.intersection(range(table.line - 1, line + 1)):
            index = page.start_of(table.line)
            yield Finding(page.problem(what, index, f"add a row below line {line}"), part >= NEARLY_ALL)


def _dead(
    page: Page,
    tables: list[tuple[Table, list[tuple[Row, tuple[str, ...]]]]],
    kind: Kind,
    part: float,
    known: set[str],
) -> Iterator[Finding]:
    for _, rows in tables:
        for row, found in rows:
            for name in found:
                if name in kind.names or name in _NO_NAMES or set(_mentions(row)) & kind.names:
                    continue
                near = difflib.get_close_matches(name, kind.names, 1)
                hint = f"did you mean {near[0]}?" if near else "take the row away"
                what = f"there is no {kind.word} {name} in the repository"
                plain = "`" in row.cells[0] or row.cells[0] == row.cells[0].casefold()
                sure = part >= NEARLY_ALL and plain and name not in known
                yield Finding(page.problem(what, page.start_of(row.line), hint), sure)

"""Generated blocks: tables on a page that are written from the repository, and checked.

    <!-- blumeops:begin applications -->
    | Application | version | why it is here |
    |---|---|---|
    | `miniflux` | 2.2.9 | the morning's reading |
    <!-- blumeops:end -->

A column that the register knows is the register's; any other column is the author's, and what stands there
stays with its row. A cell whose words are right keeps its marks, so a name may be made a link.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from blumeops.errors import Problem
from blumeops.facts import page as pages
from blumeops.facts.bound import Edit
from blumeops.facts.census import Census
from blumeops.facts.page import Page, Table
from blumeops.facts.registers import REGISTERS, Made, Maker, Register

_MARK = re.compile(r"^[ \t]*<!-- blumeops:(?P<word>begin|end)\b(?P<name>[^>]*?)-->[ \t]*$", re.MULTILINE)
_FIX = "`blumeops docs check --fix` writes it"


@dataclass(frozen=True, slots=True)
class Block:
    """A generated block: its name and arguments, and where its inside begins and ends in the page."""

    name: str
    arguments: tuple[str, ...]
    start: int
    end: int
    at: int


def find(page: Page, problems: list[Problem]) -> list[Block]:
    """Every generated block of a page; one that does not end, or ends twice, is a problem."""
    if "<!-- blumeops:" not in page.text:
        return []
    found: list[Block] = []
    opened: re.Match[str] | None = None
    for mark in _MARK.finditer(page.prose):
        begins = mark["word"] == "begin"
        if begins and opened:
            problems.append(
                page.problem("a block begins inside of another", mark.start(), "end that one first")
            )
        elif begins:
            opened = mark
        elif opened is None:
            problems.append(page.problem("no block begins before this end", mark.start()))
        else:
            name, *arguments = opened["name"].split() or [""]
            start = min(opened.end() + 1, mark.start())
            found.append(Block(name, tuple(arguments), start, mark.start(), opened.start()))
            opened = None
    if opened:
        problems.append(page.problem("this block has no end", opened.start(), "add <!-- blumeops:end -->"))
    return found


def outside(page: Page) -> list[Table]:
    """The tables of a page that people wrote: all that are in no block."""
    places = [(page.place(block.start)[0], page.place(block.end)[0]) for block in find(page, [])]
    return [t for t in page.tables if not any(first <= t.line <= last for first, last in places)]


def check(
    page: Page, census: Census, problems: list[Problem], registers: Mapping[str, Maker] = REGISTERS
) -> tuple[int, list[Edit]]:
    """Compare every block with what it should hold. Returns how many there are, and the edits."""
    edits = []
    blocks = find(page, problems)
    for block in blocks:
        if block.name not in registers:
            near = difflib.get_close_matches(block.name, registers, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(registers)}"
            problems.append(page.problem(f"there is no register {block.name!r}", block.at, hint))
            continue
        inside = page.text[block.start : block.end]
        wanted = render(registers[block.name](census), inside, block.arguments)
        if wanted != inside:
            problems.append(_difference(page, block, inside, wanted))
            said = f"{page.path}:{page.place(block.at)[0]}: block {block.name} written"
            edits.append(Edit(block.start, block.end, wanted, said))
    return len(blocks), edits


def _difference(page: Page, block: Block, inside: str, wanted: str) -> Problem:
    old, new = inside.split("\n"), wanted.split("\n")
    pairs = enumerate(zip([*old, *[""] * len(new)], [*new, *[""] * len(old)], strict=False))
    number, (was, should) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
    line, _ = page.place(block.start)
    what = f"block {block.name} is out of date: {_row(was)} should be {_row(should)} (line {line + number})"
    return page.problem(what, block.at, _FIX)


def _row(line: str) -> str:
    return f"`{line.strip()}`" if line.strip() else "nothing"


def render(made: Made, inside: str = "", arguments: tuple[str, ...] = ()) -> str:
    """What a block should hold, given what it holds now and the columns that it names."""
    if isinstance(made, str):
        return f"\n{made.strip()}\n\n"
    tables = Page("", inside).tables
    table = tables[0] if tables else None
    head = _head(made, inside, table, arguments)
    old = {row.key: row.cells for row in table.rows} if table else {}
    rows = [_cells(made, head, row, old, table) for row in made.rows]
    rule = _rule(inside, table, len(head))
    lines = ["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n" + "\n".join(line.replace("|  |", "| |").replace("|  |", "| |") for line in lines) + "\n\n"


def _head(made: Register, inside: str, table: Table | None, arguments: tuple[str, ...]) -> tuple[str, ...]:
    if table:
        written = inside.split("\n")[table.line - 1]
        return pages.cells(written)
    chosen = [c for c in made.columns if c.replace(" ", "-").casefold() in arguments]
    if chosen:
        return tuple(dict.fromkeys([made.columns[0], *chosen]))
    return made.shown or made.columns


def _rule(inside: str, table: Table | None, columns: int) -> str:
    written = inside.split("\n")[table.line].strip() if table else ""
    return written if written.count("|") == columns + 1 else "|" + "---|" * columns


def _cells(
    made: Register,
    head: tuple[str, ...],
    row: tuple[str, ...],
    old: Mapping[str, tuple[str, ...]],
    table: Table | None,
) -> list[str]:
    known = {column.casefold(): n for n, column in enumerate(made.columns)}
    before = old.get(pages.said(row[0]), ())
    cells = []
    for number, column in enumerate(head):
        kept = before[number] if number < len(before) else ""
        at = 0 if number == 0 else known.get(pages.said(column).casefold())
        fresh = (
            row[at].replace("|", "\\|")
            if at is not None and "[[" not in row[at]
            else (row[at] if at is not None else kept)
        )
        fresh = " ".join(fresh.split())
        cells.append(kept if pages.said(kept) == pages.said(fresh) else fresh)
    return cells

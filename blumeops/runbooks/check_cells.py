"""What is wrong with the cells of a runbook: roles, options, gates, the way back, cells that never run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator

from blumeops.errors import Problem
from blumeops.runbooks.blocks import Block, Page
from blumeops.runbooks.format import roles_of
from blumeops.runbooks.model import Cell, Risk, Role, Runbook

OPTIONS = ("done", "gate", "name", "of", "tags", "timeout")
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_GIVES = {
    "gate": (lambda cell: cell.gated, "a step tagged `step, confirm`"),
    "done": (lambda cell: cell.role in (Role.STEP, Role.ATTEST), "a step"),
    "of": (lambda cell: cell.role is Role.ROLLBACK, "a rollback"),
}
"""Options that only some cells have."""


def check(book: Runbook, page: Page, path: str) -> Iterator[Problem]:
    """Every complaint about cells, in no order."""
    for block in page.nested:
        what = f"this cell stands in a {block.inside}, so it would silently not run"
        yield Problem(what, path, block.first, 0, "begin its fence at the start of a line, outside of it")
    for block, cell in zip(page.blocks, book.cells, strict=True):
        if not block.last:
            yield Problem("nothing closes this fence", path, block.first, 0, "``` on a line of its own")
        yield from _tags(block, path)
        yield from _options(block, cell, path)
        if cell.timeout and cell.timeout > book.timeout:
            yield _at(block, path, "timeout", "this cell may take longer than the whole runbook")
        if cell.gated and not cell.gate:
            what = f"the gate of {cell.name} shows nothing"
            yield Problem(
                what, path, block.first, 0, "`:gate: plan`, an expression that says what will change"
            )
        if not cell.source.strip():
            yield Problem("this cell is empty", path, block.first)
    yield from _names(page, path)
    yield from _undoes(book, page, path)
    yield from _parameters(book, page, path)
    yield from _risk(book, path)


def near(word: str, known: tuple[str, ...], what: str) -> str:
    """A hint for a word that is not known."""
    found = difflib.get_close_matches(word, known, 1)
    return f"did you mean {found[0]}?" if found else f"{what}: {', '.join(known) or 'none'}"


def _at(block: Block, path: str, option: str, what: str, hint: str = "") -> Problem:
    value = block.options.get(option)
    return Problem(what, path, value.line if value else block.first, 0, hint)


def _tags(block: Block, path: str) -> Iterator[Problem]:
    known = tuple(role.value for role in Role)
    if (given := block.options.get("tags")) is not None and given.items is None:
        yield _at(block, path, "tags", "tags is a list", f":tags: [{given.text}]")
    for tag in block.tags:
        if tag not in known:
            yield _at(block, path, "tags", f"there is no tag {tag}", near(tag, known, "the tags are"))
    for tag in {tag for tag in block.tags if block.tags.count(tag) > 1}:
        yield _at(block, path, "tags", f"{tag} is given twice")
    roles = roles_of(block.tags)
    if not roles:
        hint = f"`:tags: [step]`, or one of {', '.join(known)}"
        yield _at(block, path, "tags", "this cell has no role", hint)
    if len(roles) > 1:
        said = " and ".join(role.value for role in roles)
        yield _at(block, path, "tags", f"one cell has one role, and this is {said}", "make two cells of it")
    elif Role.ATTEST.value in block.tags and roles[0] not in (Role.STEP, Role.ATTEST):
        hint = "`confirm` stands alone or with `step`"
        yield _at(block, path, "tags", f"a {roles[0].value} has no gate", hint)


def _options(block: Block, cell: Cell, path: str) -> Iterator[Problem]:
    for name, value in block.options.items():
        if name not in OPTIONS:
            hint = near(name, OPTIONS, "the options are")
            yield Problem(f"there is no option {name}", path, value.line, 0, hint)
        elif name in _GIVES and not _applies(name)(cell):
            what = f"{name} is for {_GIVES[name][1]}, and this is a {cell.role.value}"
            yield Problem(what, path, value.line)
    if "name" in block.options and not _NAME.fullmatch(cell.name):
        hint = "lower case, digits and hyphens: apply-policy"
        yield _at(block, path, "name", f"{cell.name} is no name of a cell", hint)


def _applies(option: str) -> Callable[[Cell], bool]:
    return _GIVES[option][0]


def _names(page: Page, path: str) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for block in page.blocks:
        name = block.options["name"].text if "name" in block.options else None
        if name and name in first:
            what = f"two cells are named {name} (the first in line {first[name]})"
            yield _at(block, path, "name", what)
        elif name:
            first[name] = block.first


def _undoes(book: Runbook, page: Page, path: str) -> Iterator[Problem]:
    steps = tuple(cell.name for cell in book.cells if cell.role in (Role.STEP, Role.ATTEST))
    # A gate without `confirm` is a mistake of its own, which is told where it stands.
    changing = {cell.name for cell in book.cells if cell.gated or cell.gate}
    for block, cell in zip(page.blocks, book.cells, strict=True):
        if cell.undoes and cell.undoes not in steps:
            hint = near(cell.undoes, steps, "the steps are")
            yield _at(block, path, "of", f"there is no step {cell.undoes}", hint)
        elif cell.undoes and cell.undoes not in changing:
            # A run takes back the steps that it began to change something with, so this would never run.
            what = f"{cell.undoes} changes nothing, so it is never taken back"
            yield _at(block, path, "of", what, "name the step that is tagged `step, confirm`")


def _parameters(book: Runbook, page: Page, path: str) -> Iterator[Problem]:
    having = [cell for cell in book.cells if cell.role is Role.PARAMETERS]
    if not having:
        hint = '`:tags: [parameters]` with  target: str = "sandbox"  # where to do it'
        yield Problem("there is no cell with the parameters", path, 0, 0, hint)
        return
    for cell in having[1:]:
        yield Problem("the parameters stand in one cell", path, cell.line)
    if having[0].index:
        yield Problem("the parameters are the first cell", path, having[0].line)
    target = book.parameters.get("target")
    if target is None or target.kind != "str":
        what = "there is no parameter target" if target is None else "target is a str"
        yield Problem(what, path, having[0].line, 0, 'target: str = "sandbox"  # where to do it')
    for one in book.parameters.values():
        if not one.help:
            yield Problem(f"{one.name} has no help", path, having[0].line, 0, "a comment behind it")


def _risk(book: Runbook, path: str) -> Iterator[Problem]:
    changing = [cell for cell in book.cells if cell.gated or cell.role is Role.ROLLBACK]
    rollback = any(cell.role is Role.ROLLBACK for cell in book.cells)
    steps = [cell for cell in book.cells if cell.role in (Role.STEP, Role.ATTEST)]
    if not steps:
        yield Problem("there is no step", path, 0, 0, "`:tags: [step]`")
    if not any(cell.role is Role.VERIFY for cell in book.cells):
        yield Problem("nothing proves that it worked", path, 0, 0, "a cell tagged `verify`")
    if book.risk is Risk.READ_ONLY:
        for cell in changing:
            yield Problem(f"risk is read-only, and {cell.name} changes something", path, cell.line)
        return
    if not any(cell.gated or cell.role is Role.ATTEST for cell in book.cells):
        hint = "tag the step that changes something `step, confirm`, or write `risk: read-only`"
        yield Problem(f"risk is {book.risk.value}, and no step changes anything", path, 0, 0, hint)
    if book.reversible and not rollback:
        hint = "a cell tagged `rollback`, or `reversible: false` with the reason under Rollback"
        yield Problem("it is reversible, and there is no rollback", path, 0, 0, hint)
    if book.risk is Risk.DESTRUCTIVE and not any(c.role is Role.PRECONDITION for c in book.cells):
        what = "it is destructive, and looks at nothing first"
        yield Problem(what, path, 0, 0, "a cell tagged `precondition`: a backup is there, nobody uses it")

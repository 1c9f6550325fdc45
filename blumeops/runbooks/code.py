"""The Python of a runbook's cells, looked at and not run: names, magics, calls that cannot work in one."""

from __future__ import annotations

import ast
import builtins
import difflib
import re
import symtable
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from blumeops.errors import Problem
from blumeops.runbooks.model import Cell, Role, Runbook

_MAGIC = re.compile(r"^(?P<indent>[ \t]*)(?P<to>[A-Za-z_][\w.]*[ \t]*=[ \t]*)?(?P<mark>[%!])(?P<rest>.*)$")
_GIVEN = frozenset(dir(builtins)) | {"display", "get_ipython", "In", "Out", "__file__", "__name__"}
"""Names that are there without a definition, by Python and by IPython."""

_ASKS = {"input": "nobody can answer in a cell: ask at a gate, or with a cell tagged `confirm`"}
_ALLOWED = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@dataclass(frozen=True, slots=True)
class Code:
    """One cell's Python: the names that it binds, and those that it reads, each with its first line.

    `late` are those that only its functions read: they may be bound by a cell below, before the call.
    """

    binds: frozenset[str]
    reads: Mapping[str, int]
    late: frozenset[str] = frozenset()
    everything: bool = False
    """Whether it binds names that nobody can know (`from x import *`)."""


def check(book: Runbook, path: str) -> Iterator[Problem]:
    """What is wrong in the Python of all cells, each with its line in the Markdown file."""
    known, everything, used = set(book.parameters), False, set[str]()
    anywhere = _bound_anywhere(book)
    for cell in book.cells:
        yield from _shell(cell, path)
        code = _read(cell.source)
        if isinstance(code, SyntaxError):
            at = cell.line + (code.lineno or 1) - 1
            yield Problem(f"not Python: {code.msg}", path, at, code.offset or 0)
            everything = True
            continue
        before = frozenset() if everything else frozenset(known) | _GIVEN
        known |= code.binds
        everything |= code.everything
        now = {name: line for name, line in code.reads.items() if name not in code.late}
        late = {name: line for name, line in code.reads.items() if name in code.late}
        reads = dict(code.reads)
        for expression in (cell.gate, cell.done):
            inside = _read(expression.strip())
            if isinstance(inside, SyntaxError):
                yield Problem(f"not an expression: {expression}", path, cell.line)
            else:
                reads |= dict.fromkeys(inside.reads, 0)
                yield from _undefined(cell, dict.fromkeys(inside.reads, 0), before, path)
        used |= set() if cell.role is Role.PARAMETERS else set(reads)
        yield from _undefined(cell, now, frozenset() if everything else known | _GIVEN, path)
        yield from _undefined(cell, late, frozenset() if everything else anywhere | _GIVEN, path)
        yield from _asks(cell, reads, path)
    yield from _unused(book, used, path)


def _bound_anywhere(book: Runbook) -> frozenset[str]:
    """Every name that some cell binds."""
    read = [code for cell in book.cells if isinstance(code := _read(cell.source), Code)]
    return frozenset(book.parameters).union(*(code.binds for code in read))


def _undefined(
    cell: Cell, reads: Mapping[str, int], known: frozenset[str] | set[str], path: str
) -> Iterator[Problem]:
    for name, line in reads.items():
        if known and name not in known and not name.startswith("_"):
            near = difflib.get_close_matches(name, known - _GIVEN, 1)
            hint = f"did you mean {near[0]}?" if near else "define it in this cell or in one above"
            if name == "SecretRef":
                hint = "from blumeops import SecretRef, in this cell"
            yield Problem(f"{name} is used and never defined", path, cell.line + max(line, 1) - 1, 0, hint)


def _asks(cell: Cell, reads: Mapping[str, int], path: str) -> Iterator[Problem]:
    for name, why in _ASKS.items():
        if name in reads:
            yield Problem(f"{name}() in a cell always fails", path, cell.line + reads[name] - 1, 0, why)


def _shell(cell: Cell, path: str) -> Iterator[Problem]:
    if cell.source.lstrip().startswith("%%"):
        return
    for number, line in enumerate(cell.source.split("\n")):
        found = _MAGIC.match(line)
        if found and found["mark"] == "!":
            hint = "process.run([…]).check() from blumeops, or a cell that begins with %%bash"
            yield Problem("when this command fails, nobody notices", path, cell.line + number, 0, hint)


def _unused(book: Runbook, used: set[str], path: str) -> Iterator[Problem]:
    cell = next((cell for cell in book.cells if cell.role is Role.PARAMETERS), None)
    if cell is None or any(isinstance(_read(one.source), SyntaxError) for one in book.cells):
        return
    magics = " ".join(_not_python(book.cells))
    for name in book.parameters:
        if name not in used and not re.search(rf"\b{name}\b", magics):
            at = next((n for n, line in enumerate(cell.source.split("\n")) if line.startswith(name)), 0)
            yield Problem(f"the parameter {name} is never used", path, cell.line + at)


def _not_python(cells: Sequence[Cell]) -> Iterator[str]:
    """The text of cells and lines that are IPython's: a magic may name a parameter."""
    for cell in cells:
        if cell.source.lstrip().startswith("%%"):
            yield cell.source
        else:
            yield from (line for line in cell.source.split("\n") if _MAGIC.match(line))


def _read(source: str) -> Code | SyntaxError:
    if source.lstrip().startswith("%%"):
        return Code(frozenset(), {})
    plain = "\n".join(_plain(line) for line in source.split("\n"))
    try:
        tree = compile(plain, "cell", "exec", _ALLOWED)
        bound, now, late = _names(symtable.symtable(_without_await(tree), "cell", "exec"), top=True)
    except SyntaxError as error:
        return error
    star = any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in ast.walk(tree))
    lines: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in now | late:
            lines.setdefault(node.id, node.lineno)
    return Code(frozenset(bound), lines, frozenset(late - now), star)


def _without_await(tree: ast.AST) -> str:
    """`symtable` refuses `await` outside of a function, which IPython allows: it awaits nothing here."""

    class Awaited(ast.NodeTransformer):
        def visit_Await(self, node: ast.Await) -> ast.AST:
            inside: ast.AST = self.visit(node.value)
            return inside

    return ast.unparse(Awaited().visit(tree))


def _plain(line: str) -> str:
    found = _MAGIC.match(line)
    if not found:
        return line
    return f"{found['indent']}{found['to'] or ''}{'None' if found['to'] else 'pass'}"


_AT_ONCE = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})
"""What `symtable` calls a scope that runs where it stands; all other functions run when they are called."""


def _names(
    table: symtable.SymbolTable, *, top: bool = False, later: bool = False
) -> tuple[set[str], set[str], set[str]]:
    """The names that a table binds at the top, and those that are read from there: at once, and later."""
    bound, now, late = set[str](), set[str](), set[str]()
    for symbol in table.get_symbols():
        name, outside = symbol.get_name(), top or symbol.is_global()
        if outside and (symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()):
            bound.add(name)
        if outside and symbol.is_referenced():
            (late if later else now).add(name)
    for child in table.get_children():
        waits = later or (child.get_type() == "function" and child.get_name() not in _AT_ONCE)
        for mine, theirs in zip((bound, now, late), _names(child, later=waits), strict=True):
            mine |= theirs
    return bound, now, late

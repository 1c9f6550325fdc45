"""What the code says in words: the docstrings of a module and of everything public in it.

A docstring stands with the line that it speaks of, its signature; the code between is left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from blumeops.context.model import Kind, Section
from blumeops.context.sections import Piece, cut

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def of_module(path: str, text: str) -> tuple[Section, ...]:
    """The sections of a Python module; none when it cannot be parsed or says nothing."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return cut(list(_pieces(tree)), text.split("\n"), path=path, title=title(path), kind=Kind.CODE)


def title(path: str) -> str:
    """A module's name as it is imported."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _pieces(tree: ast.Module) -> Iterator[Piece]:
    if tree.body and (end := _docstring_end(tree)):
        yield Piece(tree.body[0].lineno, end)
    for found in tree.body:
        if isinstance(found, _Definition) and not found.name.startswith("_"):
            if end := _docstring_end(found):
                yield Piece(found.lineno, end, (found.name,))
            if isinstance(found, ast.ClassDef):
                yield from _methods(found)


def _methods(owner: ast.ClassDef) -> Iterator[Piece]:
    for found in owner.body:
        public = isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) and found.name[0] != "_"
        if public and (end := _docstring_end(found)):
            yield Piece(found.lineno, end, (owner.name, found.name))


def _docstring_end(node: ast.Module | _Definition) -> int:
    """The last line of a docstring, 0 when there is none."""
    if ast.get_docstring(node, clean=False) is None:
        return 0
    return node.body[0].end_lineno or 0

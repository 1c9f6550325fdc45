"""What the code says in words: its comments, and the docstrings of a module and of everything public in it.

A docstring stands with its signature, a comment with the line below it, of which it speaks; the code between
is left out.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

from blumeops.context.model import Kind, Section
from blumeops.context.sections import Piece, cut

WORDS = 5
"""A comment of fewer words is a mark for a tool, or a name."""

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def of_module(path: str, text: str) -> tuple[Section, ...]:
    """The sections of a Python module; none when it cannot be parsed or says nothing."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    lines = text.split("\n")
    said = sorted([*_pieces(tree), *_comments(tree, text, lines)], key=lambda piece: piece.line)
    return cut(said, lines, path=path, title=title(path), kind=Kind.CODE)


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
        if not isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if found.name[0] != "_" and (end := _docstring_end(found)):
            yield Piece(found.lineno, end, (owner.name, found.name))


def _comments(tree: ast.Module, text: str, lines: list[str]) -> Iterator[Piece]:
    """Comments that have lines of their own, neighbours together, each with the line after it."""
    try:
        found = [one.start for one in tokenize.generate_tokens(io.StringIO(text).readline)
                 if one.type == tokenize.COMMENT]  # fmt: skip
    except (tokenize.TokenError, SyntaxError):
        return
    alone = [line for line, column in found if not lines[line - 1][:column].strip()]
    scopes = list(_scopes(tree))
    while alone:
        end = next((at for at, line in enumerate(alone) if line != alone[0] + at), len(alone))
        first, last, alone = alone[0], alone[end - 1], alone[end:]
        if len(" ".join(lines[first - 1 : last]).split()) >= WORDS:
            around = [name for begin, until, name in scopes if begin <= first <= until]
            yield Piece(first, min(last + 1, len(lines)), tuple(around[-1:]))


def _scopes(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    """The lines and the name of every function and class, the inner ones after the outer."""
    for node in sorted(
        (one for one in ast.walk(tree) if isinstance(one, _Definition)), key=lambda one: one.lineno
    ):
        yield node.lineno, node.end_lineno or node.lineno, node.name


def _docstring_end(node: ast.Module | _Definition) -> int:
    """The last line of a docstring, 0 when there is none."""
    if ast.get_docstring(node, clean=False) is None:
        return 0
    return node.body[0].end_lineno or 0

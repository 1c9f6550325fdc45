"""Names that a Python example takes from a package of the repository, and that are not there.

The package is read, never imported, so an example of any repository can be looked at.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from blumeops.facts.finding import Finding
from blumeops.facts.page import Page
from blumeops.facts.tree import Tree

_INFO = ("python", "py", "{code-cell}", "{.python")


def check(page: Page, tree: Tree) -> Iterator[Finding]:
    """Every import of a page that would fail; code that is only a piece of Python is not looked at."""
    for fence in page.fences:
        if not fence.info.startswith(_INFO):
            continue
        index = page.start_of(fence.first + 1)
        code = "\n".join(line for line in fence.lines if not line.startswith((":", "%", "!")))
        for what, hint in _unknown(code, tree):
            yield Finding(page.problem(what, index, hint))


def _unknown(code: str, tree: Tree) -> Iterator[tuple[str, str]]:
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError):
        return
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from _missing(node.module, [one.name for one in node.names], tree)
        elif isinstance(node, ast.Import):
            for one in node.names:
                yield from _missing(one.name, [], tree)


def _missing(module: str, names: list[str], tree: Tree) -> Iterator[tuple[str, str]]:
    top = module.partition(".")[0]
    if f"{top}/__init__.py" not in tree.files:
        return
    place = module.replace(".", "/")
    file = next((path for path in (f"{place}.py", f"{place}/__init__.py") if path in tree.files), "")
    if not file and place not in tree.folders:
        yield f"there is no module {module}", tree.near(f"{place}.py")
        return
    there = _defined(tree.text(file)) if file else set()
    for name in names:
        inside = (f"{place}/{name}.py", f"{place}/{name}")
        if name != "*" and name not in there and not any(tree.has(path) for path in inside):
            near = difflib.get_close_matches(name, there, 1)
            yield f"{module} has no {name}", f"did you mean {near[0]}?" if near else ""


def _defined(text: str) -> set[str]:
    """Every name that a module defines or takes in, in any branch of it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found.update((one.asname or one.name).partition(".")[0] for one in names)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
    return found

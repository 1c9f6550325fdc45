"""The reference of the command line and of the library, made from the code.

The library is read with `ast`, so nothing of it is imported and no engine is needed; docstrings here are
Markdown already. mkdocstrings would fill its pages inside MkDocs, too late for the index of links and for
every other generator; these are pages like all others, and `[[blumeops.plan]]` links to one.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops.errors import BadInput, Problem

if TYPE_CHECKING:
    import click

Generated = tuple[str, str, str]
"""A page made from code: its path in the site, the file it was made from, its text."""

EXIT_CODES = (
    ("0", "nothing to do, or all done"),
    ("1", "there are changes, or there is drift"),
    ("2", "an error; the message says what, where, and what to do"),
    ("3", "the plan is stale, or another run holds the lock"),
    ("4", "partial: a layer is unknown"),
    ("130", "interrupted"),
)


def pages(root: Path) -> Iterator[Generated]:
    """Every reference page of the package in `root / blumeops`; none when there is no such package."""
    package = root / "blumeops"
    if not (package / "__init__.py").is_file():
        return
    for file in sorted(package.rglob("*.py")):
        if made := module_page(file, root):
            yield made
    if (package / "cli.py").is_file() or (package / "cli" / "__init__.py").is_file():
        yield "reference/cli.md", "blumeops/cli", cli_page()


def module_page(file: Path, root: Path) -> Generated | None:
    """The page of one module: its docstring, and every public class, function and documented constant."""
    source = file.relative_to(root)
    name = ".".join(source.with_suffix("").parts).removesuffix(".__init__")
    if any(part.startswith("_") for part in name.split(".")):
        return None
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise BadInput([Problem(f"Python: {error.msg}", str(source), error.lineno or 0)]) from error
    body = list(_members(tree.body, "##"))
    if not body and not ast.get_docstring(tree):
        return None
    head = f"---\ntitle: {name}\n---\n# `{name}`\n\n{_doc(tree)}\n"
    folder = "".join(f"{part}/" for part in source.parent.parts[1:])
    return f"reference/library/{folder}{name}.md", source.as_posix(), head + "\n".join(body)


def _members(body: list[ast.stmt], marks: str) -> Iterator[str]:
    for position, node in enumerate(body):
        match node:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                yield f"\n{marks} `{name}`\n"
                yield _fence(_class_signature(node))
                yield _doc(node) + "\n"
                yield from _members(node.body, marks + "#")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if not name.startswith("_"):
                yield f"\n{marks} `{name}`\n"
                yield _fence(_signature(node))
                yield _doc(node) + "\n"
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if said := _constant_doc(body, position, name):
                    yield f"\n{marks} `{name}`\n"
                    yield _fence(_short(ast.unparse(node)))
                    yield said + "\n"


def _constant_doc(body: list[ast.stmt], position: int, name: str) -> str:
    """The text below a constant, which is how this project documents one."""
    below = body[position + 1] if position + 1 < len(body) else None
    match below:
        case ast.Expr(value=ast.Constant(value=str() as text)) if not name.startswith("_"):
            return escape(inspect.cleandoc(text))
    return ""


def _doc(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return escape(ast.get_docstring(node) or "")


def escape(text: str) -> str:
    """A docstring as Markdown: its code stays code, a `<` outside of code is shown as one."""
    pieces = re.split(r"(`+[^`]+`+|^ {4}.*$)", text, flags=re.MULTILINE)
    return "".join(piece if n % 2 else piece.replace("<", "&lt;") for n, piece in enumerate(pieces))


def _class_signature(node: ast.ClassDef) -> str:
    decorators = [f"@{ast.unparse(decorator)}" for decorator in node.decorator_list]
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    fields = [
        f"    {ast.unparse(statement)}"
        for statement in node.body
        if isinstance(statement, ast.AnnAssign | ast.Assign) and not ast.unparse(statement).startswith("_")
    ]
    head = f"class {node.name}({bases}):" if bases else f"class {node.name}:"
    return "\n".join([*decorators, head, *(fields or ["    ..."])])


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    decorators = "".join(f"@{ast.unparse(decorator)}\n" for decorator in node.decorator_list)
    line = f"{decorators}{word} {node.name}({ast.unparse(node.args)}){returns}"
    if len(line) <= 90:
        return line
    arguments = ast.unparse(node.args)
    pieces = _split_arguments(arguments)
    return f"{decorators}{word} {node.name}(\n    " + ",\n    ".join(pieces) + f",\n){returns}"


def _split_arguments(arguments: str) -> list[str]:
    """The arguments one by one: split at the commas that are in no bracket."""
    pieces, depth, start = [], 0, 0
    for position, character in enumerate(arguments):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            pieces.append(arguments[start:position].strip())
            start = position + 1
    return [*pieces, arguments[start:].strip()]


def _short(line: str) -> str:
    return line if len(line) <= 200 else line[:200] + " …"


def _fence(code: str) -> str:
    return f"```python\n{code}\n```\n"


def cli_page() -> str:
    """The page of the command line: every command with its options and defaults, and the exit codes."""
    main: click.Command = importlib.import_module("blumeops.cli").cli
    codes = "\n".join(f"| `{code}` | {meaning} |" for code, meaning in EXIT_CODES)
    head = (
        "---\ntitle: Command line\n"
        "description: Every command of `blumeops`, with its options and exit codes.\n---\n"
        "# The command line\n\n"
        "Made from the commands themselves; `blumeops COMMAND --help` prints the same.\n\n"
        f"## Exit codes\n\n| code | meaning |\n|---|---|\n{codes}\n"
    )
    return head + "\n".join(_command(main, "blumeops", 2))


def _command(command: click.Command, name: str, level: int) -> Iterator[str]:
    import click

    if command.hidden:
        return
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"\n{'#' * min(level, 4)} `{name}`\n"
    yield f"```text\n{name} {usage}\n```\n"
    yield escape(inspect.cleandoc(command.help or command.short_help or "").replace("\b\n", "")) + "\n"
    rows = [row for parameter in command.params if (row := _parameter(parameter, context))]
    if rows:
        yield "\n".join(["| option | default | meaning |", "|---|---|---|", *rows]) + "\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found:
                yield from _command(found, f"{name} {child}", level + 1)


def _parameter(parameter: click.Parameter, context: click.Context) -> str:
    import click

    if isinstance(parameter, click.Option):
        if parameter.hidden:
            return ""
        names = " ".join(f"`{word}`" for word in (*parameter.opts, *parameter.secondary_opts))
        metavar = "" if parameter.is_flag else f" `{parameter.make_metavar(context)}`"
        said = parameter.help or ""
    else:
        names, metavar, said = f"`{parameter.make_metavar(context)}`", "", ""
    default = parameter.to_info_dict().get("default")
    shown = f"`{default}`" if isinstance(default, str | int | float) and not isinstance(default, bool) else ""
    cells = (names + metavar, shown, escape(said).replace("\n", " "))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

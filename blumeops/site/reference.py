"""The reference of the library, its errors and its command line, made from the code.

The library is read with `ast`, so nothing of it is imported and no engine is needed; docstrings here are
Markdown already. mkdocstrings would fill its pages inside MkDocs, too late for the index of links and for
every other generator; these are pages like all others, and `[[blumeops.plan]]` links to one.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from blumeops.errors import BadInput, Problem

Generated = tuple[str, str, str]
"""A page made from code: its path in the site, the file it was made from, its text."""

PUBLIC = (
    "blumeops", "blumeops.errors", "blumeops.homelab", "blumeops.journal", "blumeops.layer", "blumeops.plan",
    "blumeops.probe", "blumeops.process", "blumeops.records", "blumeops.repository", "blumeops.runbooks",
    "blumeops.site.staging", "blumeops.site.vault", "blumeops.site.wikilinks", "blumeops.tailnet.access",
    "blumeops.tailnet.client", "blumeops.tailnet.hujson", "blumeops.tailnet.policy", "blumeops.target",
)  # fmt: skip
"""The modules that runbooks and adopters use: each has a page of its own, the others a row in a table."""

_MODULE_DOC = re.compile(r'\s*"""(?P<text>.*?)"""', re.DOTALL)


def pages(root: Path) -> Iterator[Generated]:
    """The service map, and every reference page of the package in `root / blumeops` when there is one."""
    from blumeops.services import page as service_map

    yield from service_map.pages(root)
    package = root / "blumeops"
    if not (package / "__init__.py").is_file():
        return
    files = {name: file for file in sorted(package.rglob("*.py")) if (name := _name(file, root))}
    for name in PUBLIC:
        if name in files:
            yield module_page(name, files[name].relative_to(root).as_posix(), _tree(files[name], root))
    yield "reference/library/modules.md", "blumeops", modules_page(files, root)
    if errors := files.get("blumeops.errors"):
        yield "reference/errors.md", errors.relative_to(root).as_posix(), errors_page(_tree(errors, root))
    if (package / "cli.py").is_file() or (package / "cli" / "__init__.py").is_file():
        from blumeops.site import reference_cli

        yield from reference_cli.pages()


def _name(file: Path, root: Path) -> str:
    """A module's name; empty for one that is private."""
    name = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    return "" if any(part.startswith("_") for part in name.split(".")) else name


def _tree(file: Path, root: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        where = file.relative_to(root).as_posix()
        raise BadInput([Problem(f"Python: {error.msg}", where, error.lineno or 0)]) from error


def module_page(name: str, source: str, tree: ast.Module) -> Generated:
    """The page of one module: its docstring, and every public class, function and documented constant."""
    said = ast.get_docstring(tree) or ""
    front = front_matter(name, f"{first_sentence(said)}.", "library")
    head = f"{front}# `{name}`\n\n{escape(said)}\n"
    return f"reference/library/{name}.md", source, head + "\n".join(_members(tree.body, "##"))


def modules_page(files: Mapping[str, Path], root: Path) -> str:
    """A row for every module: what it is for, and where it stands. The public ones link to their pages."""
    front = front_matter("All modules", "Every module of the library, with what it is for.", "library")
    rows = []
    for name, file in files.items():
        shown = f"[`{name}`]({name}.md)" if name in PUBLIC else f"`{name}`"
        found = _MODULE_DOC.match(file.read_text(encoding="utf-8"))
        said = first_sentence(found["text"] if found else "")
        rows.append(f"| {shown} | {_cell(said)} | `{file.relative_to(root).as_posix()}` |")
    said = "Those with a link are for runbooks and for code of yours; the others may change at any time."
    return f"{front}# All modules\n\n{said}\n\n" + "\n".join(
        ["| module | what it is for | file |", "|---|---|---|", *rows, ""]
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def errors_page(tree: ast.Module) -> str:
    """Every error class: what it means, its exit code, and what to do next, as its docstring says."""
    said = "Every error: what it means, with which exit code it ends, and what to do next."
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    base = next(iter(classes), "")
    parts = [
        f"{front_matter('Errors', said, 'reference', order=25, aliases=('error',))}# Errors\n\n"
        f"All of them are a `{base}`. On a terminal each is `where: what` and a `hint:`; with `--json` it is "
        "an `error` with `what`, `where`, `hint` and `exit_code`, and `problems` where a file has several. "
        "The numbers: [exit codes](exit-codes-and-states.md).\n"
    ]
    for name, node in classes.items():
        if (code := _exit_code(node, classes)) is not None:
            meaning, _, following = (ast.get_docstring(node) or "").partition("\n\nNext: ")
            parts.append(
                f"## {name}\n\nExit code `{code}`. {escape(meaning)}\n\n**Next:** {escape(following)}\n"
            )
    return "\n".join(parts)


def _exit_code(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> int | None:
    """The exit code of an error class: its own, or that of the class it is made from; None for others."""
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="exit_code")], value=ast.Constant(value=int() as code)):
                return code
    parents = (classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes)
    return next((_exit_code(parent, classes) for parent in parents), None)


def front_matter(
    title: str, description: str, tag: str, *, order: int = 1000, aliases: tuple[str, ...] = ()
) -> str:
    """The front matter of a generated page."""
    quoted = description.replace("\\", "\\\\").replace('"', '\\"')
    named = f"aliases: [{', '.join(aliases)}]\n" if aliases else ""
    return f'---\ntitle: {title}\n{named}description: "{quoted}"\ntags: [{tag}]\norder: {order}\n---\n'


def first_sentence(docstring: str) -> str:
    """The first sentence of a docstring, which can stand alone; without its full stop."""
    text = " ".join(docstring.partition("\n\n")[0].split())
    return escape(re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0].rstrip("."))


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

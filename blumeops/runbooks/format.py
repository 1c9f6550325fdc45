"""Reads runbooks: a MyST Markdown text becomes a `Runbook`, with the file's lines for every later complaint.

Reading is lenient where a page says too little (a cell without a tag is a step, a field that is missing has
its default), and strict where it says something that cannot be meant: that is a `BadInput` with all of its
places. `check` complains of the rest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from blumeops.errors import BadInput, BlumeOpsError, Problem
from blumeops.located import Located
from blumeops.runbooks.blocks import Block, Heading, Page, parse
from blumeops.runbooks.model import TIMEOUT_SECONDS, Cell, Parameter, Risk, Role, Runbook
from blumeops.runbooks.parameters import declared

FOLDER = "runbooks"
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_SECONDS = (86400, 3600, 60, 1)
_NO_WORD = re.compile(r"[\W_]+")
_MARKUP = re.compile(r"\[\[(?:[^\]|]*\|)?([^\]|]*)\]\]|[`*]")
_TEXTS = ("tags", "layers", "services", "alerts", "requires")


def read(path: Path) -> Runbook:
    """Read one runbook. Raises `BadInput` with every place that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput([Problem("this is not UTF-8 text", shown(path))]) from error
    return reads(text, path)


def reads(text: str, path: Path) -> Runbook:
    """Read a runbook from its text; `path` names it. Raises `BadInput` with every place that is wrong."""
    page = parse(text, shown(path))
    fields = _Fields(page.front, shown(path))
    title = fields.text("title") or next((h.text for h in page.headings if h.level == 1), path.stem)
    made = Runbook(
        name=path.stem,
        title=title,
        path=path,
        source=text,
        cells=tuple(cells(page, fields.problems, shown(path))),
        parameters=_parameters(page, fields.problems, shown(path)),
        description=fields.text("description"),
        risk=fields.risk(),
        reversible=fields.truth("reversible", default=True),
        owner=fields.text("owner"),
        timeout=fields.seconds("timeout") or TIMEOUT_SECONDS,
        verify_every=fields.seconds("verify-every"),
        **{key: fields.texts(key) for key in _TEXTS},
    )
    if not made.cells:
        fields.problems.append(Problem("this runbook has no {code-cell}", shown(path)))
    if fields.problems:
        raise BadInput(fields.problems)
    return made


def shown(path: Path) -> str:
    """A runbook's file as problems name it: from the top of its checkout."""
    return f"{FOLDER}/{path.name}" if path.parent.name == FOLDER else str(path)


def find(root: Path) -> tuple[Runbook, ...]:
    """All runbooks of a checkout, by name. Raises `BadInput` when some cannot be read."""
    books, problems = found(root)
    if problems:
        raise BadInput(problems)
    return books


def found(root: Path) -> tuple[tuple[Runbook, ...], list[Problem]]:
    """The runbooks of a checkout that can be read, by name, and what is wrong with the others."""
    books, problems = list[Runbook](), list[Problem]()
    for path in sorted((root / FOLDER).glob("*.md")):
        try:
            books.append(read(path))
        except BadInput as error:
            problems += error.problems
    return tuple(books), problems


def names(root: Path) -> tuple[str, ...]:
    """The names of all runbooks of a checkout, without reading them."""
    return tuple(sorted(path.stem for path in (root / FOLDER).glob("*.md")))


def path_of(root: Path, name: str) -> Path:
    """The file of a runbook: `x`, `x.md` and `runbooks/x.md` say the same. Raises `BlumeOpsError`."""
    name = name.removeprefix(f"{FOLDER}/").removesuffix(".md")
    known = names(root)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"the runbooks are: {', '.join(known) or 'none'}"
        raise BlumeOpsError(f"there is no runbook {name!r}", hint=hint)
    return root / FOLDER / f"{name}.md"


def named(root: Path, name: str) -> Runbook:
    """The runbook of that name. Raises `BlumeOpsError` when there is none, with the one that was meant."""
    return read(path_of(root, name))


def cells(page: Page, problems: list[Problem], path: str) -> Iterator[Cell]:
    """The cells of a page in order; what cannot be read in their options goes to `problems`."""
    taken: set[str] = set()
    headings = [*page.headings]
    for index, block in enumerate(page.blocks):
        above = [heading for heading in headings if heading.line < block.first]
        fields = _Fields(Located(block.first, members=dict(block.options)), path)
        role = role_of(block.tags)
        yield Cell(
            index=index,
            name=_unique(fields.text("name") or _slug(above) or f"cell-{index + 1}", taken),
            role=role,
            source=block.source,
            line=block.line,
            gated=role is Role.STEP and Role.ATTEST.value in block.tags,
            gate=fields.text("gate"),
            done=fields.text("done"),
            undoes=fields.text("of"),
            timeout=fields.seconds("timeout"),
            heading=above[-1].text if above else "",
            tags=block.tags,
        )
        problems += fields.problems


def role_of(tags: tuple[str, ...]) -> Role:
    """What the tags make of a cell; a cell without a role is a step."""
    return next(iter(roles_of(tags)), Role.STEP)


def roles_of(tags: tuple[str, ...]) -> tuple[Role, ...]:
    """Every role that some tags name; `confirm` is one only where it stands without another."""
    named = tuple(role for role in Role if role.value in tags)
    return tuple(role for role in named if role is not Role.ATTEST) or named


def duration(text: str) -> float | None:
    """The seconds of `90s`, `2m`, `1h30m`, `30d` or a plain number; None when it is no such thing."""
    parts = DURATION.fullmatch(text)
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        seconds = float(text)
    elif parts and text:
        seconds = sum(float(part or 0) * unit for part, unit in zip(parts.groups(), _SECONDS, strict=True))
    else:
        return None
    return seconds if seconds > 0 else None


def _slug(above: list[Heading]) -> str:
    if not above:
        return ""
    return _NO_WORD.sub("-", _MARKUP.sub(r"\1", above[-1].text).lower()).strip("-")


def _unique(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


def _parameters(page: Page, problems: list[Problem], path: str) -> dict[str, Parameter]:
    cell: Block | None = next((b for b in page.blocks if role_of(b.tags) is Role.PARAMETERS), None)
    if cell is None:
        return {}
    try:
        return declared(cell.source, path, cell.line)
    except BadInput as error:
        problems += error.problems
        return {}


class _Fields:
    """Front matter, or a cell's options, read field by field; what is wrong is collected with its place."""

    def __init__(self, values: Located | None, path: str) -> None:
        self.values = values or Located(1, members={})
        self.problems: list[Problem] = []
        self._path = path
        if self.values.members is None:
            self._wrong(self.values, "the front matter is not a list of `key: value` lines")

    def text(self, key: str) -> str:
        """A value as it was written; empty when there is none."""
        value = self.values.get(key)
        if value is None or value.kind == "null":
            return ""
        if value.text is None:
            self._wrong(value, f"{key} is one text", "put it in quotes: YAML reads a list or a table here")
        return value.text or ""

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.values.get(key)
        if value is None or value.kind == "null":
            return ()
        if value.items is None or any(item.text is None for item in value.items):
            self._wrong(value, f"{key} is a list of words", f"write {key}: [one, another]")
            return ()
        return tuple(item.text or "" for item in value.items)

    def truth(self, key: str, *, default: bool) -> bool:
        """`true` or `false`."""
        said = self.text(key)
        if said not in ("", "true", "false"):
            self._wrong(self.values.get(key), f"{key}: {said} is neither true nor false")
        return said == "true" if said in ("true", "false") else default

    def seconds(self, key: str) -> float | None:
        """A duration."""
        said = self.text(key)
        seconds = duration(said)
        if said and seconds is None:
            self._wrong(self.values.get(key), f"{key}: {said} is no duration", "such as 90s, 10m, 2h or 30d")
        return seconds

    def risk(self) -> Risk:
        """What it may do to the target."""
        said = self.text("risk")
        if said and said not in list(Risk):
            near = difflib.get_close_matches(said, list(Risk), 1)
            hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(Risk)}"
            self._wrong(self.values.get("risk"), f"there is no risk {said}", hint)
            return Risk.DESTRUCTIVE
        return Risk(said or Risk.CHANGES)

    def _wrong(self, value: Located | None, what: str, hint: str = "") -> None:
        place = value or self.values
        self.problems.append(Problem(what, self._path, place.line, place.column, hint))

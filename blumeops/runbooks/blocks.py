"""The Markdown of a runbook: its front matter, its headings and its `{code-cell}` fences, with their lines.

What is a fence at the top level, in a list or in a quote is CommonMark's to say, so its parser is the one
that jupytext has, and a test compares the cells of both. What jupytext reads into a cell is read here alike,
down to its first empty line; what it makes of YAML is not, so that `:timeout: 1:30` stays what was written.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from blumeops.errors import BadInput, Problem
from blumeops.located import Fault, Located, of_yaml

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

DIRECTIVE = "{code-cell}"
_RULE = re.compile(r"^-{3,}", re.MULTILINE)
_CLOSES = re.compile(r"[ \t>]*(?P<mark>`{3,}|~{3,})[ \t]*")
_LEVELS = ("h1", "h2", "h3", "h4", "h5", "h6")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading as it is written; `line` counts from 1."""

    level: int
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """A `{code-cell}` fence. `first` and `last` are its fences' lines, `line` is that of its source, from 1.

    `inside` names what it stands in (`list item`, `quote`): such a cell is none, and nothing runs it. `last`
    is 0 when nothing closes the fence. `lexer` is the word behind the directive.
    """

    source: str
    first: int
    last: int
    line: int
    options: Mapping[str, Located]
    lexer: str = ""
    inside: str = ""

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags; one that stands alone counts, too."""
        given = self.options.get("tags")
        if given is None:
            return ()
        if given.items is not None:
            return tuple(item.text or "" for item in given.items)
        return (given.text,) if given.text else ()


@dataclass(frozen=True, slots=True)
class Page:
    """A runbook as Markdown. `front` is its front matter, None without one, `body` the line after it."""

    front: Located | None
    body: int
    headings: tuple[Heading, ...]
    blocks: tuple[Block, ...]
    nested: tuple[Block, ...]


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.front_matter import front_matter_plugin
    from mdit_py_plugins.myst_blocks import myst_block_plugin

    blocks_only = MarkdownIt("commonmark").enable("table").disable("inline", True)
    return blocks_only.use(front_matter_plugin).use(myst_block_plugin)


def parse(text: str, path: str) -> Page:
    """The pieces of a runbook. Raises `BadInput` that names `path` for YAML that cannot be read."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    tokens = _parser().parse(text + "\n")
    front, body = _front(tokens[0], path) if tokens and tokens[0].type == "front_matter" else (None, 1)
    cells, nested = _cells(tokens, text.split("\n"), path)
    return Page(front, body, tuple(_headings(tokens)), tuple(cells), tuple(nested))


def _front(token: Token, path: str) -> tuple[Located, int]:
    end = token.map[1] if token.map else 0
    try:
        documents = of_yaml(token.content, first_line=2)
    except Fault as fault:
        what, line, column = fault.problem
        raise BadInput([Problem(f"front matter: {what}", path, line, column)]) from fault
    return (documents[0] if documents else Located(1, members={})), end + 1


def _headings(tokens: Sequence[Token]) -> list[Heading]:
    found = []
    for token, inside in itertools.pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            found.append(Heading(_LEVELS.index(token.tag) + 1, inside.content.strip(), token.map[0] + 1))
    return found


def _cells(tokens: Sequence[Token], lines: Sequence[str], path: str) -> tuple[list[Block], list[Block]]:
    cells, nested, around = list[Block](), list[Block](), list[str]()
    problems: list[Problem] = []
    for token in tokens:
        if token.nesting > 0:
            around.append(token.type)
        elif token.nesting < 0:
            around.pop()
        elif token.type == "fence" and token.info.startswith(DIRECTIVE):
            try:
                block = _block(token, lines, around)
            except Fault as fault:
                what, line, column = fault.problem
                problems.append(Problem(f"the options of this cell: {what}", path, line, column))
                continue
            (nested if around else cells).append(block)
    if problems:
        raise BadInput(problems)
    return cells, nested


def _block(token: Token, lines: Sequence[str], around: Sequence[str]) -> Block:
    start, end = token.map or (0, 0)
    options, rest, skipped = _options(token.content, start + 2)
    body = rest.splitlines()
    if body and not body[0].strip():
        body, skipped = body[1:], skipped + 1
    closing = _CLOSES.fullmatch(lines[end - 1]) if end - 1 > start else None
    closed = closing is not None and closing["mark"].startswith(token.markup)
    return Block(
        source="\n".join(body),
        first=start + 1,
        last=end if closed else 0,
        line=start + 2 + skipped,
        options=options,
        lexer=token.info.removeprefix(DIRECTIVE).strip(),
        inside=_container(around),
    )


def _container(around: Sequence[str]) -> str:
    if not around:
        return ""
    return "quote" if around[-1] == "blockquote_open" else "list item"


def _options(content: str, first: int) -> tuple[Mapping[str, Located], str, int]:
    """The options of a cell, what follows them, and how many lines they take."""
    if content.startswith("---"):
        inner = "\n".join(content.splitlines()[1:])
        ruled = _RULE.search(inner)
        yaml = inner[: ruled.start()] if ruled else inner
        rest = inner[ruled.end() + 1 :] if ruled else ""
        skipped = 1 + inner.count("\n", 0, ruled.end() + 1) if ruled else len(content.splitlines())
        return _mapping(textwrap.dedent(yaml), first + 1), rest, skipped
    if not content.lstrip().startswith(":"):
        return {}, content, 0
    lines, taken = content.splitlines(), 0
    while taken < len(lines) and lines[taken].lstrip().startswith(":"):
        taken += 1
    yaml = "\n".join(line.lstrip()[1:] for line in lines[:taken])
    return _mapping(yaml, first), "\n".join(lines[taken:]), taken


def _mapping(yaml: str, first: int) -> Mapping[str, Located]:
    documents = of_yaml(yaml, first_line=first)
    if documents and documents[0].members is None and documents[0].kind != "null":
        raise Fault("an option is a line `:name: value`", documents[0].line, documents[0].column)
    return (documents[0].members or {}) if documents else {}

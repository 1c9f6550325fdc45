"""A page as the facts read it: its code spans, comments, fences and tables, each with its place."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from blumeops.errors import BadInput, Problem
from blumeops.site import frontmatter, markdown

_TOKEN = re.compile(
    r"\\[\\`]|(?P<comment><!--.*?-->)"
    r"|(?<!`)`(?P<one>[^`\n]+)`(?!`)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?P<code>(?:(?!\n[ \t]*\n).)+?)(?<!`)(?P=ticks)(?!`)",
    re.DOTALL,
)
"""A comment or a code span; most spans are of the simple kind, which is found much faster."""

_RULE = re.compile(r"[ \t]*\|?(?:[ \t]*:?-+:?[ \t]*\|)+(?:[ \t]*:?-+:?[ \t]*)?[ \t]*")
_WIKILINK = re.compile(r"\[\[([^\[\]|]*?)(?:\\?\|([^\[\]]*))?\]\]")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a page: where it begins and ends, and what it says."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: the line it stands in, from 1, and its cells as they are written."""

    line: int
    cells: tuple[str, ...]

    @property
    def key(self) -> str:
        """What the first cell says."""
        return said(self.cells[0]) if self.cells else ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its column heads and its rows."""

    line: int
    head: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Page:
    """A Markdown file: its path, and its text with plain line ends."""

    path: str
    text: str

    @cached_property
    def prose(self) -> str:
        """The text with its blocks of code and its front matter blanked out, as long as the text."""
        return markdown.mask_blocks(self.text)

    @cached_property
    def fences(self) -> list[markdown.Fence]:
        """Its fenced blocks."""
        return markdown.fences(self.text)

    @cached_property
    def front(self) -> frontmatter.FrontMatter:
        """Its front matter; empty when it cannot be read, which is for the check of links to say."""
        try:
            return frontmatter.read(self.text, source=self.path)
        except BadInput:
            return frontmatter.FrontMatter({}, 0)

    @cached_property
    def _tokens(self) -> list[re.Match[str]]:
        return list(_TOKEN.finditer(self.prose))

    @cached_property
    def codes(self) -> list[Span]:
        """Its code spans: with their ticks from `start` to `end`, without in `text`."""
        found = ((t, t["one"] or t["code"]) for t in self._tokens)
        return [Span(token.start(), token.end(), code) for token, code in found if code is not None]

    @cached_property
    def comments(self) -> list[Span]:
        """Its HTML comments, but for those in code."""
        return [Span(t.start(), t.end(), t["comment"]) for t in self._tokens if t["comment"] is not None]

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer("\n", self.text))]

    def place(self, index: int) -> tuple[int, int]:
        """Line and column, both from 1, of a character."""
        line = bisect.bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def start_of(self, line: int) -> int:
        """The index at which a line begins, counted from 1."""
        return self._starts[min(line, len(self._starts)) - 1]

    def line(self, number: int) -> str:
        """The text of a line, counted from 1."""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end]

    def problem(self, what: str, index: int, hint: str = "") -> Problem:
        """A problem at a character of this page."""
        return Problem(what, self.path, *self.place(index), hint)

    @cached_property
    def silenced(self) -> frozenset[int]:
        """The lines that say `<!-- fact: none … -->`: what stands there is not meant as a fact."""
        if "fact:" not in self.text:
            return frozenset()
        found = (c for c in self.comments if re.match(r"<!--\s*fact:\s*none\b", c.text))
        return frozenset(self.place(comment.start)[0] for comment in found)

    @cached_property
    def title(self) -> str:
        """What its front matter or its first heading says."""
        if title := self.front.text("title"):
            return title
        found = re.search(r"^#[ \t]+(.+?)[ \t#]*$", self.prose, re.MULTILINE)
        return said(found[1]) if found else ""

    @property
    def stem(self) -> str:
        """The file's name without `.md`."""
        return self.path.rpartition("/")[2].removesuffix(".md")

    @cached_property
    def tables(self) -> list[Table]:
        """Its tables, outside of code."""
        return list(_tables(self.prose)) if "|" in self.prose else []


def _tables(prose: str) -> Iterator[Table]:
    lines = prose.split("\n")
    number = 1
    while number < len(lines):
        head, rule = lines[number - 1], lines[number]
        if "|" in head and "|" in rule and "-" in rule and _RULE.fullmatch(rule):
            rows = []
            end = number + 1
            while end < len(lines) and "|" in lines[end] and lines[end].strip():
                rows.append(Row(end + 1, cells(lines[end])))
                end += 1
            yield Table(number, tuple(said(cell).casefold() for cell in cells(head)), tuple(rows))
            number = end
        number += 1


def cells(line: str) -> tuple[str, ...]:
    """The cells of a row as they are written; `\\|`, and a pipe in a wikilink, stay in their cell."""
    line = line.strip()
    kept = _WIKILINK.sub(lambda found: found[0].replace("|", "\0"), line.replace("\\|", "\1"))
    pieces = kept.removeprefix("|").removesuffix("|").split("|")
    return tuple(piece.strip().replace("\1", "\\|").replace("\0", "|") for piece in pieces)


def said(cell: str) -> str:
    """A cell as a reader sees it: no marks, no comments, a link as its text."""
    cell = re.sub(r"<!--.*?-->", "", cell).replace("\\|", "|")
    cell = _WIKILINK.sub(lambda found: found[2] or found[1].rpartition("/")[2].partition("#")[0], cell)
    cell = _LINK.sub(lambda found: found[1], cell)
    return re.sub(r"(?<!\w)[*_~]+(?=\S)|(?<=\S)[*_~]+(?!\w)|`|<[^>]*>", "", cell).strip()


def read(root: Path, path: str) -> Page:
    """A page from its file. Raises `BadInput` when it is not UTF-8."""
    try:
        return Page(path, (root / path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        raise BadInput([Problem(f"not UTF-8 (byte {error.start})", path)]) from error

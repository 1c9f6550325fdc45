"""The syntax tree of a HuJSON text: every value with the whitespace and the comments around it.

The grammar is JSON with `//` and `/* */` comments and trailing commas. Messages and places are those of
Tailscale's own parser (`hujson.Parse`), so an error reads the same here and in the admin console; only the
column counts characters, not bytes. In three more ways we are stricter, because that parser lets through what
a reader would misunderstand: a duplicate key, bytes that are not UTF-8, and unbounded nesting or numbers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from blumeops.errors import BadInput, Problem

MAX_DEPTH = 100
MAX_CHARACTERS = 4 << 20

_BLANK = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r"[-+.a-zA-Z0-9]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NAMED = {"null": None, "true": True, "false": False}
_SEPARATOR = re.compile("[\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}]")
_HALF_PAIR = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, boolean or null: as it is written, and what it means."""

    raw: str
    meaning: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Array:
    """The elements in order; `tail` is what stands between the last of them and the bracket."""

    elements: tuple[Node, ...]
    tail: str


@dataclass(frozen=True, slots=True)
class Object:
    """Pairs of name and value in order; `tail` is what stands between the last of them and the brace."""

    members: tuple[tuple[Node, Node], ...]
    tail: str


@dataclass(frozen=True, slots=True)
class Node:
    """A value, where it starts, and the comments and blanks before and after it.

    `after` of the last element is None when no comma follows: what stands there is then the `tail` around it.
    """

    before: str
    start: int
    value: Literal | Array | Object
    after: str | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key that an object has twice; offsets into the text."""

    key: str
    first: int
    again: int


class SyntaxFault(Exception):
    """The text is not HuJSON; `offset` is where Tailscale's parser says so too."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset


@dataclass(slots=True)
class Parser:
    """One pass over a text; `duplicates` fills on the way, so that they are known even if the pass fails."""

    text: str
    duplicates: list[Duplicate] = field(default_factory=list)
    at: int = 0
    depth: int = 0

    def parse(self) -> Node:
        """The tree of the whole text. Raises `SyntaxFault`."""
        if len(self.text) > MAX_CHARACTERS:
            raise SyntaxFault(f"the text is longer than {MAX_CHARACTERS} characters", 0)
        node = self._node(self._extra())
        if self.at < len(self.text):
            raise SyntaxFault(f"invalid character {self._quoted()} after top-level value", self.at)
        return node

    def _node(self, before: str) -> Node:
        """One value with its surroundings; `before` is what stood before it."""
        start = self.at
        value = self._value()
        return Node(before, start, value, self._extra())

    def _value(self) -> Literal | Array | Object:
        match self.text[self.at : self.at + 1]:
            case "":
                raise SyntaxFault("parsing value: unexpected EOF", self.at)
            case "{" | "[" as opening:
                return self._composite(opening)
            case '"':
                return self._string()
            case _:
                return self._word()

    def _composite(self, opening: str) -> Array | Object:
        if self.depth == MAX_DEPTH:
            raise SyntaxFault(f"nested deeper than {MAX_DEPTH} levels", self.at)
        self.depth += 1
        self.at += 1
        value = self._object() if opening == "{" else self._array()
        self.at += 1
        self.depth -= 1
        return value

    def _array(self) -> Array:
        elements: list[Node] = []
        before = self._extra()
        while not self.text.startswith("]", self.at):
            node = self._node(before)
            elements.append(node)
            if not self._comma("array", "]"):
                return Array((*elements[:-1], _without_comma(node)), node.after or "")
            before = self._extra()
        return Array(tuple(elements), before)

    def _object(self) -> Object:
        members: list[tuple[Node, Node]] = []
        seen: dict[str, int] = {}
        before = self._extra()
        while not self.text.startswith("}", self.at):
            name = self._node(before)
            self._check_name(name, seen)
            value = self._node(self._extra())
            members.append((name, value))
            if not self._comma("object", "}"):
                return Object((*members[:-1], (name, _without_comma(value))), value.after or "")
            before = self._extra()
        return Object(tuple(members), before)

    def _check_name(self, name: Node, seen: dict[str, int]) -> None:
        if not isinstance(name.value, Literal) or not isinstance(name.value.meaning, str):
            raise SyntaxFault(
                f"invalid character {self._quoted(name.start)} at start of object name", name.start
            )
        if self.at == len(self.text):
            raise SyntaxFault("parsing object after name: unexpected EOF", self.at)
        if self.text[self.at] != ":":
            raise SyntaxFault(f"invalid character {self._quoted()} after object name", self.at)
        self.at += 1
        if (first := seen.setdefault(name.value.meaning, name.start)) != name.start:
            self.duplicates.append(Duplicate(name.value.meaning, first, name.start))

    def _comma(self, what: str, closing: str) -> bool:
        """Step over a comma; False, and no step, at the closing bracket."""
        match self.text[self.at : self.at + 1]:
            case "":
                raise SyntaxFault(f"parsing {what} after value: unexpected EOF", self.at)
            case ",":
                self.at += 1
                return True
            case character if character == closing:
                return False
            case _:
                expected = f"(expecting ',' or '{closing}')"
                raise SyntaxFault(
                    f"invalid character {self._quoted()} after {what} value {expected}", self.at
                )

    def _string(self) -> Literal:
        found = _STRING.match(self.text, self.at)
        if not found:
            raise SyntaxFault("parsing string: unexpected EOF", len(self.text))
        try:
            meaning = json.loads(found[0])
        except ValueError:
            raise SyntaxFault(f"invalid literal: {found[0]}", self.at) from None
        self.at = found.end()
        # Half of a surrogate pair is no character; Go reads it as the replacement character.
        return Literal(found[0], _HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", meaning))

    def _word(self) -> Literal:
        raw = _WORD.match(self.text, self.at)[0]  # type: ignore[index]  # it matches the empty text too
        if not raw:
            raise SyntaxFault(f"invalid character {self._quoted()} at start of value", self.at)
        if raw not in _NAMED and not _NUMBER.fullmatch(raw):
            raise SyntaxFault(f"invalid literal: {raw}", self.at)
        literal = Literal(raw, _NAMED[raw] if raw in _NAMED else self._number(raw))
        self.at += len(raw)
        return literal

    def _number(self, raw: str) -> int | float:
        if len(raw) > 400:
            raise SyntaxFault("the number has more than 400 digits", self.at)
        number = float(raw) if set(raw) & set(".eE") else int(raw)
        if number in (float("inf"), float("-inf")):
            raise SyntaxFault(f"the number {raw} is out of range", self.at)
        return number

    def _extra(self) -> str:
        """Blanks and comments, as they are written."""
        start = self.at
        while True:
            self.at = blank_end(self.text, self.at)
            length = comment_length(self.text, self.at)
            if length and self.text.startswith("//", self.at):
                self._check_line_comment(length)
            if length < 0:
                raise SyntaxFault("parsing comment: unexpected EOF", self.at)
            if length == 0:
                return self.text[start : self.at]
            self.at += length

    def _check_line_comment(self, length: int) -> None:
        """Some programs end a line, and so the comment, at a line separator: text could hide there."""
        end = len(self.text) if length < 0 else self.at + length
        if separator := _SEPARATOR.search(self.text, self.at, end):
            what = f"invalid character {self._quoted(separator.start())} in line comment"
            raise SyntaxFault(what, separator.start())

    def _quoted(self, offset: int | None = None) -> str:
        """A character as Tailscale's parser quotes it: everything that cannot be seen by its number."""
        character = self.text[self.at if offset is None else offset]
        if character in "'\\":
            return f"'\\{character}'"
        if character.isprintable():
            return f"'{character}'"
        number = ord(character)
        return f"'\\u{number:04x}'" if number < 0x10000 else f"'\\U{number:08x}'"


def blank_end(text: str, at: int = 0) -> int:
    """Where the blanks that start here end; `at` itself when there are none."""
    return _BLANK.match(text, at).end()  # type: ignore[union-attr]  # it matches the empty text too


def comment_length(text: str, at: int) -> int:
    """How long the comment is that starts here: 0 when none does, -1 when it does not end.

    A line comment ends with its newline; one in the last line of a file without a newline does not end.
    """
    for opening, closing in (("//", "\n"), ("/*", "*/")):
        if text.startswith(opening, at):
            end = text.find(closing, at + len(opening))
            return -1 if end < 0 else end + len(closing) - at
    return 0


def _without_comma(node: Node) -> Node:
    return Node(node.before, node.start, node.value, None)


def decode(text: str | bytes, path: str) -> str:
    """The characters of a file. Raises `BadInput` with the place of the first byte that is not UTF-8."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as fault:
        before = data[: fault.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        what = f"byte 0x{data[fault.start]:02x} is not UTF-8"
        raise BadInput([Problem(what, path, line, column, "save the file as UTF-8")]) from None

"""HuJSON: JSON with comments and trailing commas, the language of a Tailscale policy.

A parser of our own, because no library does what a policy needs all at once: the place of every key and
value (a message has to name the line), both places of a duplicate key, the control plane's own wording of a
syntax error, and its formatter, from which the ETag is computed. PyPI has `jsonvet` and `json5-document`,
which know the dialect and positions, but not the last two. `syntax` reads the language, `canonical` writes.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from blumeops.errors import BadInput, Problem
from blumeops.tailnet import canonical
from blumeops.tailnet.syntax import Array, Literal, Node, Object, Parser, SyntaxFault, decode

DEFAULT_PATH = "policy.hujson"

Plain = dict[str, "Plain"] | list["Plain"] | str | int | float | bool | None
Pointer = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text: its plain Python `value`, and where each part of it stands."""

    value: Plain
    path: str
    text: str
    _values: dict[Pointer, int]
    _keys: dict[Pointer, int]
    _lines: tuple[int, ...]

    def position(self, pointer: Pointer) -> tuple[int, int]:
        """Line and column, from 1, where a value starts; of its nearest container if there is none."""
        return self._place(self._values, pointer)

    def key_position(self, pointer: Pointer) -> tuple[int, int]:
        """Line and column where the key of a member starts; of the value itself for an element of a list."""
        return self._place(self._keys if pointer in self._keys else self._values, pointer)

    def texts(self) -> Iterator[tuple[Pointer, str]]:
        """Every string and every key, with the pointer to the value that it is or belongs to."""
        for pointer in self._values:
            if pointer in self._keys:
                yield pointer, str(pointer[-1])
            if isinstance(value := self._at(pointer), str):
                yield pointer, value

    def _at(self, pointer: Pointer) -> Plain:
        value = self.value
        for part in pointer:
            value = value[part]  # type: ignore[index]  # pointers come from the value itself
        return value

    def _place(self, offsets: dict[Pointer, int], pointer: Pointer) -> tuple[int, int]:
        while pointer not in offsets and pointer:
            pointer, offsets = pointer[:-1], self._values
        return _line_column(self._lines, offsets[pointer])


def loads(text: str | bytes, path: str = DEFAULT_PATH, *, allow_duplicates: bool = False) -> Document:
    """Parse a text.

    Raises `BadInput` with every duplicate key, and the place where the text stops being HuJSON, if it does.
    With `allow_duplicates` the last of them counts, as it does for Tailscale.
    """
    tree, characters = _parse(text, path, allow_duplicates=allow_duplicates)
    values: dict[Pointer, int] = {}
    keys: dict[Pointer, int] = {}
    value = _plain(tree, (), values, keys)
    return Document(value, path, characters, values, keys, _line_starts(characters))


def format(text: str | bytes) -> str:
    """The text in Tailscale's own layout, duplicate keys and all. Raises `BadInput` when it is no HuJSON."""
    return canonical.render(_parse(text, DEFAULT_PATH, allow_duplicates=True)[0])


def etag(text: str | bytes) -> str:
    """The ETag that Tailscale gives to a policy: the SHA-256 of its formatted text, in hex.

    Source: `cmd/gitops-pusher` in Tailscale's repository, which compares this with the server's header. Two
    texts that differ in layout only have the same ETag; a comment more or less makes another.
    """
    return hashlib.sha256(format(text).encode()).hexdigest()


def _parse(text: str | bytes, path: str, *, allow_duplicates: bool = False) -> tuple[Node, str]:
    characters = decode(text, path)
    parser = Parser(characters)
    faults: list[Problem] = []
    tree = None
    try:
        tree = parser.parse()
    except SyntaxFault as fault:
        line, column = _line_column(_line_starts(characters), fault.offset)
        faults.append(Problem(fault.what, path, line, column, _excerpt(characters, fault.offset)))
    problems = [*(() if allow_duplicates else _duplicates(parser, path)), *faults]
    if tree is None or problems:
        raise BadInput(sorted(problems, key=lambda problem: (problem.line, problem.column)))
    return tree, characters


def _duplicates(parser: Parser, path: str) -> Iterator[Problem]:
    lines = _line_starts(parser.text)
    for duplicate in parser.duplicates:
        line, column = _line_column(lines, duplicate.again)
        first = ":".join(map(str, _line_column(lines, duplicate.first)))
        what = f'duplicate key "{duplicate.key}", also at {path}:{first}'
        yield Problem(what, path, line, column, "merge the two: of duplicate keys only the last one counts")


def _plain(node: Node, at: Pointer, values: dict[Pointer, int], keys: dict[Pointer, int]) -> Plain:
    values[at] = node.start
    match node.value:
        case Literal(meaning=meaning):
            return meaning
        case Array(elements=elements):
            return [_plain(element, (*at, i), values, keys) for i, element in enumerate(elements)]
        case Object(members=members):
            plain: dict[str, Plain] = {}
            for name, value in members:
                key: str = name.value.meaning  # type: ignore[union-attr,assignment]  # the parser sees to it
                keys[(*at, key)] = name.start
                plain[key] = _plain(value, (*at, key), values, keys)
            return plain


def _line_starts(text: str) -> tuple[int, ...]:
    lengths = (len(line) + 1 for line in text.split("\n"))
    return (0, *itertools.accumulate(lengths))[:-1]


def _line_column(lines: tuple[int, ...], offset: int) -> tuple[int, int]:
    line = bisect.bisect_right(lines, offset)
    return line, offset - lines[line - 1] + 1


def _excerpt(text: str, offset: int) -> str:
    """The line with a caret under the place; of a long line only what is around it."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    line = text[start : len(text) if end < 0 else end]
    skip = max(0, offset - start - 60)
    shown = "".join(c if c.isprintable() else " " for c in line[skip : skip + 90])
    return f"the text breaks off being HuJSON here:\n    {shown}\n    {' ' * (offset - start - skip)}^"

"""The one layout of a HuJSON text, as Tailscale's formatter (`hujson.Format`) writes it.

Only its hash is used: Tailscale's ETag of a policy is the SHA-256 of this text. So the output must be the
same to the byte, and the rules are that program's rules, odd ones too. A composite is laid out on one line,
or with one element a line when it held a newline before or would be wider than 80; then commas trail, unless
the whole text is plain JSON; values in adjacent lines are aligned. Lengths are in bytes of UTF-8, as there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from blumeops.tailnet.comments import SPACES, Measure, lay_out, measure, size
from blumeops.tailnet.syntax import Array, Literal, Node, Object

WIDTH = 80
_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "\\": "\\\\", '"': '\\"'}


def render(root: Node) -> str:
    """The formatted text; formatting it again gives the same text."""
    layout = Layout(frozenset(_expanded(root)), _is_standard(root))
    before = lay_out(root.before, 0).lstrip(" \t\r\n")
    return before + layout.value(root.value, 0) + lay_out(root.after or "", 0).rstrip(SPACES) + "\n"


@dataclass(frozen=True, slots=True)
class Layout:
    """What is decided for the whole text before writing; `expanded` holds the ids of composites."""

    expanded: frozenset[int]
    standard: bool

    def value(self, value: Literal | Array | Object, depth: int) -> str:
        """One value, without what surrounds it."""
        match value:
            case Literal():
                return _literal(value)
            case Array():
                return self._composite(value, self._elements(value, depth), "[]", depth)
            case Object():
                return self._composite(value, self._members(value, depth), "{}", depth)
            case _:
                assert_never(value)

    def _composite(self, value: Array | Object, parts: list[str], brackets: str, depth: int) -> str:
        expand = id(value) in self.expanded
        tail = lay_out(
            _tail(value),
            depth + 1,
            newline_last=expand,
            trim_first=not parts,
            trim_last=True,
            unindent=True,
        )
        after = _after(_last(value)) if parts else None
        comma = after is not None
        if not expand and not (after and tail):
            comma = False
        elif expand and not self.standard:
            comma = bool(parts)
        return brackets[0] + ",".join(parts) + ("," if comma else "") + tail + brackets[1]

    def _elements(self, array: Array, depth: int) -> list[str]:
        expand = id(array) in self.expanded
        return [
            self._leading(node, depth, first=i == 0, expand=expand)
            + self.value(node.value, depth + expand)
            + lay_out(_after(node) or "", depth + 2, trim_first=True, trim_last=True)
            for i, node in enumerate(array.elements)
        ]

    def _leading(self, node: Node, depth: int, *, first: bool, expand: bool) -> str:
        return lay_out(
            node.before, depth + 1, newline_first=expand, trim_first=first, space_if_empty=not first
        )

    def _members(self, value: Object, depth: int) -> list[str]:
        expand = id(value) in self.expanded
        rows = [
            self._row(name, node, depth, first=i == 0, expand=expand)
            for i, (name, node) in enumerate(value.members)
        ]
        return [row.text(pad) for row, pad in zip(rows, _padding(rows), strict=True)]

    def _row(self, name: Node, node: Node, depth: int, *, first: bool, expand: bool) -> Row:
        after_name = lay_out(_after(name) or "", depth + 2, trim_first=True, trim_last=True)
        before = lay_out(node.before, depth + 2, trim_first=True, trim_last=True, space_if_empty=True)
        # A newline around the colon moves the value one further to the right.
        deeper = depth + expand + ("\n" in after_name or "\n" in before)
        after = lay_out(_after(node) or "", depth + 2, trim_first=True, trim_last=True)
        return Row(
            leading=self._leading(name, depth, first=first, expand=expand),
            name=self.value(name.value, depth + 1) + after_name + ":" + before,
            value=self.value(node.value, deeper) + after,
            broken="\n" in after or self._breaks(node.value),
        )

    def _breaks(self, value: Literal | Array | Object) -> bool:
        """Whether a value goes over more than one line; a comment alone in its brackets does not count."""
        if isinstance(value, Literal):
            return False
        if id(value) in self.expanded:
            return bool(_children(value))
        return any(
            "\n" in node.before or "\n" in (_after(node) or "") or self._breaks(node.value)
            for node in _children(value)
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One member of an object; rows on adjacent lines align their values."""

    leading: str
    name: str
    value: str
    broken: bool

    @property
    def aligns(self) -> bool:
        """Whether it starts a line of its own and takes no more than that line."""
        return "\n" in self.leading and "\n" not in self.name and not self.broken

    def text(self, pad: int) -> str:
        """The row with so many more spaces before its value."""
        return self.leading + self.name + " " * pad + self.value


def _padding(rows: list[Row]) -> Iterator[int]:
    """How many spaces each row needs so that the values of its block stand in one column."""
    block = itertools.count(1)
    numbers: list[int] = []
    for i, row in enumerate(rows):
        apart = not row.aligns or row.leading.count("\n") > 1 or (i > 0 and not rows[i - 1].aligns)
        numbers.append(next(block) if apart or not numbers else numbers[-1])
    for _, group in itertools.groupby(zip(numbers, rows, strict=True), key=lambda pair: pair[0]):
        lengths = [size(row.name) for _, row in group]
        yield from (max(lengths) - length for length in lengths)


def _literal(literal: Literal) -> str:
    """As written, but a string with escapes is written with as few of them as can be (RFC 8785)."""
    if not isinstance(literal.meaning, str) or "\\" not in literal.raw:
        return literal.raw
    escaped = (_ESCAPES.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in literal.meaning)
    return f'"{"".join(escaped)}"'


def _has_comment(extra: str) -> bool:
    return "/" in extra


def _after(node: Node) -> str | None:
    """What follows a value before its comma; if only blanks, they go, and a last comma with them."""
    return node.after if node.after and _has_comment(node.after) else None


def _tail(value: Array | Object) -> str:
    return value.tail if _children(value) or _has_comment(value.tail) else ""


def _children(value: Array | Object) -> list[Node]:
    if isinstance(value, Array):
        return list(value.elements)
    return [node for member in value.members for node in member]


def _last(value: Array | Object) -> Node:
    return _children(value)[-1]


def _is_standard(node: Node) -> bool:
    """Whether the text is plain JSON: no comment and no trailing comma anywhere."""
    if _has_comment(node.before) or _has_comment(node.after or ""):
        return False
    if isinstance(node.value, Literal):
        return True
    children = _children(node.value)
    plain = not _has_comment(node.value.tail) and (not children or children[-1].after is None)
    return plain and all(map(_is_standard, children))


def _expanded(root: Node) -> set[int]:
    """The ids of the composites that get one element a line."""
    found: set[int] = set()
    _measure_value(root.value, found)
    return found


def _measure_value(value: Literal | Array | Object, expanded: set[int]) -> Measure:
    if isinstance(value, Literal):
        length = size(_literal(value))
        return Measure(length, length)
    lines, current = [], 1
    for piece in _pieces(value, expanded):
        if isinstance(piece, int):
            current += piece
            continue
        current += piece.first
        if piece.multiline:
            lines.append(current)
            current = piece.last
    lines.append(current + 1)
    if _holds_newline(value) or max(lines) > WIDTH:
        expanded.add(id(value))
        children = _children(value)
        return Measure(1 + measure(children[0].before if children else _tail(value)).first, 1, True)
    return Measure(lines[0], lines[-1], len(lines) > 1)


def _pieces(value: Array | Object, expanded: set[int]) -> Iterator[Measure | int]:
    """The measures of everything inside the brackets, in order; both `: ` and `, ` are two wide."""
    for node in _children(value):
        yield measure(node.before)
        yield _measure_value(node.value, expanded)
        yield measure(_after(node) or "")
        yield 2


def _holds_newline(value: Array | Object) -> bool:
    """Whether the author already broke the line after a bracket or a comma, or before the closing bracket."""
    match value:
        case Array(elements=nodes):
            starts = list(nodes)
        case Object(members=members):
            starts = [name for name, _ in members]
    if any("\n" in node.before for node in starts) or "\n" in _tail(value):
        return True
    return bool(starts) and "\n" in (_after(_last(value)) or "")

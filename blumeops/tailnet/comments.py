"""Comments and blanks between the values of a HuJSON text: how wide they are, and how they are laid out.

The rules are those of Tailscale's formatter (`hujson.Format`): line comments stay as they are, the lines of a
block comment move together, at most one empty line stays in a row.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from blumeops.tailnet.syntax import blank_end, comment_length

# What Go's unicode.IsSpace takes for a space; Python's str.strip() takes more.
SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)


@dataclass(frozen=True, slots=True)
class Measure:
    """How long the first and the last line of a piece of text are, and whether these are two lines."""

    first: int
    last: int
    multiline: bool = False


def measure(extra: str) -> Measure:
    if "\n" not in extra:
        length = _comment_width(extra)
        return Measure(length, length)
    first, *_, last = extra.split("\n")
    return Measure(_comment_width(first), _comment_width(last), True)


def _comment_width(line: str) -> int:
    """About how wide the comments in one line are, with a space before each, and one after a block."""
    width, at = 0, 0
    while True:
        at = blank_end(line, at)
        length = comment_length(line, at)
        if length == 0:
            return width + (1 if width else 0)
        if length < 0:  # it goes on in the next line
            return width + 1 + size(line[at:])
        width += 1 + size(line[at : at + length])
        at += length


def lay_out(
    extra: str,
    depth: int,
    *,
    newline_first: bool = False,
    newline_last: bool = False,
    trim_first: bool = False,
    trim_last: bool = False,
    unindent: bool = False,
    space_if_empty: bool = False,
) -> str:
    """Comments and blanks, laid out for a depth of indentation; at most one empty line stays in a row."""
    extra = extra.replace("\r\n", "\n").replace("\n\r", "\n").replace("\r", " ")
    out = "\n" if newline_first and "\n" not in extra else ""
    out = _paragraphs(extra, out, depth)
    if newline_last and not out.endswith("\n"):
        out += "\n"
    if trim_first and out.startswith("\n"):
        out = "\n" + out.lstrip("\n")
    if trim_last and out.endswith("\n"):
        out = out.rstrip("\n") + "\n"
    if out.endswith("\n"):
        return out + "\t" * (depth - unindent)
    return out + " " if out or space_if_empty else ""


def _paragraphs(extra: str, out: str, depth: int) -> str:
    at = 0
    while at < len(extra):
        blank = blank_end(extra, at)
        out += "\n" * min(2, extra.count("\n", at, blank))
        at = blank
        if length := max(0, comment_length(extra, at)):
            out += "\t" * depth if out.endswith("\n") else " "
            comment = extra[at : at + length]
            if comment.startswith("//"):
                length -= 1  # its newline is a blank of what follows
            out += _comment(comment, depth)
            at += length
    return out


def _comment(comment: str, depth: int) -> str:
    """A comment in one line as it is; the lines of a longer one moved together to the new depth."""
    if comment.startswith("//") or "\n" not in comment:
        return comment.rstrip(SPACES)
    head, *lines = (line.rstrip(SPACES) for line in comment.split("\n"))
    common = next((line for line in lines if line), "")
    for line in lines:
        if line.strip(" \t\r") == "*/":
            break
        if line:
            common = _common(common, line)
    indent = _indent(common)
    if lines[-1].strip(" \t\r") == "*/":
        lines[-1] = common[:indent] + "*/"
    starred = all([head, *lines]) and common[indent : indent + 1] == "*"
    prefix = "\t" * depth + (" " if starred else "")
    moved = [prefix + line[indent:] if line else "" for line in lines]
    return "\n".join([head, *moved]).rstrip("\n")


def _common(one: str, other: str) -> str:
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return one if one.startswith(other) else "".join(a for a, _ in same)


def _indent(line: str) -> int:
    return blank_end(line)


def size(text: str) -> int:
    """The length of a text in bytes of UTF-8."""
    return len(text.encode())

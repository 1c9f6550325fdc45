"""Cut desired state where its own format has borders, comments standing with what they speak of.

A policy rule by rule, a play and a role task by task, a manifest document by document, everything else at its
empty lines. Files that are short enough stay whole: half an Application explains nothing. Only borders are
looked for and nothing is parsed, so a broken file is cut as well as a good one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from blumeops.context.model import Kind, Section
from blumeops.context.sections import Piece, cut

WHOLE_LINES = 70
"""A file of at most so many lines is one piece; a longer one is cut into pieces of about as many."""
_MEMBER = re.compile(r'^(?:\t| {2,4})"(?P<key>[^"]+)":')
_ELEMENT = re.compile(r"^(?:\t\t| {4,8})[{\[]")
_OPENS = re.compile(r"\[\s*$")
_COMMENT = re.compile(r"^\s*(?://|#|;)")
_NAMED = re.compile(r"^- (?:name|hosts):\s*(?P<name>.+?)\s*$")
_KIND = re.compile(r"^kind:\s*(?P<kind>\w+)\s*$", re.MULTILINE)
_NAME = re.compile(r"^metadata:\n(?:[ ]+.*\n)*?[ ]+name:\s*(?P<name>\S+)", re.MULTILINE)
_SECRET_KIND = re.compile(r"^kind:\s*[\"']?Secret[\"']?\s*$", re.MULTILINE)
_ROLE = re.compile(r"(?:^|/)roles/(?P<role>[^/]+)/(?P<part>.+)$")


def of_file(path: str, text: str) -> tuple[Section, ...]:
    """The sections of a file of desired state. A manifest of a `Secret` is left out."""
    lines = text.split("\n")
    suffix = PurePosixPath(path).suffix
    if suffix == ".hujson":
        pieces = _policy(lines)
    elif suffix in (".yaml", ".yml"):
        pieces = _yaml(lines)
    else:
        pieces = _paragraphs(0, len(lines), lines)
    return cut(list(pieces), lines, path=path, title=title(path, text), kind=Kind.DESIRED)


def title(path: str, text: str) -> str:
    """What a person calls the file: the resource that it is, the role's part, or its path's end."""
    if found := _ROLE.search(path):
        return f"Role {found['role']}: {found['part']}"
    kind, name = _KIND.search(text), _NAME.search(text)
    if kind and name and text.count("\nkind:") + text.startswith("kind:") == 1:
        return f"{kind['kind']} {name['name']}"
    return "/".join(path.split("/")[-2:])


def _policy(lines: Sequence[str]) -> Iterator[Piece]:
    """Each member of the policy, and each rule, grant and test of those that are lists."""
    key, begun = "", 0
    for number, line in enumerate(lines):
        member = _MEMBER.match(line)
        if member or _ELEMENT.match(line):
            start = _with_comments(number, lines, begun)
            opened = not member and start > 0 and _OPENS.search(lines[start - 1])
            if start > begun and not opened:
                yield Piece(begun + 1, start, (key,) if key else ())
                begun = start
            key = member["key"] if member else key
    yield Piece(begun + 1, len(lines), (key,) if key else ())


def _with_comments(number: int, lines: Sequence[str], least: int) -> int:
    """The line where the comments above a line begin, or the list that it is the first element of."""
    while number > least and _COMMENT.match(lines[number - 1]):
        number -= 1
    return number


def _yaml(lines: Sequence[str]) -> Iterator[Piece]:
    """Documents, and of a long one its top-level tasks or keys, as many together as fit."""
    for first, end in _documents(lines):
        text = "\n".join(lines[first:end])
        if _SECRET_KIND.search(text):
            continue
        kind, name = _KIND.search(text), _NAME.search(text)
        said = (f"{kind['kind']} {name['name']}",) if kind and name else ()
        starts = _tops(first, end, lines) if end - first > WHOLE_LINES else [first]
        yield from _together(starts, end, lines, said)


def _documents(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    begun = 0
    for number, line in enumerate(lines):
        if line.rstrip() == "---":
            yield begun, number
            begun = number + 1
    yield begun, len(lines)


def _tops(first: int, end: int, lines: Sequence[str]) -> list[int]:
    """Where something begins at the left edge, its comments with it."""
    starts = [first]
    for number in range(first, end):
        line = lines[number]
        if line and line[0] not in " \t#" and not line.startswith(("...", "]", "}")):
            start = _with_comments(number, lines, starts[-1])
            if start > starts[-1]:
                starts.append(start)
    return starts


def _together(starts: list[int], end: int, lines: Sequence[str], said: tuple[str, ...]) -> Iterator[Piece]:
    begun = starts[0]
    for number, start in enumerate(starts):
        after = starts[number + 1] if number + 1 < len(starts) else end
        if after - begun > WHOLE_LINES // 2 and start > begun:
            yield Piece(begun + 1, start, said or _task(begun, lines))
            begun = start
    yield Piece(begun + 1, end, said or (_task(begun, lines) if len(starts) > 1 else ()))


def _task(number: int, lines: Sequence[str]) -> tuple[str, ...]:
    named = next((found for line in lines[number : number + 12] if (found := _NAMED.match(line))), None)
    return (named["name"].strip("\"'"),) if named else ()


def _paragraphs(first: int, end: int, lines: Sequence[str]) -> Iterator[Piece]:
    starts = [first]
    for number in range(first + 1, end):
        if not lines[number - 1].strip() and lines[number].strip() and lines[number][0] not in " \t":
            starts.append(number)
    yield from _together(starts if end - first > WHOLE_LINES else [first], end, lines, ())

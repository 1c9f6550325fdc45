"""The values of a file of any format, each as the text that is written there and with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from blumeops import located
from blumeops.errors import BadInput, Problem
from blumeops.located import Fault, Located

if TYPE_CHECKING:
    from blumeops.tailnet.syntax import Node


def documents(text: str, path: str) -> tuple[Located, ...]:
    """Every document of a file: one, but for YAML. Raises `BadInput` with the line."""
    try:
        return _reader(path)(text)
    except Fault as fault:
        raise BadInput([Problem(fault.problem[0], path, *fault.problem[1:])]) from fault
    except RecursionError as error:
        raise BadInput([Problem("nested too deeply", path)]) from error


def _reader(path: str) -> Callable[[str], tuple[Located, ...]]:
    from blumeops.facts import constants, words

    name = path.rpartition("/")[2].casefold()
    suffix = name.rpartition(".")[2]
    if suffix in ("yaml", "yml"):
        return located.of_yaml
    if suffix in ("json", "hujson", "jsonc", "webmanifest"):
        return _json
    if suffix == "toml":
        return _toml
    if suffix == "py":
        return constants.read
    if suffix in ("ini", "cfg", "conf", "properties", "service", "timer", "env") or name.startswith(".env"):
        return words.sections
    return words.lines


def _json(text: str) -> tuple[Located, ...]:
    from blumeops.tailnet import syntax

    parser = syntax.Parser(text)
    try:
        tree = parser.parse()
    except syntax.SyntaxFault as fault:
        raise Fault(f"not JSON: {fault.what}", *_place(text, fault.offset)) from fault
    if parser.duplicates:
        twice = parser.duplicates[0]
        raise Fault(f"{twice.key} is given twice", *_place(text, twice.again))
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    return (_json_value(tree, starts),)


def _json_value(node: Node, starts: list[int]) -> Located:
    import bisect

    from blumeops.tailnet import syntax

    line = bisect.bisect_right(starts, node.start)
    column = node.start - starts[line - 1] + 1
    match node.value:
        case syntax.Literal(raw=raw, meaning=meaning):
            return Located(line, column, text=meaning if isinstance(meaning, str) else raw)
        case syntax.Array(elements=elements):
            return Located(line, column, items=tuple(_json_value(one, starts) for one in elements))
        case syntax.Object(members=members):
            named = {
                str(name.value.meaning): _json_value(value, starts)
                for name, value in members
                if isinstance(name.value, syntax.Literal)
            }
            return Located(line, column, members=named)
    raise Fault("not JSON", line, column)


def _place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _toml(text: str) -> tuple[Located, ...]:
    try:
        value = tomllib.loads(text, parse_float=str)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+), column (\d+)", str(error))
        place = (int(found[1]), int(found[2])) if found else (0, 0)
        raise Fault(f"not TOML: {str(error).partition(' (at')[0]}", *place) from error
    return (_toml_value(value, (), _toml_lines(text), 1),)


def _toml_value(
    value: object, way: tuple[str, ...], lines: Mapping[tuple[str, ...], int], line: int
) -> Located:
    line = lines.get(way, line)
    if isinstance(value, dict):
        named = {key: _toml_value(one, (*way, key), lines, line) for key, one in value.items()}
        return Located(line, members=named)
    if isinstance(value, list):
        return Located(
            line, items=tuple(_toml_value(one, (*way, str(n)), lines, line) for n, one in enumerate(value))
        )
    return Located(line, text=str(value).lower() if isinstance(value, bool) else str(value))


def _toml_lines(text: str) -> dict[tuple[str, ...], int]:
    """The lines of tables and keys; tables of a list are counted."""
    found: dict[tuple[str, ...], int] = {}
    counts: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        if head := re.match(r"\s*\[(\[)?\s*([^\[\]]+?)\s*\]", line):
            table = _toml_key(head[2])
            if head[1]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, str(counts[table]))
            found.setdefault(table, number)
        elif key := re.match(
            r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""", line
        ):
            found.setdefault((*table, *_toml_key(key[1])), number)
    return found


def _toml_key(words: str) -> tuple[str, ...]:
    return tuple(piece.strip("\"'") for piece in re.findall(r"""[\w-]+|"[^"]*"|'[^']*'""", words))

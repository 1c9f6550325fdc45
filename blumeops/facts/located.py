"""The values of a file, each as the text that is written there and with its line, whatever the format.

Nothing is converted: `1.10` stays `1.10`, `no` stays `no`, `22:22` stays `22:22`, since that is what a reader
sees too. A key given twice is refused, and so is a file that grows beyond bounds when its aliases expand.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import yaml

from blumeops.errors import BadInput, Problem

MAX_VALUES = 100_000
"""Aliases make many values from few bytes; the limit counts them expanded."""

MAX_DEPTH = 100
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Located:
    """A value: a text, a mapping or a list (one of the three), and where it stands, from 1."""

    line: int
    column: int = 0
    text: str | None = None
    members: Mapping[str, Located] | None = None
    items: tuple[Located, ...] | None = None

    def get(self, *way: str | int) -> Located | None:
        """The value at the end of a way of keys and numbers; None when the way ends before."""
        found: Located | None = self
        for step in way:
            if found is None:
                return None
            if isinstance(step, int):
                found = found.items[step] if found.items and step < len(found.items) else None
            else:
                found = (found.members or {}).get(step)
        return found

    def said(self, *way: str | int) -> str:
        """The text at the end of a way; empty when there is none."""
        found = self.get(*way)
        return (found.text or "") if found else ""

    def all(self, *way: str | int) -> tuple[Located, ...]:
        """The items at the end of a way."""
        found = self.get(*way)
        return (found.items or ()) if found else ()

    def each(self, *way: str | int) -> Mapping[str, Located]:
        """The members at the end of a way."""
        found = self.get(*way)
        return (found.members or {}) if found else {}


class Fault(Exception):
    """What is wrong in a file, and in which line."""

    def __init__(self, what: str, line: int = 0, column: int = 0) -> None:
        super().__init__(what)
        self.problem = (what, line, column)


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
        return _yaml
    if suffix in ("json", "hujson", "jsonc", "webmanifest"):
        return _json
    if suffix == "toml":
        return _toml
    if suffix == "py":
        return constants.read
    if suffix in ("ini", "cfg", "conf", "properties", "service", "timer", "env") or name.startswith(".env"):
        return words.sections
    return words.lines


def _yaml(text: str) -> tuple[Located, ...]:
    try:
        nodes = [node for node in yaml.compose_all(text, _LOADER) if node is not None]
        budget = [MAX_VALUES]
        return tuple(_yaml_value(node, budget, 0) for node in nodes)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise Fault(f"not YAML: {error.problem}", *place) from error
    except yaml.YAMLError as error:
        raise Fault(f"not YAML: {str(error).splitlines()[0]}") from error


def _yaml_value(node: yaml.Node, budget: list[int], depth: int) -> Located:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    budget[0] -= 1
    if budget[0] < 0:
        raise Fault(f"more than {MAX_VALUES} values when its aliases are expanded", line, column)
    if depth > MAX_DEPTH:
        raise Fault(f"nested deeper than {MAX_DEPTH} levels", line, column)
    if isinstance(node, yaml.SequenceNode):
        items = tuple(_yaml_value(item, budget, depth + 1) for item in node.value)
        return Located(line, column, items=items)
    if isinstance(node, yaml.MappingNode):
        members: dict[str, Located] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if name in members and name != "<<":
                raise Fault(f"{name} is given twice", key.start_mark.line + 1, key.start_mark.column + 1)
            members[name] = _yaml_value(value, budget, depth + 1)
        return Located(line, column, members=members)
    return Located(line, column, text=node.value)


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


def _json_value(node: object, starts: list[int]) -> Located:
    import bisect

    from blumeops.tailnet import syntax

    line = bisect.bisect_right(starts, node.start)  # type: ignore[attr-defined]
    column = node.start - starts[line - 1] + 1  # type: ignore[attr-defined]
    match node.value:  # type: ignore[attr-defined]
        case syntax.Literal(raw=raw, meaning=meaning):
            return Located(line, column, text=meaning if isinstance(meaning, str) else raw)
        case syntax.Array(elements=elements):
            return Located(line, column, items=tuple(_json_value(one, starts) for one in elements))
        case syntax.Object(members=members):
            named = {name.value.meaning: _json_value(value, starts) for name, value in members}
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

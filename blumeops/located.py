"""Values with the line where they stand: the reader of YAML for the checks of the docs and the service map.

Nothing is converted and nothing is constructed from a tag: `1.10` stays `1.10`, `22:22` stays `22:22`,
`!vault` is the text behind it, since that is what a reader sees too. A key given twice is refused, and so is
a file that grows beyond bounds when its aliases expand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

MAX_VALUES = 100_000
"""Aliases make many values from few bytes; the limit counts them expanded."""

MAX_DEPTH = 100
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Located:
    """A value: a text, a mapping or a list (one of the three), and where it stands, from 1.

    `named` is the line of its key, 0 without one; `kind` is what YAML takes a text for (`int`, `null`).
    """

    line: int
    column: int = 0
    text: str | None = None
    members: Mapping[str, Located] | None = None
    items: tuple[Located, ...] | None = None
    named: int = 0
    kind: str = ""

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

    def plain(self) -> object:
        """The value as Python has it: null, truths and whole numbers are read, all else is its text."""
        if self.members is not None:
            return {key: value.plain() for key, value in self.members.items()}
        if self.items is not None:
            return [item.plain() for item in self.items]
        text = self.text or ""
        match self.kind:
            case "null":
                return None
            case "bool":
                return _BOOLEANS.get(text.lower(), text)
            case "int" if text.isdigit() and (text == "0" or text[0] != "0"):
                return int(text)
            case _:
                return text


class Fault(Exception):
    """What is wrong in a file, and in which line."""

    def __init__(self, what: str, line: int = 0, column: int = 0) -> None:
        super().__init__(what)
        self.problem = (what, line, column)


def of_yaml(text: str, *, first_line: int = 1) -> tuple[Located, ...]:
    """Every document of a text that begins in line `first_line` of its file. Raises `Fault`."""
    try:
        nodes = [node for node in yaml.compose_all(text, _LOADER) if node is not None]
        budget = [MAX_VALUES]
        return tuple(_value(node, budget, 0, first_line) for node in nodes)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + first_line, mark.column + 1) if mark else (0, 0)
        raise Fault(f"not YAML: {error.problem}", *place) from error
    except (yaml.YAMLError, ValueError) as error:
        raise Fault(f"not YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise Fault("nested too deeply") from error


def _value(node: yaml.Node, budget: list[int], depth: int, first: int, named: int = 0) -> Located:
    line, column = node.start_mark.line + first, node.start_mark.column + 1
    budget[0] -= 1
    if budget[0] < 0:
        raise Fault(f"more than {MAX_VALUES} values when its aliases are expanded", line, column)
    if depth > MAX_DEPTH:
        raise Fault(f"nested deeper than {MAX_DEPTH} levels", line, column)
    if isinstance(node, yaml.SequenceNode):
        items = tuple(_value(item, budget, depth + 1, first) for item in node.value)
        return Located(line, column, items=items, named=named)
    if isinstance(node, yaml.MappingNode):
        members: dict[str, Located] = {}
        for key, value in node.value:
            name, at = (
                str(key.value) if isinstance(key, yaml.ScalarNode) else "?",
                key.start_mark.line + first,
            )
            if name in members and name not in ("<<", "?"):
                what = f"{name} is given twice (first in line {members[name].named})"
                raise Fault(what, at, key.start_mark.column + 1)
            members[name] = _value(value, budget, depth + 1, first, at)
        return Located(line, column, members=members, named=named)
    return Located(line, column, text=node.value, named=named, kind=node.tag.rpartition(":")[2])

"""Kubernetes YAML, read strictly: a duplicate key or an unknown tag is an error with a line, not a surprise.

Values are read as Kubernetes reads them: no dates and no base-60 numbers, which PyYAML alone would make.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

from blumeops.errors import BadInput, Problem

MAX_BYTES = 3_000_000
"""Larger than any manifest a person writes, the largest CRDs included; bounds the work of parsing."""

MAX_NODES = 100_000
"""Aliases expand to many nodes from few bytes; the limit counts them expanded."""


_Resolvers = list[tuple[str, re.Pattern[str]]]
"""Which tag a plain value gets, by the first pattern that fits."""


class _Loader(yaml.SafeLoader):
    """SafeLoader without dates and base-60 numbers, which refuses duplicate keys."""

    yaml_implicit_resolvers: ClassVar[dict[str, _Resolvers]] = {  # type: ignore[misc]  # PyYAML's is too
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                first = seen[key.value].start_mark.line + 1
                raise yaml.MarkedYAMLError(
                    problem=f"duplicate key {key.value!r} (first in line {first})",
                    problem_mark=key.start_mark,
                )
            seen[key.value] = key
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^(?:[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$"),
    list("-+0123456789"),
)


def read(path: Path, shown: str) -> list[dict[str, Any]]:
    """Every document of a file that is not empty. Raises `BadInput` that names the file as `shown`."""
    return [document for _, document in documents(path, shown)]


def documents(path: Path, shown: str) -> list[tuple[int, dict[str, Any]]]:
    """Every document of a file with the line where it begins. Raises `BadInput`."""
    if path.stat().st_size > MAX_BYTES:
        raise BadInput([Problem(f"larger than {MAX_BYTES} bytes", shown)])
    try:
        text = path.read_text(encoding="utf-8")
        found = [(node.start_mark.line + 1, node) for node in yaml.compose_all(text, _Loader) if node]
        for _, node in found:
            if sum(1 for _ in _nodes(node)) >= MAX_NODES:
                raise BadInput(
                    [Problem(f"more than {MAX_NODES} values when its aliases are expanded", shown)]
                )
        values = [value for value in yaml.load_all(text, _Loader) if value is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise BadInput([Problem(error.problem or "not YAML", shown, line, column)]) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput([Problem(f"not YAML: {error}".splitlines()[0], shown)]) from error
    lines = [line for line, node in found if node.tag != "tag:yaml.org,2002:null"]
    for line, value in zip(lines, values, strict=True):
        if not isinstance(value, dict):
            raise BadInput([Problem("a manifest must be a mapping", shown, line)])
    return list(zip(lines, values, strict=True))


def _nodes(node: yaml.Node, budget: list[int] | None = None) -> Iterator[yaml.Node]:
    budget = budget if budget is not None else [MAX_NODES]
    budget[0] -= 1
    if budget[0] < 0:
        return
    yield node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _nodes(key, budget)
            yield from _nodes(value, budget)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _nodes(value, budget)


def line_of(path: Path, kind: str, name: str, field: str) -> int:
    """The line of an object's field in a file; 0 when the object is not there.

    Fields are named as the API server names them: `spec.containers[0].image`, or in a server-side apply
    `.spec.containers[name="web"].image`. A field that only a generator or a patch makes has no line of its
    own: then the closest parent counts.
    """
    for node in yaml.compose_all(path.read_text(encoding="utf-8"), _Loader):
        if not isinstance(node, yaml.MappingNode):
            continue
        top = {key.value: value for key, value in node.value}
        metadata = dict((k.value, v.value) for k, v in getattr(top.get("metadata"), "value", []))
        if (getattr(top.get("kind"), "value", ""), metadata.get("name")) == (kind, name):
            return _descend(node, re.findall(r"(?<=\[)[^\]]*|[^.\[\]]+", field))
    return 0


def _item(node: yaml.SequenceNode, step: str) -> yaml.Node | None:
    """An item by its index or, as a server-side apply names it, by a key (`name="web"`)."""
    items: list[yaml.Node] = node.value
    if step.isdigit():
        return items[int(step)] if int(step) < len(items) else None
    key, _, value = step.split(",")[0].partition("=")
    for item in items:
        pairs = {k.value: v.value for k, v in item.value} if isinstance(item, yaml.MappingNode) else {}
        if pairs.get(key) == value.strip('"'):
            return item
    return None


def _descend(node: yaml.Node, steps: list[str]) -> int:
    line = node.start_mark.line + 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if step not in pairs:
                break
            key, node = pairs[step]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and (item := _item(node, step)) is not None:
            node = item
            line = node.start_mark.line + 1
        else:
            break
    return line

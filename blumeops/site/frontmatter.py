"""Front matter: the YAML between two `---` lines at the top of a page, read strictly and within bounds.

This is the only place that reads it. Pages are written by people and by tools, so what YAML allows and
nobody means is refused: aliases (a 400-byte file can grow to gigabytes), a key given twice, deep nesting.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import yaml

from blumeops.errors import BadInput, Problem

MAX_CHARACTERS = 16_384
MAX_DEPTH = 8
_BLOCK = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The values of a page's front matter, and where the page's body begins (an index into its text)."""

    values: Mapping[str, object]
    body: int

    def text(self, key: str) -> str:
        """A value as text; empty when it is not there."""
        value = self.values.get(key)
        return "" if value is None else str(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A value as a tuple of texts: a list, or one value that stands alone."""
        value = self.values.get(key)
        if value is None:
            return ()
        return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


class _StrictLoader(yaml.SafeLoader):
    """YAML without aliases and without a key given twice."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed", problem_mark=self.mark())
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=self.mark()
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def mark(self) -> yaml.Mark:
        return self.peek_event().start_mark

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[object] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"{name} is given twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def end_of(text: str) -> int:
    """Where the body begins: the index after the front matter, 0 when there is none."""
    found = _BLOCK.match(text)
    return found.end() if found else 0


def read(text: str, *, source: str) -> FrontMatter:
    """The front matter of a page. Raises `BadInput` that names `source` and the line."""
    found = _BLOCK.match(text)
    if not found:
        return FrontMatter({}, 0)
    if len(found["yaml"]) > MAX_CHARACTERS:
        raise BadInput([Problem(f"the front matter is longer than {MAX_CHARACTERS} characters", source, 1)])
    loader = _StrictLoader(found["yaml"])
    try:
        values = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 2, mark.column + 1) if mark else (1, 0)
        raise BadInput([Problem(f"front matter: {error.problem}", source, line, column)]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise BadInput([Problem(f"front matter: {error}", source, 1)]) from error
    finally:
        loader.dispose()
    if values is None:
        return FrontMatter({}, found.end())
    if not isinstance(values, dict):
        raise BadInput([Problem("the front matter is not a list of `key: value` lines", source, 1)])
    return FrontMatter({str(key): value for key, value in values.items()}, found.end())

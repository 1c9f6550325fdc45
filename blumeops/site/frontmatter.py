"""Front matter: the YAML between two `---` lines at the top of a page, read strictly and within bounds.

This is the only place that reads it. Pages are written by people and by tools, so what YAML allows and
nobody means is refused: aliases (a 400-byte file can grow to gigabytes), a key given
twice, tags, deep nesting.
It is read event by event, so a file that nests 5,000 deep is refused at its ninth level.

A value that stands without quotes is what a reader sees. YAML 1.1, which PyYAML and with it every generator
reads, makes `no` a false, `22:22` the number 1342, `1.10` the number 1.1 and `0777` the number 511; here they
stay text. What becomes something else than text: `true` and `false`, whole numbers without a leading zero,
days (`2026-11-23`), `null`, `~` and nothing. `FrontMatter.plain` says whether a generator reads the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import yaml

from blumeops.errors import BadInput, Problem

MAX_CHARACTERS = 16_384
MAX_DEPTH = 8
_BLOCK = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser is ten times faster; it comes with PyYAML's wheels, and both give the same events."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The values of a page's front matter, and where the page's body begins (an index into its text).

    `plain` is false when a reader of YAML 1.1 would read another value than ours out of the same text.
    """

    values: Mapping[str, object]
    body: int
    plain: bool = True

    def text(self, key: str) -> str:
        """A value as text; empty when it is not there."""
        value = self.values.get(key)
        return "" if value is None else _said(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A value as a tuple of texts: a list, or one value that stands alone."""
        value = self.values.get(key)
        if value is None:
            return ()
        return tuple(_said(item) for item in value) if isinstance(value, list) else (_said(value),)


NONE = FrontMatter({}, 0)
"""Of a page that has none."""


def end_of(text: str) -> int:
    """Where the body begins: the index after the front matter, 0 when there is none."""
    if not text.startswith("---"):
        return 0
    found = _BLOCK.match(text)
    return found.end() if found else 0


def read(text: str, *, source: str) -> FrontMatter:
    """The front matter of a page. Raises `BadInput` that names `source` and the line."""
    found = _BLOCK.match(text) if text.startswith("---") else None
    if not found:
        return FrontMatter({}, 0)
    if len(found["yaml"]) > MAX_CHARACTERS:
        raise BadInput([Problem(f"the front matter is longer than {MAX_CHARACTERS} characters", source, 1)])
    reader = _Reader(found["yaml"])
    try:
        values = reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 2, mark.column + 1) if mark else (1, 0)
        what = f"front matter: {error.problem}"
        raise BadInput([Problem(what, source, line, column, _hint(str(error.problem)))]) from error
    except yaml.YAMLError as error:
        raise BadInput([Problem(f"front matter: {error}", source, 1)]) from error
    finally:
        reader.loader.dispose()
    if values is None:
        return FrontMatter({}, found.end())
    if not isinstance(values, dict):
        raise BadInput([Problem("the front matter is not a list of `key: value` lines", source, 1)])
    return FrontMatter(values, found.end(), reader.plain)


def write(values: Mapping[str, object]) -> str:
    """Front matter that every reader of YAML reads alike: one line for each key, texts in double quotes."""
    lines = [f"{_scalar(key)}: {_flow(value)}" for key, value in values.items()]
    return "\n".join(["---", *lines, "---", ""])


class _Reader:
    """One YAML document as values, built from the parser's events."""

    def __init__(self, text: str) -> None:
        self.loader = _Loader(text)
        self.plain = True

    def document(self) -> object:
        for kind in (yaml.StreamStartEvent, yaml.DocumentStartEvent):
            if not self.loader.check_event(kind):
                return None
            self.loader.get_event()
        value = self._value(self.loader.get_event(), 1)
        self.loader.get_event()
        if not self.loader.check_event(yaml.StreamEndEvent):
            raise _wrong("holds two documents", self.loader.get_event())
        return value

    def _value(self, event: yaml.Event, depth: int) -> object:
        _refuse(event, depth)
        match event:
            case yaml.ScalarEvent():
                return self._scalar(event)
            case yaml.SequenceStartEvent():
                return [self._value(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        pairs: dict[str, object] = {}
        for key in self._until(yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise _wrong("a key is not a word", key)
            _refuse(key, depth)
            if key.value in pairs:
                raise _wrong(f"{key.value} is given twice", key)
            self.plain = self.plain and (not key.implicit[0] or _reads_alike(key.value, key.value))
            pairs[key.value] = self._value(self.loader.get_event(), depth + 1)
        return pairs

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        while not isinstance(event := self.loader.get_event(), end):
            yield event

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        if not event.implicit[0]:
            return event.value
        try:
            value = _read_plain(event.value)
        except ValueError as error:
            raise _wrong(f"{event.value} is no day of any year", event) from error
        self.plain = self.plain and _reads_alike(event.value, value)
        return value


def _refuse(event: yaml.Event, depth: int) -> None:
    what = ""
    if isinstance(event, yaml.AliasEvent):
        what = "aliases (*name) are not allowed"
    elif tag := getattr(event, "tag", None):
        what = f"tags (!name) are not allowed: {tag}"
    elif depth > MAX_DEPTH:
        what = f"nested deeper than {MAX_DEPTH} levels"
    if what:
        raise _wrong(what, event)


def _wrong(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    mark: Any = event.start_mark  # PyYAML's own class of it, or libyaml's
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _hint(problem: str) -> str:
    if "mapping values are not allowed" in problem:
        return 'a value with ": " in it stands in quotes'
    if "cannot start any token" in problem or "alias" in problem:
        return "a value that begins with a mark stands in quotes"
    return ""


def _read_plain(word: str) -> object:
    if word in _WORDS:
        return _WORDS[word]
    if _NUMBER.fullmatch(word):
        return int(word)
    return date.fromisoformat(word) if _DAY.fullmatch(word) else word


@cache
def _resolver() -> yaml.resolver.Resolver:
    return yaml.resolver.Resolver()


def _reads_alike(word: str, value: object) -> bool:
    """Whether YAML 1.1 reads a word without quotes as we do."""
    if isinstance(value, str) and word[:1].isalpha() and word[:1] not in "yYnNtTfFoO":
        return True
    resolved: str = _resolver().resolve(  # type: ignore[no-untyped-call]  # PyYAML's stubs lack it
        yaml.ScalarNode, word, (True, False)
    )
    kinds = {bool: "bool", int: "int", date: "timestamp", type(None): "null", str: "str"}
    return resolved.rpartition(":")[2] == kinds[type(value)]


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flow(value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | date():
            return str(value)
    word = str(value)
    return word if re.fullmatch(r"[a-z_]{2,}", word) and _reads_alike(word, word) else json.dumps(word)

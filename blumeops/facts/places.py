"""Where a value stands: a file of the repository and the way to the value in it, `PATH#WAY`.

    homelab/argocd/.../kustomization.yaml#images[0].newTag
    homelab/pulumi/policy.hujson#tagOwners["tag:homelab"]
    blumeops/engines.py#ENGINES[name=argocd].version

The file is read as text and never run, and a path that leads out of the repository is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from blumeops.errors import BadInput, Problem
from blumeops.facts import expression, formats
from blumeops.facts.expression import Index, Key, Part, Step, Way, Where
from blumeops.facts.tree import Tree
from blumeops.located import Located


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it is written, and the place that says so."""

    text: str
    path: str
    line: int
    column: int = 0

    @property
    def where(self) -> str:
        """The place, as `path:line`."""
        return f"{self.path}:{self.line}"


class Places:
    """The values of one repository; each file is read once."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._read: dict[str, tuple[Located, ...]] = {}

    def documents(self, path: str) -> tuple[Located, ...]:
        """Every document of a file. Raises `BadInput` with the line that is wrong."""
        if path not in self._read:
            self._read[path] = formats.documents(self.tree.text(path), path)
        return self._read[path]

    def quiet(self, path: str) -> tuple[Located, ...]:
        """Every document of a file; none when it cannot be read, as a template cannot."""
        try:
            return self.documents(path)
        except BadInput:
            self._read[path] = ()
            return ()

    def value(self, place: str, *, asked_by: Problem) -> Value:
        """The value of a place that a page names. Raises `BadInput` at the page, or at the file."""
        path, mark, way = place.partition("#")
        if not mark or not way:
            raise _at(
                asked_by, f"{place!r} names no value in the file", "write PATH#WAY, as in a.yaml#spec.port"
            )
        self.tree.safe(path, asked_by=asked_by)
        try:
            parsed = expression.parse(way)
        except ValueError as error:
            raise _at(asked_by, f"{place}: {error}", "docs/reference/facts.md has every form") from error
        found = self._find(path, parsed, asked_by)
        text = _text(found, parsed.part)
        if text is None:
            raise _at(asked_by, f"{place} is no single value", "go on to a key, or ask for :keys or :count")
        return Value(text, path, found.line, found.column)

    def _find(self, path: str, way: Way, asked_by: Problem) -> Located:
        documents = self.documents(path)
        if way.kind:
            documents = tuple(
                one
                for one in documents
                if (one.said("kind"), one.said("metadata", "name")) == (way.kind, way.name)
            )
            if not documents:
                raise _at(asked_by, f"{path} holds no {way.kind} {way.name}", "")
        misses: list[BadInput] = []
        for document in documents:
            try:
                return _walk(document, way.steps, path, asked_by)
            except BadInput as error:
                misses.append(error)
        raise misses[0] if misses else _at(asked_by, f"{path} is empty", "")


def _at(place: Problem, what: str, hint: str) -> BadInput:
    return BadInput([Problem(what, place.path, place.line, place.column, hint)])


def _walk(value: Located, steps: Sequence[Step], path: str, asked_by: Problem) -> Located:
    walked = ""
    for step in steps:
        found = _step(value, step)
        if found is None:
            there = sorted(value.members or ())
            near = difflib.get_close_matches(str(step), there, 1)
            hint = (
                f"did you mean {near[0]}?" if near else f"there is: {', '.join(there[:12])}" if there else ""
            )
            where = f"{path}:{value.line}"
            raise _at(asked_by, f"{where}: {walked or 'the file'} has no {step}", hint)
        value = found
        walked += f".{step}" if walked and isinstance(step, Key) else str(step)
    return value


def _step(value: Located, step: Step) -> Located | None:
    match step:
        case Key(name):
            return (value.members or {}).get(name)
        case Index(number):
            items = value.items or ()
            if value.items is None and number == 0 and value.text is not None:
                return value
            return items[number] if -len(items) <= number < len(items) else None
        case Where(field, wanted):
            fitting = [one for one in value.items or () if one.said(*field.split(".")) == wanted]
            return fitting[0] if len(fitting) == 1 else None


def _text(value: Located, part: Part) -> str | None:
    """The part that is meant, as text; None when the value has no such part. A list is joined by commas."""
    if part is Part.COUNT:
        return str(len(value.items if value.items is not None else value.members or ()))
    if part is Part.KEYS:
        return ", ".join(value.members) if value.members is not None else None
    if value.items is not None and all(item.text is not None for item in value.items):
        return ", ".join(item.text or "" for item in value.items)
    if value.text is None:
        return None
    text = value.text
    match part:
        case Part.TAG:
            name, _, digest = text.partition("@")
            head, colon, tag = name.rpartition(":")
            return tag if colon and "/" not in tag else digest or None
        case Part.NAME:
            name = text.partition("@")[0]
            head, colon, tag = name.rpartition(":")
            return head if colon and "/" not in tag else name
        case Part.PORT:
            return text.rpartition(":")[2] if ":" in text else None
        case Part.HOST:
            return text.rpartition(":")[0] if ":" in text else None
        case _:
            return text

"""Excerpts: lines of one file as they go into a pack, cleaned, cut to length, neighbours made one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from blumeops.context import shown, tokens
from blumeops.context.freshness import Mark
from blumeops.context.model import Hit, Kind, Section
from blumeops.context.untrusted import clean

MARKS = 3
"""So many marks stand above an excerpt."""

GAP = 2
"""Lines from the end of a section to the start of the next one while they are neighbours."""

CUT = 8
"""Tokens that are kept for what says that an excerpt is cut."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some lines of one file as they stand there, cleaned, with what of them does not hold any more.

    `headings` is the way to it below the page's title. `clipped` says that its end is missing.
    """

    path: str
    line: int
    last: int
    kind: Kind
    anchor: str
    title: str
    headings: tuple[str, ...]
    text: str
    score: float
    why: str
    clipped: bool = False
    marks: tuple[Mark, ...] = ()

    @property
    def place(self) -> str:
        """Where it stands in the source: `docs/reference/policy.md:12-30`."""
        return shown.place(self.path, self.line, self.last)

    @property
    def here(self) -> tuple[Mark, ...]:
        """The marks of its lines and those of the whole file, the first few."""
        return tuple(mark for mark in self.marks if mark.within(self.line, self.last))[:MARKS]

    @property
    def size(self) -> int:
        """How many tokens it takes in a pack."""
        return shown.size(self.markdown())

    def markdown(self) -> str:
        """The excerpt in its fence, under its marks."""
        return _markdown(self)


@lru_cache(maxsize=4096)
def _markdown(one: Excerpt) -> str:
    is_page = one.kind in (Kind.PAGE, Kind.RUNBOOK)
    way = shown.crumbs(one.title, one.headings, one.text) if is_page else ""
    return shown.excerpt(one.place, way, one.text, one.here, clipped=one.clipped)


def of(hit: Hit) -> Excerpt:
    """A section as it goes into a pack: cleaned, with the lines that are left of it."""
    return _of(hit.section, hit.score, hit.why)


@lru_cache(maxsize=4096)
def _of(one: Section, score: float, why: str) -> Excerpt:
    said = clean(one.text)
    text = said.lstrip("\n")
    first = one.line + len(said) - len(text)
    text = text.rstrip("\n")
    last = first + text.count("\n")
    return Excerpt(one.path, first, last, one.kind, one.anchor, one.title, one.headings, text, score, why)


def cut(one: Excerpt, limit: int) -> Excerpt:
    """The beginning of an excerpt, so that all of it takes no more than so many tokens; 0 for no limit."""
    if not limit or one.size <= limit:
        return one
    over = one.size - limit
    text = tokens.clip(one.text, max(tokens.count(one.text) - over - CUT, 1)).rstrip("\n")
    return replace(one, text=text, last=one.line + text.count("\n"), clipped=True)


def merged(found: Iterable[Excerpt]) -> tuple[Excerpt, ...]:
    """Excerpts by file in the order in which the files come first, neighbours made one."""
    by_path: dict[str, list[Excerpt]] = {}
    for one in found:
        by_path.setdefault(one.path, []).append(one)
    made: list[Excerpt] = []
    for those in by_path.values():
        for one in sorted(those, key=lambda entry: entry.line):
            before = made[-1] if made and made[-1].path == one.path else None
            if before and not before.clipped and 0 < one.line - before.last <= GAP:
                made[-1] = _joined(before, one)
            else:
                made.append(one)
    return tuple(made)


def _joined(before: Excerpt, after: Excerpt) -> Excerpt:
    gap = "\n" * (after.line - before.last)
    best = max(before, after, key=lambda one: one.score)
    return replace(
        before,
        last=after.last,
        text=f"{before.text}{gap}{after.text}",
        clipped=after.clipped,
        score=best.score,
        why=best.why,
    )

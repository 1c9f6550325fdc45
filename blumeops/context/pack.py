"""A context pack: what an assistant needs for a question or task, in Markdown, within a budget of tokens.

Parts by what they are for: how to read it and what may not be done, the runbook for the task, the sections
that answer (by their worth for each token, from several pages), what Git says of the things that are named,
the state of the layers if it was asked for, and where there is more. Nothing is changed and no engine runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blumeops.context import (
    asked,
    choice,
    excerpts,
    fitting,
    freshness,
    git_says,
    rails,
    rehearsed,
    shown,
    tokens,
)
from blumeops.context.asked import Focus, Subject
from blumeops.context.excerpts import Excerpt
from blumeops.context.git_says import Row
from blumeops.context.index import Index
from blumeops.context.live import Live
from blumeops.context.model import Hit, Kind
from blumeops.context.rehearsed import Rehearsed
from blumeops.site.cache import Cache
from blumeops.site.place import Place

FOUND = 60
"""So many sections are looked at for one pack."""

RUNBOOKS = 2
"""At most so many runbooks are named for a task."""

FAR_RUNBOOK = 0.5
"""A runbook is for the task when its best section has at least this part of the best score."""

RAILS_SHARE, ROWS_SHARE, LIVE_SHARE, ALSO_SHARE = 0.12, 0.06, 0.25, 0.04
"""The part of a budget that may go to the guard rails, to Git's rows, the live state and the pointers."""

SMALL = 300
"""Tokens; a smaller pack does not even say where the guard rails stand."""

FOOT = 30
"""Tokens that are kept for the last line."""

ABOUT = 5
"""So many of the best sections say what a pack is about, beside its question."""

REST, MORE_REST = 0.45, 0.65
"""The best page offers all of its sections, those without a word of the question too. Such a one is worth
this part of the page's best, and more of it the more room there is beyond `NARROW`, up to `WIDE`."""

NARROW, WIDE = 2_000, 4_000
"""Tokens of a budget: with few, several pages are worth more than one of which much is shown."""

NOTHING = "Nothing in this repository answers to these words. Say so; do not guess.\n"
"""What a pack says that found nothing."""


@dataclass(frozen=True, slots=True)
class Pack:
    """What goes to an assistant for one question. `left_out` says what there was no room for."""

    question: str
    budget: int
    focus: Focus | None = None
    rails: tuple[str, ...] = ()
    runbooks: tuple[Rehearsed, ...] = ()
    entries: tuple[Excerpt, ...] = ()
    desired: tuple[Row, ...] = ()
    live: Live | None = None
    also: tuple[Excerpt, ...] = ()
    left_out: tuple[str, ...] = ()
    found: bool = True

    def markdown(self) -> str:
        """The pack as an assistant reads it."""
        return "".join(self._blocks())

    @property
    def tokens(self) -> int:
        """How many tokens its Markdown has."""
        return tokens.count(self.markdown())

    @property
    def size(self) -> int:
        """The same, added up from its blocks, which is quick while most of them stay as they are."""
        return sum(map(shown.size, self._blocks()))

    def _blocks(self) -> Iterator[str]:
        yield shown.heading(self.question)
        yield f"{rails.DATA}\n"
        if self.rails:
            yield shown.listed("Guard rails", self.rails)
        if self.runbooks:
            yield shown.listed("Runbook", map(shown.runbook, self.runbooks))
        if self.entries:
            yield "## Read\n"
            yield from (entry.markdown() for entry in self.entries)
        if self.desired:
            yield shown.rows("Desired state", self.desired)
        if self.live:
            yield shown.live(self.live)
        if self.also:
            yield shown.pointers(self.also)
        if self.left_out:
            yield f"Left out for want of room: {', '.join(self.left_out)}.\n"
        if not self.found:
            yield NOTHING

    def as_json(self) -> dict[str, object]:
        """The same as plain data."""
        from blumeops.context import plain

        return plain.of(self)


def pack(
    root: Path,
    question: str,
    *,
    budget: int = asked.DEFAULT,
    focus: str = "",
    live: Live | None = None,
    index: Index | None = None,
) -> Pack:
    """The context for a question or task, never of more tokens than the budget.

    `focus` is a layer, page or runbook that it is for, by any name. An open `index` is used where there is
    one. Raises `BlumeOpsError` for a question, budget or focus that cannot be meant.
    """
    said, room, root = asked.question(question), asked.budget(budget), root.resolve()
    index = index or Index.open(root)
    aim = asked.focus(focus, index.vault()) if focus.strip() else None
    with Cache(cache_file(index.place)) as cache:
        hits = index.search(said, limit=FOUND, only=(aim.path or aim.name) if aim else "")
        found = [excerpts.of(hit) for hit in _offered(index, hits, aim, room)]
        begun = Pack(said, room, aim, rails=_rails(root, room), live=_bounded(live, room))
        begun = replace(begun, runbooks=tuple(_runbooks(root, cache, hits, aim)))
        named = _named(root, cache, said, hits, aim)
        begun = replace(begun, desired=_within(named, int(room * ROWS_SHARE)))
        begun = replace(begun, found=bool(found or named or begun.runbooks))
        return fitting.fitting(_filled(begun, found, index, cache), found, len(named))


def cache_file(place: Place) -> Path | None:
    """Where marks and rows are kept: beside the index; None where nothing can be written."""
    folder = place.work if place.work.is_dir() else place.work.parent
    return place.work / "context-marks.sqlite" if os.access(folder, os.W_OK) else None


def _offered(index: Index, hits: Sequence[Hit], aim: Focus | None, room: int) -> Iterator[Hit]:
    """The hits, and the rest of the best page: an answer need not share a word with its question.

    The page that a pack is for is the best, whatever the question says, and all of it that was found counts
    like the best.
    """
    meant = aim.path if aim else ""
    pages = (hit for hit in hits if hit.section.kind in (Kind.PAGE, Kind.RUNBOOK))
    best = meant or next((hit.section.path for hit in pages), "")
    top = max((hit.score for hit in hits if meant or hit.section.path == best), default=1.0)
    worth = REST + (MORE_REST - REST) * min(max(room - NARROW, 0) / (WIDE - NARROW), 1)
    least = round(top * (1.0 if meant else worth), 6)
    known: set[int] = set()
    for hit in hits:
        if hit.section.path == best:
            known.add(hit.section.line)
            hit = replace(hit, score=max(hit.score, least))
        yield hit
    for section in index.sections(best) if best else ():
        if section.line not in known:
            yield Hit(section, round(top * worth, 6), "of the page that answers best")


def _rails(root: Path, room: int) -> tuple[str, ...]:
    """The rails, or in a small pack where they stand."""
    full = rails.of(root)
    if shown.size(shown.listed("Guard rails", full)) <= room * RAILS_SHARE:
        return full
    return (rails.POINTER,) if room >= SMALL else ()


def _bounded(live: Live | None, room: int) -> Live | None:
    """The live state, without its details where they would take too much room."""
    if live is None or shown.size(shown.live(live)) <= room * LIVE_SHARE:
        return live
    return live.without_details()


def _runbooks(root: Path, cache: Cache, hits: Sequence[Hit], aim: Focus | None) -> Iterator[Rehearsed]:
    """The runbooks for a task: the one that the pack is for, and those found nearly as well as the best."""
    wanted = [aim.path] if aim and aim.subject is Subject.RUNBOOK else []
    best = hits[0].score if hits else 0.0
    wanted += [
        hit.section.path
        for hit in hits
        if hit.section.kind is Kind.RUNBOOK and hit.score >= best * FAR_RUNBOOK
    ]
    for path in [*dict.fromkeys(wanted)][:RUNBOOKS]:
        yield rehearsed.of(root, Path(path).stem, cache)


def _named(root: Path, cache: Cache, said: str, hits: Sequence[Hit], aim: Focus | None) -> tuple[Row, ...]:
    """What Git says of the things that the question names, then of those that the best pages are about."""
    known = git_says.read(root, cache)
    names = git_says.names(known)
    pages = [Path(hit.section.path).stem for hit in hits[:ABOUT] if hit.section.kind is Kind.PAGE]
    words = [said, aim.name if aim else "", *pages]
    return git_says.about(known, (name for text in words for name in git_says.named_in(text, names)))


def _within(named: Sequence[Row], room: int) -> tuple[Row, ...]:
    """The first rows that fit."""
    kept: list[Row] = []
    for row in named:
        if shown.size(shown.rows("Desired state", [*kept, row])) > room:
            break
        kept.append(row)
    return tuple(kept)


def _filled(begun: Pack, found: Sequence[Excerpt], index: Index, cache: Cache) -> Pack:
    """The pack with as many excerpts as there is room for, and with the marks of their files."""
    room = begun.budget - begun.size - int(begun.budget * ALSO_SHARE) - FOOT
    chosen = choice.choose(found, room)
    marks = freshness.of(index.place.root, (one.path for one in chosen), cache, index.vault())
    marked = [replace(one, marks=marks.get(one.path, ())) for one in excerpts.merged(chosen)]
    return replace(begun, entries=tuple(marked))

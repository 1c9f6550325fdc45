"""Makes a pack fit its budget: what is missed least goes first, and what goes is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from blumeops.context import choice, excerpts, shown
from blumeops.context.excerpts import Excerpt

if TYPE_CHECKING:
    from blumeops.context.pack import Pack

POINTERS = 12
"""At most so many places are named that have no room."""


def fitting(full: Pack, found: Sequence[Excerpt], named: int) -> Pack:
    """The pack with its pointers and its last line, no larger than its budget.

    `found` is all that could stand in it, `named` how many facts of the desired state there were.
    """
    made = footed(full, found, named)
    while made.size > made.budget:
        full = _smaller(full, made.size - made.budget)
        made = footed(full, found, named)
    for one in left(full, found)[:POINTERS]:
        more = footed(replace(full, also=(*made.also, one)), found, named)
        if more.size > made.budget:
            break
        made = more
    return made


def footed(full: Pack, found: Sequence[Excerpt], named: int) -> Pack:
    """The pack with what it says of what it leaves out."""
    more = len(left(full, found)) - len(full.also)
    said = []
    if more > 0:
        said.append(f"{more} sections that were found")
    if named > len(full.desired):
        said.append(f"{named - len(full.desired)} facts of the desired state")
    if not full.rails:
        said.append("the guard rails")
    return replace(full, left_out=tuple(said))


def left(full: Pack, found: Sequence[Excerpt]) -> list[Excerpt]:
    """The excerpts that do not stand in a pack."""
    inside = {(one.path, line) for one in full.entries for line in range(one.line, one.last + 1)}
    return [one for one in found if (one.path, one.line) not in inside]


def _smaller(full: Pack, over: int) -> Pack:
    """The pack without what is missed least: Git's rows, the end of the last section, then the rest."""
    if full.desired:
        return replace(full, desired=full.desired[: len(full.desired) // 2])
    if full.entries:
        return replace(full, entries=(*full.entries[:-1], *_less(full.entries[-1], over)))
    if full.runbooks:
        return replace(full, runbooks=full.runbooks[:-1])
    if full.live and not full.live.is_short:
        return replace(full, live=full.live.without_details())
    if full.rails:
        return replace(full, rails=())
    return replace(full, live=None, question=_shorter(full.question))


def _less(one: Excerpt, over: int) -> tuple[Excerpt, ...]:
    """An excerpt that is cut by some tokens; none when too little of its text would be left."""
    rest = shown.size(one.text) - over
    made = excerpts.cut(one, one.size - over) if rest >= choice.WORTH_CUTTING else one
    return (made,) if made.size < one.size else ()


def _shorter(question: str) -> str:
    """A question that is cut once more; one character is always there."""
    return question[: max(len(question) // 2, 1)].rstrip() or question[:1]

"""Which of the found sections go into a pack: the most of what was asked for each token, from several pages.

A section's worth is its score; every further section of a page counts less, because the question may be about
another page after all. Greedy by worth for its tokens: with some fifty sections and one budget the exact
answer to this knapsack is hardly better, and nobody could say why a section is in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blumeops.context.model import Hit, Section

AGAIN = 0.6
"""What a further section of a page is worth, for each that is chosen already."""

LENGTH = 0.35
"""How much length counts against worth: 0 not at all, 1 in full, which would prefer scraps."""

SHARE = 0.5
"""The part of the room that one section may take at most; what is longer is cut."""

WORTH_CUTTING = 60
"""Tokens; less of a section is not worth its place."""

GAP = 2
"""Lines between two sections that are still neighbours: blank ones."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A chosen section, and the tokens that its text may have; 0 for all of it."""

    hit: Hit
    limit: int = 0


def choose(hits: Sequence[Hit], room: int, cost: Callable[[Section], int]) -> tuple[Taken, ...]:
    """The sections for a pack of `room` tokens, the best first; `cost` says what one takes up there."""
    left, most = list(hits), max(int(room * SHARE), WORTH_CUTTING)
    costs = {id(hit): cost(hit.section) for hit in hits}
    taken: list[Taken] = []
    pages: Counter[str] = Counter()
    while left and room >= WORTH_CUTTING:
        best = max(left, key=lambda hit: _worth(hit, pages[hit.section.path], min(costs[id(hit)], most)))
        left.remove(best)
        allowed = min(room, most)
        if costs[id(best)] <= allowed:
            taken.append(Taken(best))
            room -= costs[id(best)]
        elif not pages[best.section.path]:
            taken.append(Taken(best, allowed))
            room -= allowed
        else:
            continue
        pages[best.section.path] += 1
    return tuple(taken)


def _worth(hit: Hit, chosen: int, cost: int) -> float:
    return hit.score * AGAIN**chosen / max(cost, WORTH_CUTTING) ** LENGTH


def neighbours(one: Section, other: Section) -> bool:
    """Whether two sections of a file stand one behind the other, with nothing but blank lines between."""
    return one.path == other.path and 0 < other.line - one.last <= GAP

"""Which of the found sections go into a pack: the most of what was asked for each token, from several pages.

A section's worth is its score, a little less when one of its page is chosen already, because the question may
be about another page after all. Greedy by worth for its tokens: with some fifty sections and one budget the
exact answer to this knapsack is hardly better, and nobody could say why a section is in it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from blumeops.context import excerpts
from blumeops.context.excerpts import Excerpt

AGAIN = 0.85
"""What a further section of a page is worth, beside the first one of another page."""

LENGTH = 0.12
"""How much length counts against worth: 0 not at all, 1 in full, which would prefer scraps."""

SHARE = 0.5
"""The part of the room that one section may take at most; what is longer is cut."""

WORTH_CUTTING = 60
"""Tokens; less of a section is not worth its place."""


def choose(found: Sequence[Excerpt], room: int) -> tuple[Excerpt, ...]:
    """The excerpts for `room` tokens, the best first; one that is too long is cut."""
    most = max(int(room * SHARE), WORTH_CUTTING)
    worth = {number: _worth(one, most) for number, one in enumerate(found)}
    taken: list[Excerpt] = []
    chosen: Counter[str] = Counter()
    while worth and room >= WORTH_CUTTING:
        number = max(worth, key=lambda one: worth[one] * (AGAIN if chosen[found[one].path] else 1.0))
        best, allowed = found[number], min(room, most)
        del worth[number]
        if best.size > allowed and chosen[best.path]:
            continue
        best = excerpts.cut(best, allowed)
        taken.append(best)
        room -= best.size
        chosen[best.path] += 1
    return tuple(taken)


def _worth(one: Excerpt, most: int) -> float:
    return one.score / math.pow(max(min(one.size, most), WORTH_CUTTING), LENGTH)

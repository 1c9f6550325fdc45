"""Whether one search is better than another, and not just luckier: pairs of answers to the same questions."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 2000
SEED = 1
FEWEST = 5
"""Pages; what fewer say holds for them and for no others."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more often `ours` had the page; `low` and `high` hold 95 % of what other samples would say.

    `wins` are the questions that only ours had, `losses` those that only the other had. `p` is how likely
    so lopsided a split is when neither is better (sign test, both sides).
    """

    difference: float
    low: float
    high: float
    wins: int
    losses: int
    p: float

    @property
    def better(self) -> bool:
        """Whether ours is better beyond chance, by the interval and by the test."""
        return self.low > 0 and self.p < 0.05


def paired(ours: Sequence[bool], other: Sequence[bool], groups: Sequence[str]) -> Difference:
    """The difference over the same questions. Those of one page are drawn together, since they are alike."""
    each = [int(one) - int(two) for one, two in zip(ours, other, strict=True)]
    wins, losses = each.count(1), each.count(-1)
    low, high = _interval(each, groups)
    return Difference(sum(each) / len(each), low, high, wins, losses, _sign_test(wins, losses))


def _interval(each: Sequence[int], groups: Sequence[str]) -> tuple[float, float]:
    """95 % of the mean differences of resampled groups, from the same dice every time."""
    by_group: dict[str, list[int]] = defaultdict(list)
    for group, one in zip(groups, each, strict=True):
        by_group[group].append(one)
    sums = [(sum(one), len(one)) for _, one in sorted(by_group.items())]
    if len(sums) < FEWEST:
        return -1.0, 1.0  # nobody can know
    dice = random.Random(SEED)
    means = []
    for _ in range(RESAMPLES):
        drawn = dice.choices(sums, k=len(sums))
        means.append(sum(one for one, _ in drawn) / sum(size for _, size in drawn))
    means.sort()
    return means[int(RESAMPLES * 0.025)], means[int(RESAMPLES * 0.975) - 1]


def _sign_test(wins: int, losses: int) -> float:
    """The exact two-sided binomial test on the questions that only one of the two had."""
    total = wins + losses
    tail = sum(math.comb(total, one) for one in range(min(wins, losses) + 1)) / 2**total
    return min(1.0, 2 * tail)

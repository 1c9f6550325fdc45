"""Did you mean: the nearest of many names, quickly also among ten thousand."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

CANDIDATES = 40
"""How many names, those that share most letters in a row with the wrong one, are compared exactly."""


class Suggestions:
    """Names that somebody may have meant. `fold` is what makes two spellings the same."""

    def __init__(self, names: Iterable[str], fold: Callable[[str], str]) -> None:
        self._fold = fold
        self._names = {fold(name): name for name in sorted(names)}
        self._having: dict[str, list[str]] = defaultdict(list)
        for folded in self._names:
            for pair in _pairs(folded):
                self._having[pair].append(folded)

    def nearest(self, name: str) -> str:
        """The name that is nearest to a wrong one; empty when none is near."""
        wanted = self._fold(name)
        shared = Counter(folded for pair in _pairs(wanted) for folded in self._having.get(pair, ()))
        likely = sorted(
            shared, key=lambda folded: (-2 * shared[folded] / (len(folded) + len(wanted)), folded)
        )
        near = difflib.get_close_matches(wanted, likely[:CANDIDATES], n=1, cutoff=0.6)
        return self._names[near[0]] if near else ""


def _pairs(word: str) -> set[str]:
    padded = f"^{word}$"
    return {padded[n : n + 2] for n in range(len(padded) - 1)}

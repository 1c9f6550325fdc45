"""Lines of foreign text in one fence, as many as a budget holds, and how to get the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from blumeops.context import tokens
from blumeops.context.untrusted import clean, fence

LONGEST_LINE = 600
"""Characters: a longer one is no line for a reader, and must not push the others out."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A fence, and how many lines it has no room for."""

    text: str
    left_out: int = 0

    def said(self, ask: str) -> str:
        """The fence, and the way to the rest."""
        more = f"\n\n{self.left_out} more lines: {ask}." if self.left_out else ""
        return self.text + more


def lines(said: Iterable[str], source: str, *, budget: int, language: str = "text") -> Lines:
    """So many of some lines as fit into a budget of tokens, in a fence; each stays one line."""
    cleaned = [_one(line) for line in said]
    kept = tokens.clip("".join(f"{line}\n" for line in cleaned), budget)
    whole = kept.count("\n")
    shown = "\n".join(cleaned[:whole]) if whole else kept
    return Lines(fence(shown, source, language=language), len(cleaned) - max(whole, 1 if kept else 0))


def _one(line: str) -> str:
    shown = clean(line).replace("\n", " ⏎ ")
    return shown if len(shown) <= LONGEST_LINE else f"{shown[:LONGEST_LINE]}…"

"""The sections that every search gets, cut by the context index, and how a budget is filled with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blumeops.context import tokens
from blumeops.context.index import Index
from blumeops.context.model import Kind, Section

SMALLEST = 12
"""Tokens: less than a place and a line, so nothing else will fit."""
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a search put into a budget: the files whose text is in it, that text, and its tokens."""

    paths: frozenset[str]
    text: str
    tokens: int

    def holds(self, fact: str) -> bool:
        """Whether these words stand in it, white space aside."""
        return fact in self.text


def sections(index: Index) -> Iterator[Section]:
    """Every section but those of code, in the order of paths and lines.

    Sentences from code would push pages out of the results of a plain search: without them each of the
    searches to beat finds more, so they are spared it.
    """
    for path, kind in index.paths().items():
        if kind is not Kind.CODE:
            yield from index.sections(path)


def shown(section: Section) -> str:
    """A section as a plain search hands it over: one line with its place, then its text without comments."""
    return f"{section.place}\n{_COMMENT.sub('', section.text)}\n\n"


def taken(paths: Iterable[str], text: str, size: int) -> Taken:
    """A filled budget; comments are left out, since nobody gets an answer from one."""
    return Taken(frozenset(paths), " ".join(_COMMENT.sub("", text).split()), size)


def greedy(ranked: Iterable[Section], budget: int, costs: dict[str, int]) -> Taken:
    """The best sections that fit, the best first; one that is too long is passed over.

    `costs` remembers the tokens of what was shown. A blank line ends each piece, so their sum is exact.
    """
    found: list[Section] = []
    spent = 0
    for section in ranked:
        if section.place not in costs:
            costs[section.place] = tokens.count(shown(section))
        if spent + costs[section.place] <= budget:
            found.append(section)
            spent += costs[section.place]
        if budget - spent < SMALLEST:
            break
    return taken((one.path for one in found), "".join(map(shown, found)), spent)

"""The searches to beat: SQLite's FTS5 as it comes, bm25s at its best, and the same ten pages for everybody.

All get the same sections and fill the same budget from the top of their ranking. bm25s got the settings that
served it best among 120, tried on the questions that are not aside, and for links on the links themselves:
variant, `k1`, `b`, how words are split, how often title and headings count.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import bm25s
import Stemmer
from bm25s.stopwords import STOPWORDS_EN

from blumeops.context.index import Index
from blumeops.context.model import Section
from blumeops.context.pack import pack

from . import corpus
from .corpus import Taken

DEPTH = 400
"""Sections of a ranking; many more than any budget has room for."""
BEST_K1, BEST_K1_FOR_LINKS = 1.2, 2.0
_WORD = re.compile(r"[^\W_]+")


class Search(Protocol):
    """Something that fills a budget with what helps to answer a question."""

    def take(self, question: str, budget: int, without: str = "") -> Taken:
        """What it takes; nothing of the file `without`."""


class Ours:
    """The context pack, as `blumeops context` prints it: guard rails, marks and pointers cost room as well.

    A file counts as taken when an excerpt of it or a row of its desired state is in the pack; a pointer to
    it does not.
    """

    def __init__(self, root: Path, index: Index | None = None) -> None:
        self.root, self.index = root, index

    def take(self, question: str, budget: int, without: str = "") -> Taken:
        """The pack; `without` has to be gone from the folder already, so that no link knows of it."""
        made = pack(self.root, question, budget=budget, index=self.index)
        text = made.markdown()
        paths = {one.path for one in (*made.entries, *made.desired)}
        assert without not in paths, f"{without} is still in the index"
        assert made.tokens <= budget, f"a pack of {made.tokens} tokens for {budget}: {question}"
        return corpus.taken(paths, text, made.tokens)


class Ranked:
    """A ranking of sections that fills a budget from its top."""

    def __init__(self) -> None:
        self.costs: dict[str, int] = {}

    def ranked(self, question: str) -> Iterator[Section]:
        """The sections for a question, the best first."""
        raise NotImplementedError

    def take(self, question: str, budget: int, without: str = "") -> Taken:
        """The best sections that fit."""
        return corpus.greedy(
            (one for one in self.ranked(question) if one.path != without), budget, self.costs
        )


class Fts5(Ranked):
    """SQLite's FTS5: Porter's stemmer, any of the words, its own bm25 over title, headings and text."""

    def __init__(self, sections: Sequence[Section]) -> None:
        super().__init__()
        self.sections = sections
        self.base = sqlite3.connect(":memory:")
        self.base.execute("create virtual table section using fts5(title, headings, body, tokenize='porter')")
        rows = ((one.title, " ".join(one.headings), one.text) for one in sections)
        self.base.executemany("insert into section values (?, ?, ?)", rows)

    def ranked(self, question: str) -> Iterator[Section]:
        """Any of the words, but for stop words; ties in the order of paths."""
        words = [word for word in _WORD.findall(question.casefold()) if word not in STOPWORDS_EN]
        rows = self.base.execute(
            "select rowid from section where section match ? order by bm25(section), rowid limit ?",
            (" OR ".join(f'"{word}"' for word in words) or '""', DEPTH),
        )
        for (number,) in rows:
            yield self.sections[number - 1]


class Bm25s(Ranked):
    """bm25s over title, headings and text in one, with Snowball's stemmer and its own list of stop words."""

    def __init__(self, sections: Sequence[Section], *, k1: float = BEST_K1) -> None:
        super().__init__()
        self.sections = sections
        self.stemmer = Stemmer.Stemmer("english")
        self.index = bm25s.BM25(method="lucene", k1=k1, b=0.9)
        texts = [" ".join((one.title, *one.headings, one.text)) for one in sections]
        self.index.index(self._words(texts), show_progress=False)

    def ranked(self, question: str) -> Iterator[Section]:
        """Whatever scores at all, ties in the order of paths."""
        [words] = self._words([question])
        known = [word for word in words if word in self.index.vocab_dict]
        scores = self.index.get_scores(known) if known else []
        for number in sorted(range(len(scores)), key=lambda one: -scores[one])[:DEPTH]:
            if scores[number] > 0:
                yield self.sections[number]

    def _words(self, texts: list[str]) -> list[list[str]]:
        return bm25s.tokenize(
            texts, stopwords="en", stemmer=self.stemmer, return_ids=False, show_progress=False
        )


class FixedList(Ranked):
    """The ten pages that are linked to most, whatever is asked: what a list written by hand can do."""

    pages = 10

    def __init__(self, sections: Sequence[Section], linked: Counter[str]) -> None:
        super().__init__()
        best = sorted(linked, key=lambda path: (-linked[path], path))[: self.pages]
        self.sections = [one for path in best for one in sections if one.path == path]

    def ranked(self, question: str) -> Iterator[Section]:
        """Always the same, from the most-linked page on."""
        yield from self.sections

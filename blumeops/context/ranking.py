"""Which sections answer a question: the words of sections and pages, names, links, layers, kinds of page.

A question is taken apart into concepts. For each, FTS5 says how well every section and every page (by its
title, what it says of itself, its headings, and the words around the links that lead to it) speaks of it, in
the question's own word or, for less, in another word for it. A page is as good as the best that any of its
sections says of each concept, so words far apart in it still count together. Names, links and what kind of
page answers such a question come on top. No chance, no clock, no model: the same rows give the same answer.
"""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blumeops.context import focus as focusing
from blumeops.context import graph, names
from blumeops.context import question as asking
from blumeops.context.model import Kind
from blumeops.context.question import Concept, Form, Question

CANDIDATES = 400
"""So many sections are looked at for one concept, and twice as many for all of a question."""
COMMON, FEW = 0.3, 400
"""What stands in this part of all rows tells none from another and takes long. Few rows are all ranked."""
SHORT = 40
"""Tokens; a shorter section says little that stands alone."""
USUAL_SECTIONS = 8
"""A page of more sections has more chances to speak of something, so it gets a little less for it."""
Scores = dict[int, float]


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much; tuned on questions about this homelab, a third of which was kept aside.

    `heading` and `body` are FTS5's weights for sections, `page_*` those for pages. `also` is what another
    word for a concept is worth, at most about `also_most`, and `both` what it adds to the question's own.
    """

    heading: float = 2.0
    body: float = 1.0
    page_title: float = 4.0
    page_about: float = 3.0
    page_headings: float = 2.0
    page_said: float = 1.2
    also: float = 0.75
    also_most: float = 20.0
    both: float = 0.4
    pairs: float = 0.5
    sections: float = 0.4
    page: float = 0.6
    length: float = 0.25
    name: float = 4.0
    graph: float = 0.25
    again: float = 0.85
    front_matter: float = 0.3
    code: float = 0.2
    desired: float = 0.8
    short: float = 0.8
    why: float = 1.2
    how: float = 1.1
    where: float = 1.05


WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Found:
    """A section by its row, with its score and the reason for it."""

    section: int
    score: float
    why: str


@dataclass(frozen=True, slots=True)
class _Row:
    """What ranking needs to know of a section and its file."""

    section: int
    file: int
    path: str
    line: int
    kind: str
    headings: str
    tokens: int


def search(base: sqlite3.Connection, text: str, *, limit: int, only: str = "") -> tuple[Found, ...]:
    """The best sections for a question, the best first; `only` as in `Index.search`.

    A further section of a page comes later than its score says, so that the first ones are of several pages.
    """
    asked = asking.read(text)
    focus = focusing.of(base, only) if only.strip() else {}
    by_concept, by_page = _evidence(base, asked, COMMON)
    if not any(by_concept):
        by_concept, by_page = _evidence(base, asked, 1.0)
    total = _sum(by_concept)
    best = sorted(total, key=lambda one: (-total[one], one))[: CANDIDATES * 2]
    rows = _rows(base, [*best, *focusing.sections(base, focus)])
    named = names.named(base, asked.words)
    pages = _pages(base, rows, by_concept, by_page, named)
    near = graph.spread(base, pages)
    scored = []
    for row in rows:
        score = (
            total.get(row.section, 0.0) + pages.get(row.file, 0.0) + WEIGHTS.graph * near.get(row.file, 0.0)
        )
        score *= _prior(row, asked) * focus.get(row.file, 1.0)
        scored.append((round(score, 6), row, _why(row, total, named, near, focus)))
    return _in_turn(scored, limit)


def _evidence(base: sqlite3.Connection, asked: Question, most: float) -> tuple[list[Scores], list[Scores]]:
    """For each concept, and for the pairs of words, what sections and what pages say of it."""
    of_section = (WEIGHTS.heading, WEIGHTS.body)
    of_page = (WEIGHTS.page_title, WEIGHTS.page_about, WEIGHTS.page_headings, WEIGHTS.page_said)
    sections = [_concept(base, "words", of_section, one, most) for one in asked.concepts]
    pages = [_concept(base, "pages", of_page, one, most) for one in asked.concepts]
    for table, weights, found in (("words", of_section, sections), ("pages", of_page, pages)):
        pairs = _match(base, table, weights, asked.pairs, most)
        found.append({one: WEIGHTS.pairs * score for one, score in pairs.items()})
    return sections, pages


def _concept(
    base: sqlite3.Connection, table: str, weights: Sequence[float], one: Concept, most: float
) -> Scores:
    """What rows say of a concept; many other words for it together count hardly more than one."""
    found = _match(base, table, weights, one.said, most)
    for row, score in _match(base, table, weights, one.also, most).items():
        worth = WEIGHTS.also * score * WEIGHTS.also_most / (score + WEIGHTS.also_most)
        own = found.get(row, 0.0)
        found[row] = max(own, worth) + WEIGHTS.both * min(own, worth)
    return found


def _match(
    base: sqlite3.Connection, table: str, weights: Sequence[float], phrases: Sequence[str], most: float
) -> Scores:
    """The rows of an FTS5 table in which any of the phrases stands, by its bm25."""
    quoted = _telling(base, table, [f'"{phrase}"' for phrase in phrases], most)
    if not quoted:
        return {}
    rows = base.execute(
        f"select rowid, -bm25({table}, {', '.join(map(str, weights))}) as score from {table}"
        f" where {table} match ? order by score desc, rowid limit ?",
        (" OR ".join(quoted), CANDIDATES),
    )
    return dict(rows.fetchall())


def _telling(base: sqlite3.Connection, table: str, quoted: Sequence[str], most: float) -> Sequence[str]:
    """The phrases that stand in at most a part of all rows."""
    (rows,) = base.execute(f"select count(*) from {'section' if table == 'words' else 'file'}").fetchone()
    if rows <= FEW:
        return quoted
    counted = f"select count(*) from {table} where {table} match ?"
    return [one for one in quoted if base.execute(counted, (one,)).fetchone()[0] <= rows * most]


def _sum(parts: Sequence[Scores]) -> Scores:
    total: defaultdict[int, float] = defaultdict(float)
    for found in parts:
        for key, score in found.items():
            total[key] += score
    return total


def _rows(base: sqlite3.Connection, sections: Sequence[int]) -> list[_Row]:
    unique = list(dict.fromkeys(sections))
    rows = base.execute(
        "select section.id, file, path, line, kind, headings, tokens from section"
        f" join file on file.id = file where section.id in ({','.join('?' * len(unique))}) and not bare"
        " order by path, line",
        unique,
    )
    return [_Row(*row) for row in rows]


def _pages(
    base: sqlite3.Connection,
    rows: Sequence[_Row],
    by_concept: Sequence[Scores],
    by_page: Sequence[Scores],
    named: Mapping[int, float],
) -> Scores:
    """What each page is worth: for every concept the best that a section of it says, and what it is about."""
    file_of = {row.section: row.file for row in rows}
    pages: defaultdict[int, float] = defaultdict(float)
    for sections, abouts in zip(by_concept, by_page, strict=True):
        best: defaultdict[int, float] = defaultdict(float)
        for section, score in sections.items():
            if section in file_of:
                best[file_of[section]] = max(best[file_of[section]], WEIGHTS.sections * score)
        for file in sorted({*best, *abouts}):
            pages[file] += best.get(file, 0.0) + abouts.get(file, 0.0)
    counts = dict(base.execute("select file, count(*) from section group by file").fetchall())
    for file, score in pages.items():
        longer = max(counts.get(file, 1), USUAL_SECTIONS) / USUAL_SECTIONS
        score /= 1 + WEIGHTS.length * math.log(longer)
        pages[file] = WEIGHTS.page * score + WEIGHTS.name * named.get(file, 0.0)
    return pages


def _prior(row: _Row, asked: Question) -> float:
    """How likely such a section answers such a question, whatever it says."""
    prior = 1.0
    if row.headings == focusing.FRONT_MATTER:
        prior *= WEIGHTS.front_matter
    if row.kind == Kind.CODE and not asked.code:
        prior *= WEIGHTS.code
    if row.kind == Kind.DESIRED:
        prior *= WEIGHTS.desired
    if row.tokens < SHORT:
        prior *= WEIGHTS.short
    return prior * _form(row, asked.form)


def _form(row: _Row, form: Form) -> float:
    """Diátaxis: why is explained, how is a how-to, a runbook or a tutorial, where is reference."""
    folder = f"/{row.path.rpartition('/')[0]}/"
    match form:
        case Form.WHY:
            return WEIGHTS.why if "/explanation/" in folder else 1.0
        case Form.HOW:
            shows = row.kind == Kind.RUNBOOK or "/how-to/" in folder or "/tutorials/" in folder
            return WEIGHTS.how if shows else 1.0
        case Form.WHERE:
            return WEIGHTS.where if row.kind == Kind.DESIRED or "/reference/" in folder else 1.0
    return 1.0


def _why(
    row: _Row, total: Scores, named: Mapping[int, float], near: Scores, focus: Mapping[int, float]
) -> str:
    """Why a section was found, in words."""
    said = [
        ("what it was asked for", row.file in focus),
        ("named in the question", row.file in named),
        ("its words", row.section in total),
        ("its page's words", row.section not in total),
        ("linked with pages that answer", row.file in near and row.section not in total),
    ]
    return ", ".join(words for words, holds in said if holds)


def _in_turn(scored: list[tuple[float, _Row, str]], limit: int) -> tuple[Found, ...]:
    """The best first, each further section of a page later than the one before; ties by place."""
    scored.sort(key=lambda one: (-one[0], one[1].path, one[1].line))
    taken: defaultdict[int, int] = defaultdict(int)
    turns = []
    for score, row, why in scored:
        turns.append(
            (-round(score * WEIGHTS.again ** taken[row.file], 6), row.path, row.line, row, score, why)
        )
        taken[row.file] += 1
    turns.sort(key=lambda one: one[:3])
    return tuple(Found(row.section, score, why) for _, _, _, row, score, why in turns[:limit])

"""Which sections answer a question: the words of sections and of their pages, names, links and layers."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """A section by its row, with its score and the reason for it."""

    section: int
    score: float
    why: str


def search(base: sqlite3.Connection, question: str, *, limit: int, only: str = "") -> tuple[Found, ...]:
    """The best sections for a question."""
    words = re.findall(r"\w+", question.casefold())
    if not words:
        return ()
    query = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
    rows = base.execute(
        "select words.rowid, -bm25(words, 5.0, 2.0, 3.0, 1.0) as score, path, line from words"
        " join section on section.id = words.rowid join file on file.id = section.file"
        " where words match ? and not bare order by score desc, path, line limit ?",
        (query, limit),
    ).fetchall()
    return tuple(Found(number, round(score, 6), "words") for number, score, _, _ in rows)

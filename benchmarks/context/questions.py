"""The questions about this homelab, and how much of their answers a search puts into a budget."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .corpus import Taken
from .searches import Search

FILE = Path(__file__).with_name("questions.toml")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the pages that answer it, and the exact words of the answer.

    Each fact is in one wording or in several, of which any will do.
    """

    id: str
    kind: str
    question: str
    pages: frozenset[str]
    facts: tuple[tuple[str, ...], ...]
    aside: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What one search had for one question: whether a page that answers, and which facts."""

    question: Question
    page: bool
    facts: tuple[bool, ...]
    tokens: int


def read() -> tuple[Question, ...]:
    """All questions, in the order in which they stand."""
    return tuple(
        Question(
            one["id"],
            one["kind"],
            one["question"],
            frozenset((one["page"], *one.get("also", ()))),
            tuple((fact,) if isinstance(fact, str) else tuple(fact) for fact in one["facts"]),
            one.get("aside", False),
        )
        for one in tomllib.loads(FILE.read_text())["question"]
    )


def answers(search: Search, questions: Sequence[Question], budget: int) -> tuple[Answer, ...]:
    """What a search has for every question."""
    return tuple(_answer(one, search.take(one.question, budget)) for one in questions)


def _answer(one: Question, had: Taken) -> Answer:
    facts = tuple(any(map(had.holds, wordings)) for wordings in one.facts)
    return Answer(one, bool(had.paths & one.pages), facts, had.tokens)


def shares(had: Mapping[int, Sequence[Answer]], largest: int) -> dict[str, float]:
    """`page_in_N` for every budget; `facts` and `single_facts` for the largest.

    `facts` counts questions whose every fact is there, `single_facts` the facts one by one.
    """
    said = {f"page_in_{budget}": _share([one.page for one in each]) for budget, each in had.items()}
    said["facts"] = _share([all(one.facts) for one in had[largest]])
    said["single_facts"] = _share([fact for one in had[largest] for fact in one.facts])
    return said


def _share(each: Sequence[bool]) -> float:
    return sum(each) / len(each) if each else 0.0

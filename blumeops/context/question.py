"""A question taken apart: its words, what else could be meant by them, and what kind of answer it wants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from blumeops.context import thesaurus

MAX_CHARACTERS = 4_000
MAX_WORDS = 64
"""Of a question; of a longer one (an error message, a log) the first ones count."""
_WORD = re.compile(r"\w+")
_SAYS_NOTHING = """
a about after again all already also am an and any are as at be because been before being between both but
by can cannot could did do does doing done down during each else even ever every few for from get gets
getting go goes got had has have having he her here him his how however i if in instead into is isn it its
itself just let like ll look m made make makes many may me might mine more most much must my need needs
never no nor not now of off on once one only or other our ours out over own please put s same shall she
should show so some somebody someone something such t tell than that the their them then there these they
thing things this those through to too up us use very want wants was we well were what when where which
while who whom whose why will with without would yes yet you your yours
"""
STOP = frozenset(_SAYS_NOTHING.split())
"""Words that stand in any question."""


class Form(StrEnum):
    """What a question asks for."""

    HOW = "how"
    WHY = "why"
    WHERE = "where"
    OTHER = "other"


_FORMS = (
    (Form.WHY, re.compile(r"\bwhy\b|\bwhat for\b|\breason\b|\bis it (?:alright|safe|ok)\b")),
    (
        Form.HOW,
        re.compile(r"\bhow (?:do|can|could|should|to)\b|\bwalk me through\b|\bi (?:want|'d like|need) to\b"),
    ),
    (
        Form.WHERE,
        re.compile(r"\bwhere\b|\bwhich (?:file|port|path|page|folder|version|release)\b|\bon which\b"),
    ),
)
_CODE = re.compile(
    r"\b(?:function|class|module|method|docstring|python api|source code|library|import)s?\b|\w\(\)|\w\.py\b"
)


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that a question speaks of: how it says it, and how else that could be said."""

    said: tuple[str, ...]
    also: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: its `concepts`, `pairs` of neighbours that say more together, and every word."""

    concepts: tuple[Concept, ...]
    pairs: tuple[str, ...]
    words: tuple[str, ...]
    form: Form
    code: bool


def read(text: str) -> Question:
    """Take a question apart."""
    said = " ".join(text[:MAX_CHARACTERS].casefold().replace("_", " ").split())
    every = tuple(_WORD.findall(said)[: MAX_WORDS * 4])
    pairs = [
        f"{one} {two}" for one, two in pairwise(every) if one not in STOP and two not in STOP and one != two
    ]
    return Question(
        concepts=tuple(_concepts(every))[:MAX_WORDS],
        pairs=tuple(dict.fromkeys(pairs))[:MAX_WORDS],
        words=every,
        form=next((form for form, pattern in _FORMS if pattern.search(said)), Form.OTHER),
        code=bool(_CODE.search(text.casefold())),
    )


def _concepts(every: tuple[str, ...]) -> Iterator[Concept]:
    """A concept for each word that says something, and for each phrase that the thesaurus knows."""
    covered: set[int] = set()
    seen: set[str] = set()
    for start, end, also in thesaurus.found(every):
        phrase = " ".join(every[start:end])
        new = phrase not in seen and not covered.issuperset(range(start, end))
        if new and (end - start > 1 or phrase not in STOP):
            seen.add(phrase)
            covered.update(range(start, end))
            yield Concept((phrase,), also)
    lone = [word for number, word in enumerate(every) if word not in STOP]
    for word in dict.fromkeys(lone or every):
        if word not in seen:
            yield Concept((word,), ())

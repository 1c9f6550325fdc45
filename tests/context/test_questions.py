"""The questions of `benchmarks/context.py`: what they ask for is there, and they do not give it away."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUESTIONS = tomllib.loads((ROOT / "benchmarks/context/questions.toml").read_text())["question"]
AT_LEAST = 120
KINDS = {"service", "host", "layer", "where", "how", "why", "breaks", "error", "runbook", "docs"}
KEYS = {"id", "kind", "question", "page", "also", "facts", "aside"}
NAMES = {"argo cd", "node exporter"}
"""Titles of two words that are names of things: nobody can ask about those otherwise."""


def folded(text: str) -> str:
    """A page as it is compared with: comments left out, white space folded."""
    return " ".join(re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).split())


def read(path: str) -> str:
    """A file of the repository."""
    return (ROOT / path).read_text()


def words(text: str) -> str:
    """Lower-case words with one space around each, to look for whole ones."""
    return f" {' '.join(re.findall(r'[a-z0-9]+', text.casefold()))} "


def wordings(fact: str | list[str]) -> list[str]:
    """The words in which a fact may stand, any of which will do."""
    return [fact] if isinstance(fact, str) else fact


def every_wording(asked: dict) -> list[str]:
    """All words of an answer."""
    return [one for fact in asked["facts"] for one in wordings(fact)]


def given_away(page: str) -> list[str]:
    """The title of a page, and its headings of three words and more, which a question must not quote."""
    text = read(page)
    title = re.search(r"^title: (.+)$|^# (.+)$", text, re.M)
    titles = [] if title is None else [(title[1] or title[2]).strip("\"'")]
    headings = re.findall(r"^#{2,6} (.+)$", text, re.M)
    quoted = [one for one in titles if len(one.split()) > 1 and one.casefold() not in NAMES]
    return quoted + [one for one in headings if len(words(one).split()) > 2]


def test_there_are_enough_questions_of_every_kind() -> None:
    assert len(QUESTIONS) >= AT_LEAST
    assert {one["kind"] for one in QUESTIONS} == KINDS
    assert all(set(one) <= KEYS for one in QUESTIONS)


def test_no_id_and_no_question_is_there_twice() -> None:
    for key in ("id", "question"):
        seen = [one[key].casefold() for one in QUESTIONS]
        assert len(set(seen)) == len(seen)


def test_a_third_is_aside_by_a_rule_and_not_by_choice() -> None:
    for one in QUESTIONS:
        by_rule = int(hashlib.sha256(one["id"].encode()).hexdigest(), 16) % 3 == 0
        assert one.get("aside", False) is by_rule, one["id"]
    share = sum("aside" in one for one in QUESTIONS) / len(QUESTIONS)
    assert 0.28 < share < 0.39


def test_every_card_runbook_and_page_is_asked_for() -> None:
    asked = {path for one in QUESTIONS for path in (one["page"], *one.get("also", ()))}
    cards = {
        f"docs/reference/services/{path.name}" for path in (ROOT / "docs/reference/services").glob("*.md")
    }
    runbooks = {f"runbooks/{path.name}" for path in (ROOT / "runbooks").glob("*.md")}
    assert not (cards | runbooks) - asked - {"docs/reference/services/index.md"}


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda one: one["id"])
def test_the_answer_stands_on_every_page_that_is_said_to_answer(asked: dict) -> None:
    pages = [asked["page"], *asked.get("also", ())]
    assert all((ROOT / path).is_file() for path in pages)
    assert len(set(pages)) == len(pages)
    assert 1 <= len(asked["facts"]) <= 4
    # A search says where a text stands, so the path is a part of what is read.
    said = {path: f"{path} {folded(read(path))}" for path in pages}
    for path, text in said.items():
        missing = [fact for fact in asked["facts"] if not any(one in text for one in wordings(fact))]
        assert not missing, f"{path} does not say {missing}"
    unused = [one for one in every_wording(asked) if not any(one in text for text in said.values())]
    assert not unused


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda one: one["id"])
def test_a_question_is_in_words_of_its_own(asked: dict) -> None:
    question = words(asked["question"])
    quoted = [one for one in given_away(asked["page"]) if words(one) in question]
    assert not quoted
    assert asked["page"] not in asked["question"]
    assert not [one for one in every_wording(asked) if len(words(one).split()) > 2 and words(one) in question]

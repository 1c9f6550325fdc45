"""What may be asked: a question of a sane length, a budget that a pack fits in, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from blumeops.context.untrusted import clean
from blumeops.errors import BlumeOpsError
from blumeops.runbooks import format

LONGEST = 4_000
"""Characters of a question: a task with an error message in it, and no log file."""

LEAST, MOST = 100, 200_000
"""Tokens: with less there is room for no answer, and more is more than an assistant reads."""

DEFAULT = 4_000

LAYERS = ("tailnet", "hosts", "cluster")


class Subject(StrEnum):
    """What a pack can be for."""

    LAYER = "layer"
    PAGE = "page"
    RUNBOOK = "runbook"


@dataclass(frozen=True, slots=True)
class Focus:
    """What a pack is for: a layer, page or runbook by its name; a runbook with its path."""

    subject: Subject
    name: str
    path: str

    def __str__(self) -> str:
        return f"{self.subject.value} {self.name}"


def question(said: str) -> str:
    """A question as it is searched for. Raises `BlumeOpsError` for one that is empty or far too long."""
    if len(said) > LONGEST:
        what = f"the question has {len(said):,} characters, and may have {LONGEST:,}"
        raise BlumeOpsError(what, hint="ask in a sentence or two; give the rest to the assistant itself")
    made = " ".join(clean(said).split())
    if not any(character.isalnum() for character in made):
        hint = 'say what you want to know or do: blumeops context "How do I restore a backup?"'
        raise BlumeOpsError("there are no words in the question", hint=hint)
    return made


def budget(tokens: int) -> int:
    """A budget in tokens. Raises `BlumeOpsError` for one that no pack fits in, or that nobody reads."""
    if not LEAST <= tokens <= MOST:
        what = f"a budget of {tokens:,} tokens is too {'small' if tokens < LEAST else 'large'}"
        raise BlumeOpsError(
            what, hint=f"from {LEAST} to {MOST:,}; {DEFAULT:,} is what it is without --budget"
        )
    return tokens


def focus(root: Path, said: str) -> Focus:
    """What a pack is for, by its name. Whether there is such a page is for the index to say."""
    wanted = " ".join(clean(said).split())
    if wanted.casefold() in LAYERS:
        return Focus(Subject.LAYER, wanted.casefold(), "")
    name = wanted.removeprefix(f"{format.FOLDER}/").removesuffix(".md")
    if name in format.names(root):
        return Focus(Subject.RUNBOOK, name, f"{format.FOLDER}/{name}.md")
    return Focus(Subject.PAGE, wanted, "")

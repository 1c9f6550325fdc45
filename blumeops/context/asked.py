"""What may be asked: a question of a sane length, a budget that a pack fits in, and what it is for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum

from blumeops.context.untrusted import clean
from blumeops.errors import BlumeOpsError
from blumeops.runbooks import format
from blumeops.site.vault import Unresolved, Vault

LONGEST = 4_000
"""Characters of a question: a task with an error message in it, and no log file."""

LEAST, MOST = 100, 200_000
"""Tokens: with less there is room for no answer, and more is more than an assistant reads."""

LONGEST_NAME = 80
"""Characters of a name that an error repeats."""

DEFAULT = 4_000

LAYERS = ("tailnet", "hosts", "cluster")


class Subject(StrEnum):
    """What a pack can be for."""

    LAYER = "layer"
    PAGE = "page"
    RUNBOOK = "runbook"


@dataclass(frozen=True, slots=True)
class Focus:
    """What a pack is for: a layer, or a page or runbook with its path in the repository."""

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


def focus(said: str, pages: Vault) -> Focus:
    """What a pack is for, by any of its names. Raises `BlumeOpsError` with the nearest name."""
    wanted = " ".join(clean(said[:LONGEST]).split())
    if wanted.casefold() in LAYERS:
        return Focus(Subject.LAYER, wanted.casefold(), "")
    found = pages.resolve(wanted.removeprefix("docs/"), origin="index.md")
    if isinstance(found, Unresolved):
        shown = wanted if len(wanted) <= LONGEST_NAME else f"{wanted[:LONGEST_NAME]}…"
        near = difflib.get_close_matches(wanted.casefold(), LAYERS, 1)
        hint = f"did you mean {near[0]}?" if near else found.hint.replace("[[", "").replace("]]", "")
        raise BlumeOpsError(f"there is no layer, page or runbook {shown!r}", hint=hint)
    is_runbook = found.source.startswith(f"{format.FOLDER}/")
    return Focus(Subject.RUNBOOK if is_runbook else Subject.PAGE, found.name, found.source)

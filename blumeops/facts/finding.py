"""What a check found, and how sure it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from blumeops.errors import Problem
from blumeops.facts.page import Page


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem; not `sure` means that a person should look, for the page may mean something else."""

    problem: Problem
    sure: bool = True


_GONE = re.compile(
    r"\b(?:removed|deleted|retired|formerly|previously|used to|no longer|decommissioned"
    r"|(?:is|are|was|were) gone|upstream|hypothetical|would (?:be|live|have)|not in git"
    r"|(?:an)?other repositor\w+)\b",
    re.IGNORECASE,
)
_MOVED = re.compile(
    r"\b(?:renamed|moved|replaced|legacy|deprecated|obsolete|migrated|superseded|historically|old)\b",
    re.IGNORECASE,
)
_MAKES = re.compile(
    r"\b(?:create|creates|makes?|creating|created|write|writes|writing|new|generate[sd]?|scaffold|produces?|save[sd]?"
    r"|add(?:ing)?(?: a| an)?(?: new)?(?: file| folder| directory)?)[ :]*(?:\w+ ){0,2}[`*(]*$",
    re.IGNORECASE,
)
_PAGE = re.compile(
    r"(?:^|/)(?:change-?log(?:\.d)?|changes|history|archived?|retired|completed|done|decisions?|adrs?|rfcs?"
    r"|proposals?|post-?mortems?|incidents?|release-notes|releases|news|journal|diary|plans?|worklog)(?:/|\.md$|[-_.])",
    re.IGNORECASE,
)
_DATED = re.compile(r"(?:^|/)(?:19|20)\d\d[-_]?(?:[01]\d)?[^/]*\.md$")
_OVER = (
    "archived", "retired", "superseded", "completed", "complete", "done", "draft", "planned", "abandoned",
)  # fmt: skip


def tells_of_the_past(page: Page) -> bool:
    """Whether a page is a history or a plan: what it names was there once, or will be."""
    if page.silenced and min(page.silenced) <= 1 + page.text.count("\n", 0, page.front.body):
        return True
    if _PAGE.search(page.path) or _DATED.search(page.path):
        return True
    status = page.front.text("status").casefold()
    return status in _OVER or bool(page.front.values.get("archived"))


class Tense(StrEnum):
    """Of which time a line tells: of now, perhaps of another time, or surely of another time."""

    NOW = "now"
    PERHAPS = "perhaps"
    OTHER = "other"


def tense(line: str, before: str = "") -> Tense:
    """The time that a line tells of; `before` stands before a name that may be about to be made."""
    if _GONE.search(line) or (before and _MAKES.search(before)):
        return Tense.OTHER
    return Tense.PERHAPS if _MOVED.search(line) else Tense.NOW

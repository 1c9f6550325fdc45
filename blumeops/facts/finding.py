"""What a check found, and how sure it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from blumeops.errors import Problem
from blumeops.facts.page import Page


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem; not `sure` means that a person should look, for the page may mean something else."""

    problem: Problem
    sure: bool = True


_GONE = re.compile(
    r"\b(?:remov|delet|retir|former|previous|used to|no longer|renam|moved|replac|legacy|deprecat|obsolete"
    r"|gone|migrat|superseded|decommission|dropped|historic|upstream|hypothetical|would (?:be|live|have))",
    re.IGNORECASE,
)
_MAKES = re.compile(
    r"\b(?:create|creates|creating|created|write|writes|writing|new|generate[sd]?|scaffold|produces?|save[sd]?"
    r"|add(?:ing)?(?: a| an)?(?: new)?(?: file| folder| directory)?)[ :]*(?:\w+ ){0,2}[`*(]*$",
    re.IGNORECASE,
)
_PAGE = re.compile(
    r"(?:^|/)(?:change-?log(?:\.d)?|changes|history|archived?|retired|completed|done|decisions?|adrs?|rfcs?"
    r"|proposals?|post-?mortems?|incidents?|release-notes|releases|news|journal|diary|plans?|worklog|logs?)(?:/|\.md$|[-_.])",
    re.IGNORECASE,
)
_DATED = re.compile(r"(?:^|/)(?:19|20)\d\d[-_]?(?:[01]\d)?[^/]*\.md$")
_OVER = set(
    [
        "archived",
        "retired",
        "superseded",
        "completed",
        "complete",
        "done",
        "draft",
        "planned",
        "abandoned",
        "historical",
    ]
)
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


def is_of_the_past(line: str, before: str = "") -> bool:
    """Whether a line tells of what was, or what stands `before` a name says that it is about to be made."""
    return bool(_GONE.search(line) or (before and _MAKES.search(before)))

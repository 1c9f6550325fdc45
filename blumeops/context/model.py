"""What a search finds: a section of one file with its place in the source, and why it was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a section was cut from."""

    PAGE = "page"
    RUNBOOK = "runbook"
    DESIRED = "desired"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of one file that can be read alone.

    `path` is relative to the repository; `line` and `last` are its first and last line in the source file,
    from 1. `anchor` is the heading's anchor on the site, empty above the first heading and in files that are
    no pages. `title` is the page's, `headings` the way from the page down to this section, without the title.
    `text` stands as it does in the source, and `tokens` counts it.
    """

    path: str
    line: int
    last: int
    anchor: str
    title: str
    headings: tuple[str, ...]
    text: str
    kind: Kind
    tokens: int

    @property
    def place(self) -> str:
        """Where a person finds it: `docs/reference/services/caddy.md:12`."""
        return f"{self.path}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place}  {' > '.join((self.title, *self.headings))}"


@dataclass(frozen=True, slots=True)
class Hit:
    """A section that answers a question, the best first; `why` says in words what made it rank."""

    section: Section
    score: float
    why: str

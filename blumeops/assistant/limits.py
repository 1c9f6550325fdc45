"""What may come in and how much may go out: the types of arguments, and answers within a budget.

Every tool's arguments are checked against these before anything of ours runs, unknown ones are refused, and
a value is never converted: a number in quotes is no number.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_QUESTION = 2_000
"""Characters: a long question is a page of text already."""

MAX_PATH = 400
MAX_NAME = 200

MAX_TOKENS = 12_000
"""Of one answer, whatever is asked for: more than this is not read, it is scrolled by."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


def _spoken(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("control characters are not allowed here")
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _path(text: str) -> str:
    """A path of the repository as it is written in it; nothing is opened by it before it was looked up."""
    _spoken(text)
    parts = text.replace("\\", "/").split("/")
    if text.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", text):
        raise ValueError("a path begins at the top of the repository: docs/index.md")
    if ".." in parts or "%2e" in text.lower() or "%2f" in text.lower() or "%5c" in text.lower():
        raise ValueError("a path does not climb")
    if any(part.startswith("-") for part in parts) or "\n" in text:
        raise ValueError("no part of a path begins with `-`")
    if any(part.startswith(".") and part != "." for part in parts):
        raise ValueError("hidden files are not read")
    return text


def _name(text: str) -> str:
    _spoken(text)
    if text.startswith(("-", ".")) or "\n" in text or "/" in text or "\\" in text:
        raise ValueError("a name is one word, such as `caddy`")
    return text


Question = Annotated[str, Field(min_length=1, max_length=MAX_QUESTION), AfterValidator(_spoken)]
"""Words in any language."""

FilePath = Annotated[str, Field(min_length=1, max_length=MAX_PATH), AfterValidator(_path)]
"""A path from the top of the repository, such as `docs/reference/services/caddy.md`."""

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_name)]
"""The name of a service, runbook, device, …"""

Budget = Annotated[int, Field(ge=200, le=MAX_TOKENS)]
"""How many tokens an answer may have."""

Line = Annotated[int, Field(ge=1, le=10_000_000)]
"""A line of a file, from 1."""


def _heading(text: str) -> str:
    _spoken(text)
    if "\n" in text:
        raise ValueError("a heading is one line")
    return text


Heading = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_heading)]
"""A heading of a page, or its anchor."""


def _selector(text: str) -> str:
    _spoken(text)
    if text.startswith("-") or len(text.split()) != 1:
        raise ValueError("name a user, group, tag, host, address or device: group:admins")
    return text


Selector = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_selector)]
"""One end of a connection: a user, group, tag, host, address or device."""

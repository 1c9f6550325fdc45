"""Keeps the sandbox's secrets out of what is written down: a runbook's outputs, its errors.

A layer masks what it knows to be a secret where it enters; this is the net below, for text from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

FOLDERS = ("secrets", "cluster")
"""The folders of `.sandbox/` whose files hold keys, tokens and passwords."""

SHORTEST = 20
"""Shorter words are names and numbers, and masking those would make a text unreadable."""

_BETWEEN = re.compile(r"""[\s,;"'=<>]+""")


def known_secrets(root: Path) -> tuple[str, ...]:
    """Every word of the sandbox's secret files that could be a secret, the longest first.

    A key's lines in base64 may hold slashes; a URL or a path of this checkout is not one of them.
    """
    words = set[str]()
    for folder in FOLDERS:
        for path in (root / ".sandbox" / folder).glob("*"):
            if path.is_file() and path.stat().st_size < 65536:
                words |= set(_BETWEEN.split(path.read_text(errors="ignore")))
    place = str(root.resolve())
    found = (word for word in words if len(word) >= SHORTEST and "://" not in word)
    return tuple(sorted((word for word in found if not word.startswith(place)), key=len, reverse=True))


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text with every known secret replaced by `[secret]`."""
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    return text

"""Secrets that stand in a file of the repository, by their own shape.

Only shapes that nothing else has: a false alarm would teach people to pass the check by. The sandbox's own
secrets, which have no shape, are known by value (`blumeops.redact`) and looked for as well.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from blumeops import redact
from blumeops.errors import Problem
from blumeops.facts.finding import Finding
from blumeops.facts.tree import Tree

_HINT = "take it out, and revoke it: what was committed is known to everybody who has the repository"


def check(tree: Tree, paths: Iterable[str]) -> Iterator[Finding]:
    """Every secret in some files. The secret itself is never in what is said."""
    # Words without a digit are names and keys of a kubeconfig, which a page may well mention.
    known = [word for word in redact.known_secrets(tree.root) if any(c.isdigit() for c in word)]
    for path in paths:
        text = tree.text(path)
        for what, word, shape in redact.SHAPES:
            if word in text:
                yield from _found(path, text, what, shape)
        for secret in known:
            if secret in text:
                line = text.count("\n", 0, text.index(secret)) + 1
                yield Finding(Problem("a secret of the sandbox stands here", path, line, 0, _HINT))


def _found(path: str, text: str, what: str, shape: re.Pattern[str]) -> Iterator[Finding]:
    for found in shape.finditer(text):
        if _is_real(found):
            line = text.count("\n", 0, found.start()) + 1
            column = found.start() - text.rfind("\n", 0, found.start())
            yield Finding(Problem(f"{what} stands here", path, line, column, _HINT))


def _is_real(found: re.Match[str]) -> bool:
    """Whether a match is more than an example: not one letter over and over, and what it says it is."""
    groups = found.groupdict()
    if encoded := groups.get("base64"):
        return b"PRIVATE KEY" in _decoded(encoded)
    if password := groups.get("password"):
        return len(set(password)) > 7 and any(c.isdigit() for c in password) and not password.isupper()
    body = found[0].rpartition("-")[2]
    return len(set(body.casefold())) > 5 and "example" not in found[0].casefold()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""

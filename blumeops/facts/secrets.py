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

_SHAPES: tuple[tuple[str, str, re.Pattern[str]], ...] = (
    (
        "a Tailscale key",
        "tskey-",
        re.compile(r"\btskey-(?:api|auth|client|scim|webhook)-[A-Za-z0-9]{6,}(?:-[A-Za-z0-9]{12,})?"),
    ),
    ("an age key", "AGE-SECRET-KEY-", re.compile(r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,}")),
    (
        "a private key",
        "PRIVATE KEY-----",
        re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*(?:\\n)?[A-Za-z0-9+/=\s\\]{40,}"),
    ),
    (
        "a client key of a kubeconfig",
        "client-key-data",
        re.compile(r"\bclient-key-data[\"']?:\s*[\"']?(?P<base64>[A-Za-z0-9+/]{60,}={0,2})"),
    ),
    ("a GitHub token", "gh", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b")),
    ("a GitHub token", "github_pat_", re.compile(r"\bgithub_pat_[A-Za-z0-9_]{60,}\b")),
    ("a GitLab token", "glpat-", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}\b")),
    ("an AWS access key", "AKIA", re.compile(r"\bAKIA[A-Z2-7]{16}\b")),
    ("a Slack token", "xox", re.compile(r"\bxox[abprs]-[0-9]{8,}-[A-Za-z0-9-]{16,}")),
    ("a Pulumi token", "pul-", re.compile(r"\bpul-[a-f0-9]{40}\b")),
    ("a token of a 1Password service account", "ops_ey", re.compile(r"\bops_ey[A-Za-z0-9_=-]{80,}")),
    (
        "a signed token",
        "eyJhbGciOi",
        re.compile(r"\beyJhbGciOi[\w-]{10,}\.(?P<claims>eyJ[\w-]{40,})\.[\w-]{40,}"),
    ),
    (
        "a password in an address",
        "://",
        re.compile(
            r"\b(?:postgres(?:ql)?|mysql|redis|amqp|https?)://[\w.%-]+:(?P<password>[^\s@/:<>{}$\"'`\[\]]{12,})@"
        ),
    ),
)
"""What it is, a word that it always holds (looked for first: it costs nothing), and its shape."""

_HINT = "take it out, and revoke it: what was committed is known to everybody who has the repository"


def check(tree: Tree, paths: Iterable[str]) -> Iterator[Finding]:
    """Every secret in some files. The secret itself is never in what is said."""
    # Words without a digit are names and keys of a kubeconfig, which a page may well mention.
    known = [word for word in redact.known_secrets(tree.root) if any(c.isdigit() for c in word)]
    for path in paths:
        text = tree.text(path)
        for what, word, shape in _SHAPES:
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

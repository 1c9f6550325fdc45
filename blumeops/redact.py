"""Keeps secrets out of what is written down: a runbook's outputs, its errors, its record.

Three nets, one over the other: the values that this process was told (`remember`), the words of the sandbox's
secret files, and the shapes that only secrets have. A layer masks what it knows where it enters; this is for
text from anywhere.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

FOLDERS = ("secrets", "cluster")
"""The folders of `.sandbox/` whose files hold keys, tokens and passwords."""

SHORTEST = 20
"""Shorter words of a file are names and numbers, and masking those would make a text unreadable."""

SHORTEST_TOLD = 4
"""Shorter values are not masked even when told: half of all words would go."""

MASK = "[secret]"

_BETWEEN = re.compile(r"""[\s,;"'=<>]+""")
_NAMES = re.compile(r"(?i)(?:token|passw(?:or)?d|passphrase|secret|api_?key|private_?key|access_?key)$")
_told: set[str] = set()

SHAPES: tuple[tuple[str, str, re.Pattern[str]], ...] = (
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
"""What it is, a word that it always holds (looked for first: it costs nothing), and its shape.

Only shapes that nothing else has: they are also looked for in the repository, where a false alarm would teach
people to pass the check by.
"""

_LOOSE: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "PRIVATE KEY-----",
        re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?P<it>.*?)(?:-----END [A-Z ]*-----|\Z)", re.S),
    ),
    ("eyJ", re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.(?P<it>[\w-]{8,})")),
    ("earer", re.compile(r"(?i)\bbearer\s+(?P<it>[\w.~+/=-]{12,})")),
    ("uthorization", re.compile(r"(?i)\bauthorization['\"]?\s*[:=]\s*['\"]?basic\s+(?P<it>[\w+/=-]{6,})")),
    ("://", re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:(?P<it>[^\s@/'\"]{3,})@")),
)
"""More shapes, for text that is only shown: a word too many that is masked does no harm there."""


def remember(value: str) -> None:
    """Mask this value from now on in everything that this process says, whole and line by line."""
    for word in (value, value.strip(), *value.split("\n")):
        if len(word.strip()) >= SHORTEST_TOLD:
            _told.add(word)


def remember_environment(environment: Mapping[str, str]) -> None:
    """Remember the values of the variables that are named like a secret, such as `…_TOKEN`."""
    for name, value in environment.items():
        if _NAMES.search(name) and "/" not in value[:1] and len(value) >= 8:
            remember(value)


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


class Masker:
    """Masks what this process was told, other known values, all of their usual encodings, and the shapes."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = frozenset(known)
        self._of: frozenset[str] = frozenset()
        self._words: tuple[str, ...] = ()

    def know(self, values: Iterable[str]) -> None:
        """Mask these values, too, from now on."""
        self._known |= frozenset(values)

    @property
    def words(self) -> tuple[str, ...]:
        """Every spelling that is masked, the longest first."""
        values = self._known | _told
        if values != self._of:
            found = {spelling for value in values for spelling in spellings(value)}
            self._of, self._words = values, tuple(sorted(found, key=len, reverse=True))
        return self._words

    def __call__(self, text: str) -> str:
        """The text as it may be shown."""
        for word in self.words:
            if word in text:
                text = text.replace(word, MASK)
        for _, mark, shape in SHAPES:
            if mark in text:
                text = shape.sub(_masked_match, text)
        for mark, shape in _LOOSE:
            if mark in text:
                text = shape.sub(_masked_match, text)
        return self._under_colours(text) if "\x1b[" in text else text

    def _under_colours(self, text: str) -> str:
        """A secret that is coloured in parts is found without the colours; that text then loses them."""
        plain = _COLOURS.sub("", text)
        safe = self(plain)
        return text if safe == plain else safe


_COLOURS = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")


def _masked_match(found: re.Match[str]) -> str:
    """A shape's named group is its secret part; without one all of it is."""
    named = [name for name, value in found.groupdict().items() if value]
    if not named:
        return MASK
    start, end = found.span(named[0])
    if found.string[start:end].strip() == MASK:
        return found[0]
    return found[0][: start - found.start()] + MASK + found[0][end - found.start() :]


def spellings(value: str) -> set[str]:
    """A value as it stands in a URL, in JSON, HTML, a Python literal, in hex, and inside base64."""
    raw = value.encode()
    found = {value, quote(value, safe=""), quote(value), quote_plus(value), html.escape(value), raw.hex()}
    found |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    if len(raw) >= 8:
        found |= {word for shift in range(3) for word in _within_base64(raw, shift)}
    return {word for word in found if len(word) >= SHORTEST_TOLD}


def _within_base64(raw: bytes, shift: int) -> Iterable[str]:
    """The letters of a value's base64 that are the same whatever stands before and after it."""
    encoded = base64.b64encode(b"\0" * shift + raw).decode()
    first = (0, 2, 3)[shift]
    last = (len(raw) + shift) * 8 // 6
    inner = encoded[first:last]
    yield inner
    yield inner.translate(str.maketrans("+/", "-_"))

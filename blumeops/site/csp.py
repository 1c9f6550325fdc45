"""The content security policy of each page: only what the site itself brought may run.

Material has a few scripts inside of each page. Their hashes go into the page's own policy, so nothing else
that stands inside of a page can run: no script that came with a text, no `onclick`, no `javascript:`. A page
that is marked `trusted: true` in its front matter may bring scripts of its own.

Styles inside of a page are allowed: drawings and diagrams have them, `site.sanitise` keeps those of texts
harmless, and a hash could not follow them from page to page when only a part of the page is exchanged.
"""

from __future__ import annotations

import base64
import hashlib
import re

_SCRIPT = re.compile(r"<script\b(?P<attributes>[^>]*)>(?P<code>.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
_TYPE = re.compile(r"\btype\s*=\s*[\"']?(?P<type>[^\"'\s>]*)", re.IGNORECASE)
_SRC = re.compile(r"\bsrc\s*=", re.IGNORECASE)
_RUNS = ("", "module", "text/javascript", "application/javascript")
_HEAD = re.compile(r"<head>\s*(?:<meta charset=[^>]*>)?")

HEADERS = {
    "Content-Security-Policy": (
        "frame-ancestors 'none'; object-src 'none'; base-uri 'self'; form-action 'self'; connect-src 'self'; "
        "font-src 'self'; media-src 'self'; img-src 'self' data:"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""What a web server adds to the policy in the page: `frame-ancestors` has no effect in a `meta` element."""


def add(page: str, *, content: str = "", trusted: bool = False) -> str:
    """A finished page with its policy as the first thing in its head.

    `content` is the part that came from a text: its scripts are left out of the policy unless it is
    `trusted`. The same page always gets the same policy.
    """
    own = page if trusted or not content else page.replace(content, "", 1)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(own)}">'
    return _HEAD.sub(lambda found: found[0] + meta, page, count=1)


def policy(page: str) -> str:
    """The policy that lets the scripts of a page run, and nothing of another host load."""
    hashes = " ".join(f"'{each}'" for each in sorted(set(_hashes(page))))
    directives = (
        "default-src 'self'",
        f"script-src 'self' {hashes}".rstrip(),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",  # icons in Material's style sheet
        "worker-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
    return "; ".join(directives)


def _hashes(page: str) -> list[str]:
    return [_hash(found["code"]) for found in _SCRIPT.finditer(page) if _runs(found["attributes"])]


def _runs(attributes: str) -> bool:
    """Whether a script element without a file runs: a block of JSON is data."""
    found = _TYPE.search(attributes)
    return not _SRC.search(attributes) and (found["type"].lower() if found else "") in _RUNS


def _hash(code: str) -> str:
    digest = hashlib.sha256(code.replace("\r\n", "\n").encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"

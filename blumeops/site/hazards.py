"""The places of a Markdown text from which something could act: tags, addresses, attribute lists, labels."""

from __future__ import annotations

import html
import re

from blumeops.site import raw_html

TAG = re.compile(
    r"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<rest>(?:\s|/)(?:[^<>\"'`]|\"[^<>\"`]*\"|'[^<>'`]*')*)?>"
)
_SCHEME = re.compile(r"(?:javascript|vbscript|livescript|data|blob|filesystem|view-source):", re.IGNORECASE)
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\\\u200b-\u200f\ufeff]")
_HIDES = re.compile(r"=\s*(?:\"[^\"]*[`<][^\"]*\"|'[^']*[`<][^']*')")
_LIST = re.compile(
    r"(?:^|[\s{:\"'}])(?P<name>on[a-z]+|href|src|srcset|srcdoc|action|formaction|xlink:href|poster|background"
    r"|ping|style)=(?P<value>\"[^\"]*\"|'[^']*'|[^\s}]*)",
    re.IGNORECASE,
)
BLANK = re.compile(r"\n[ \t]*\n")
_LONGEST_ADDRESS = 2000
"""Characters in which an address has to end; where it does not, the whole paragraph is in doubt."""


def tag_at(text: str, at: int) -> re.Match[str] | None:
    """The tag at a place of a text; a blank line ends a paragraph, so no tag goes across one."""
    tag = TAG.match(text, at)
    return None if tag and BLANK.search(tag[0]) else tag


def verdict(tag: re.Match[str]) -> raw_html.Verdict:
    """What becomes of a tag that `TAG` matched."""
    judge = raw_html.closing if tag["close"] else raw_html.opening
    return judge(tag[0], tag["name"].lower())


def is_fine(tag: re.Match[str]) -> bool:
    """Whether a tag stays as it was written."""
    return verdict(tag) == raw_html.Verdict(tag[0])


def acts(text: str, at: int) -> bool:
    """Whether a link's address at this place runs something; spelled as a browser reads it."""
    address = html.unescape(html.unescape(text[at : at + 300].removeprefix("<")))
    return bool(_SCHEME.match(_UNSEEN.sub("", address)))


def listed(text: str, at: int) -> str:
    """The attribute of a list `{ … }` that would act; "=" for one that may hide another; else empty."""
    line = text[at + 1 : _line_end(text, at)].rpartition("}")[0]
    for found in _LIST.finditer(TAG.sub(lambda tag: "" if is_fine(tag) else tag[0], line)):
        style = found["name"].lower() == "style"
        if not style or not raw_html.style_is_harmless(found["value"].strip("\"'")):
            return f"{found['name']}="
    return "=" if _HIDES.search(line) else ""


def bare_end(text: str, at: int) -> int:
    """Where an address or a picture's label ends that holds code or a tag; 0 when it holds none.

    Python-Markdown puts what such code says into an attribute as it is, quotation marks and all.
    """
    if text.startswith("]:", at):
        return 0
    opening, closing = "[]" if text[at] == "!" else "()"
    near = BLANK.search(text, at, at + _LONGEST_ADDRESS)
    end = near.start() if near else min(len(text), at + _LONGEST_ADDRESS)
    depth, close = 0, end
    for found in re.compile(f"[{re.escape(opening + closing)}]").finditer(text, at + 1, end):
        depth += 1 if found[0] == opening else -1
        if depth <= 0:
            close = found.start()
            break
    inside = text[at + 2 : close]
    if "`" in inside or (close == end and not near):
        return paragraph_end(text, at)
    return close if TAG.search(inside) else 0


def paragraph_end(text: str, at: int) -> int:
    """Where the paragraph of this place ends."""
    found = BLANK.search(text, at)
    return found.start() if found else len(text)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end

"""Whether a `llms.txt` has the form of llmstxt.org, is short enough, and leads to what is there.

Read by a CommonMark parser that shares nothing with what writes the file (`llms_txt`), so the one keeps the
other true; and a `llms.txt` that a person wrote is held to the same.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from blumeops.errors import Problem
from blumeops.site.llms_txt import BYTES, OPTIONAL

if TYPE_CHECKING:
    from markdown_it.token import Token

FORM = "the form is: # title, > summary, text, then ## sections that are lists of links (llmstxt.org)"
_SHORTER = "shorten the notes, or leave out pages that an index page lists"


def problems(text: str, path: str, exists: Callable[[str], bool], *, most: int = BYTES) -> Iterator[Problem]:
    """Everything that is wrong with a `llms.txt`; `path` is what it is called.

    `exists` says whether a file stands at a path of the site.
    """
    if (size := len(text.encode())) > most:
        yield Problem(
            f"llms.txt has {size:,} bytes; at most {most:,} leave room for a question", path, 1, 0, _SHORTER
        )
    tokens = _parsed(text)
    yield from (Problem(what, path, line, 0, FORM) for what, line in _order(tokens))
    for address, line in _links(tokens):
        if what := _dead(address, exists):
            yield Problem(what, path, line)


def _parsed(text: str) -> list[Token]:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").parse(text.removeprefix("\ufeff"))


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def _order(tokens: list[Token]) -> Iterator[tuple[str, int]]:
    """What stands where the form has something else, with its line."""
    blocks = [token for token in tokens if token.level == 0 and token.nesting >= 0]
    if not blocks or blocks[0].tag != "h1":
        yield "llms.txt does not begin with its title", 1
    if len(blocks) < 2 or blocks[1].type != "blockquote_open":
        yield "the title is not followed by a summary in a quote", _line(blocks[1]) if len(blocks) > 1 else 1
    titles = [
        (tokens[n + 1].content, _line(token))
        for n, token in enumerate(tokens)
        if token.tag == "h2" and token.nesting > 0
    ]
    yield from _titles(titles)
    inside = False
    for block in blocks[1:]:
        if block.type == "heading_open":
            inside = inside or block.tag == "h2"
            if block.tag != "h2":
                yield f"a heading of level {block.tag[1]} has no place here", _line(block)
        elif inside and block.type != "bullet_list_open":
            yield "a section holds something else than a list of links", _line(block)
    yield from _items(tokens, next((line for _, line in titles), None))


def _titles(titles: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    seen = set[str]()
    for number, (title, line) in enumerate(titles, 1):
        if title in seen:
            yield f"there are two sections {title}", line
        if title == OPTIONAL and number < len(titles):
            yield f"the section {OPTIONAL} is not the last one", line
        seen.add(title)


def _items(tokens: list[Token], first: int | None) -> Iterator[tuple[str, int]]:
    """The items of the sections' lists that are not a link and then, behind a colon, what is said of it."""
    for number, token in enumerate(tokens):
        if token.type == "list_item_open" and first is not None and _line(token) > first:
            inline = tokens[number + 2] if len(tokens) > number + 2 else token
            if token.level != 1 or inline.type != "inline" or not _is_link(inline.children or []):
                yield "an item is not `- [name](address): notes`", _line(token)


def _is_link(words: list[Token]) -> bool:
    if not words or words[0].type != "link_open":
        return False
    end = next(n for n, word in enumerate(words) if word.type == "link_close")
    return end > 1 and (len(words) == end + 1 or words[end + 1].content.startswith(":"))


def _links(tokens: list[Token]) -> Iterator[tuple[str, int]]:
    for token in tokens:
        for word in token.children or ():
            if word.type == "link_open":
                yield str(word.attrGet("href") or ""), _line(token)


def _dead(address: str, exists: Callable[[str], bool]) -> str:
    """What is wrong with an address; other hosts are not asked."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return ""
    way = posixpath.normpath(unquote(parts.path)) if parts.path else "."
    if parts.path.startswith("/") or way.startswith(".."):
        return f"{address} does not lead from the site's top into it"
    return "" if exists(way) else f"{address} is no file of the site"

"""Questions that any vault brings along: what a sentence says around a link, and the page that it leads to.

For a link from page A to page B the question is the sentence around it, without the link's own words. A is
taken out of the vault before anybody is asked, file and all: no search can find the sentence again, and no
graph knows the link. A sentence that stands on another page too, word for word, is no question.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bm25s.stopwords import STOPWORDS_EN

from blumeops.context.index import Index
from blumeops.context.model import Kind
from blumeops.errors import BadInput
from blumeops.site import frontmatter, page_links, vault
from blumeops.site.vault import Page, Vault

WORDS = 4
"""So many words that are no stop words, and of no other link, has a sentence that asks something."""
SEED = 20261123
_WIKILINK = re.compile(r"!?\[\[[^\[\]|]*?(?:\\?\|(?P<label>[^\[\]]*))?\]\]")
_NAME = re.compile(r"[^\[\]|#\\]+")
_LINK = re.compile(r"!?\[(?P<label>[^\[\]]*)\]\([^()\s]*(?:\([^()]*\)[^()\s]*)*(?:\s\"[^\"]*\")?\)")
_NOISE = re.compile(r"<!--.*?-->|<[^<>]+>|\{[.#:][^{}]*\}|[*`|]+", re.DOTALL)
_END = re.compile(r"(?<=[.!?;])\s+(?=[A-Z(*`\[\"])")
_OWN_LINE = re.compile(r"^\s*(?:\||[-*+] |\d+[.)] |#+ |>)")
_MARK = "\ue000"
"""Stands where the link stood; of the private use area, so no page has it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A link as a question: where it stood, where it leads, and what was said around it."""

    origin: str
    page: str
    question: str


def read(index: Index) -> Vault:
    """The pages of an index that people wrote, with the links that the site would make."""
    root, docs = index.place.root, index.rules.docs
    pages = []
    for path, kind in index.paths().items():
        if kind in (Kind.PAGE, Kind.RUNBOOK):
            site = path.removeprefix(docs) if kind is Kind.PAGE else f"how-to/{Path(path).name}"
            pages.append(_page(site, path, (root / path).read_text(errors="replace")))
    return vault.vault(pages, ())


def _page(site: str, path: str, text: str) -> Page:
    """A page, if need be without a front matter that cannot be read."""
    try:
        return vault.page(site, path, text)
    except BadInput:
        return vault.page(
            site, path, "\n" * text.count("\n", 0, (end := frontmatter.end_of(text))) + text[end:]
        )


def linked(pages: Vault) -> Counter[str]:
    """How many pages link to each page, by its path in the repository."""
    edges = {
        (one.origin, one.target) for page in pages.pages.values() for one in page_links.links(page, pages)
    }
    return Counter(target for _, target in edges)


def asked(root: Path, pages: Vault, most: int) -> tuple[Asked, ...]:
    """At most so many questions, the same for the same vault, those of one page together."""
    every = sorted({one.question: one for one in _every(root, pages)}.values(), key=_order)
    sample = random.Random(SEED).sample(every, min(most, len(every)))
    return tuple(sorted(sample, key=_order))


def _order(one: Asked) -> tuple[str, str, str]:
    return one.origin, one.page, one.question


def _every(root: Path, pages: Vault) -> Iterator[Asked]:
    written = {path: page for path, page in pages.pages.items() if (root / page.source).is_file()}
    sentences = Counter(one for page in written.values() for one in {*map(_said, _sentences(page.text))})
    for page in written.values():
        lines = page.text.split("\n")
        for link in page_links.links(page, pages):
            around = _around(lines, link)
            repeated = sentences[_said(around.replace(_MARK, link.written))] > 1
            if (root / link.target).is_file() and _asks(around) and not repeated:
                yield Asked(link.origin, link.target, _said(around.replace(_MARK, " ")))


def _asks(around: str) -> bool:
    """Whether a sentence says enough without its links."""
    words = re.findall(r"[^\W\d_]{2,}", _NOISE.sub(" ", _LINK.sub(" ", _WIKILINK.sub(" ", around))))
    return len({word.casefold() for word in words} - {*STOPWORDS_EN}) >= WORDS


def _around(lines: list[str], link: page_links.Link) -> str:
    """The sentence, row or item in which a link stands, with a mark in its place; else nothing."""
    first, last = _paragraph(lines, link.line - 1)
    text = "\n".join(lines[first:last])
    begun = sum(len(line) + 1 for line in lines[first : link.line - 1])
    at = text.replace("\n", " ").find(link.written, begun)
    if at < 0:
        return ""
    text = f"{text[:at]}{_MARK}{text[at + len(link.written) :]}"
    return next(one for one in _sentences(text) if _MARK in one)


def _paragraph(lines: list[str], number: int) -> tuple[int, int]:
    """The lines of the paragraph, row or item around a line, from 0; the end is not in it."""
    first, last = number, number + (1 if _OWN_LINE.match(lines[number]) else 0)
    while first and not _OWN_LINE.match(lines[first]) and lines[first - 1].strip():
        first -= 1
    while last < len(lines) and lines[last].strip() and not _OWN_LINE.match(lines[last]):
        last += 1
    return first, max(last, number + 1)


def _sentences(text: str) -> Iterator[str]:
    """The sentences of a text; every row and every item begins one."""
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:\||[-*+] |\d+[.)] |#+ |>))", text):
        yield from _END.split(paragraph)


def _said(text: str) -> str:
    """What a sentence says to a reader: links by their words, no marks, white space folded."""
    text = _WIKILINK.sub(lambda found: found["label"] or " ".join(_NAME.findall(found[0])), text)
    text = _LINK.sub(lambda found: found["label"], text)
    return " ".join(_NOISE.sub(" ", text).split())

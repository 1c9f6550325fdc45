"""Where a page is linked from, and in which words: the sentence of each link and the heading above it.

Read from pages whose wikilinks are standard links already, so it cannot differ from what a reader follows.
"""

from __future__ import annotations

import html
import posixpath
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from blumeops.site import frontmatter
from blumeops.site.vault import Page

MAX_CHARACTERS = 180
"""A longer sentence is cut around its link: a list of backlinks is read at a glance."""

_WINDOW = 2 * MAX_CHARACTERS
_MARKS = re.compile(r"[!\[`\\<{:*=~_&>]")
_LINK = re.compile(r"\]\(<?(?P<to>[^()\s#>:]+\.md)(?:#[^()\s>]*)?>?(?: \"[^\"\n]*\")?\)")
_FENCE = re.compile(
    r"^[ \t>]*(?P<run>`{3,}|~{3,}).*?(?:^[ \t>]*(?P=run)[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_BLOCK = re.compile(
    r"\n(?=[ \t>]*\n|[ \t>]*(?:[-*+]|\d+[.)])[ \t]|[ \t>]*\||[ \t>]*#{1,6} |[ \t>]*(?:!!!|\?\?\?|===))"
)
_HEADING = re.compile(r"^#{1,6}[ \t]+(?P<text>.+?)[ \t]*#*$", re.MULTILINE)
_SENTENCE = re.compile(r"[.!?]\s+(?=[^\sa-z])")
_LEAD = re.compile(r"^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?(?:\[[ xX]\][ \t]+)?(?:\[![\w-]+\][+-]?)?")
_MARKUP = re.compile(
    r"(?=[!\[`\\<{:*=~_])(?:"  # most characters are none of these: look once, not a dozen times
    r"!\[[^\]]*\]\([^)]*\)(?:\{[^}]*\})?"
    r"|\[(?P<text>(?:\\.|[^\[\]\\])*)\]\([^)]*\)(?:\{[^}]*\})?"
    r"|(?P<ticks>`+)(?P<code>.+?)(?P=ticks)"
    r"|\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|<!--.*?-->|</?[a-zA-Z][^>]*>|\{:?[ ]?[.#][^}]*\}|:(?:material|octicons)-[\w-]+:"
    r"|\*\*\*?|(?<![\w*])\*(?=\w)|(?<=[\w.!?)])\*(?![\w*])|==|~~|(?<!\w)__?(?=\w)|(?<=\w)__?(?!\w))",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Backlink:
    """One link to a page: the page it stands in, the heading above it and its anchor, and its sentence."""

    origin: str
    heading: str
    anchor: str
    sentence: str


Contexts = dict[str, tuple[Page, str, frozenset[str], list[tuple[str, Backlink]]]]
"""The links of each page with their sentences, by its path, and what they were found in."""


def backlinks(
    texts: Mapping[str, str],
    links: Mapping[str, frozenset[str]],
    pages: Mapping[str, Page],
    contexts: Contexts | None = None,
) -> dict[str, tuple[Backlink, ...]]:
    """For each page that others link to, the first link of each of them, by their titles.

    `texts` are the pages with their wikilinks rewritten, `links` the pages that each of them links to.
    `contexts` are those that an earlier call found.
    """
    found: defaultdict[str, list[Backlink]] = defaultdict(list)
    kept = {} if contexts is None else contexts
    for origin in sorted(texts, key=lambda path: (pages[path].title.casefold(), path)):
        wanted = links.get(origin, frozenset())
        seen: set[str] = set()
        for target, link in _known(kept, pages[origin], texts[origin], wanted) if wanted else ():
            if target not in seen:
                seen.add(target)
                found[target].append(link)
        for target in sorted(wanted - seen):
            found[target].append(Backlink(origin, "", "", ""))
    return {target: tuple(those) for target, those in found.items()}


def _known(kept: Contexts, page: Page, text: str, wanted: frozenset[str]) -> list[tuple[str, Backlink]]:
    known = kept.get(page.path)
    if known is None or known[0] is not page or known[1:3] != (text, wanted):
        known = kept[page.path] = page, text, wanted, list(_contexts(page, text, wanted))
    return known[3]


def _contexts(page: Page, text: str, wanted: frozenset[str]) -> Iterator[tuple[str, Backlink]]:
    folder = posixpath.dirname(page.path)
    code = [found.span() for found in _FENCE.finditer(text)] if "```" in text or "~~~" in text else []
    starts = [found.start() + 1 for found in _BLOCK.finditer(text)]
    headings = [(found.start(), found["text"]) for found in _HEADING.finditer(text)]
    places = [start for start, _ in headings]
    anchors = {heading.text: heading.slug for heading in page.headings}
    begin = frontmatter.end_of(text)
    targets: dict[str, str] = {}
    for found in _LINK.finditer(text, begin):
        to = found["to"]
        target = targets.get(to) or targets.setdefault(
            to, posixpath.normpath(posixpath.join(folder, unquote(to)))
        )
        if target not in wanted or any(first <= found.start() < last for first, last in code):
            continue
        above = bisect_right(places, found.start()) - 1
        heading = plain(headings[above][1]) if above > 0 else ""
        yield (
            target,
            Backlink(page.path, heading, anchors.get(heading, ""), _sentence(text, found, starts, begin)),
        )


def _sentence(text: str, link: re.Match[str], starts: list[int], begin: int) -> str:
    """The sentence around a link, in its block: a paragraph, an item, a table's row, a heading."""
    which = bisect_right(starts, link.start())
    first = starts[which - 1] if which else begin
    last = starts[which] if which < len(starts) else len(text)
    block = text[first:last]
    at = link.start() - first
    if block.lstrip(" \t>").startswith("|"):
        cells = (plain(cell).strip() for cell in re.split(r"(?<!\\)\|", block))
        return _cut(" · ".join(cell for cell in cells if cell), 0)
    if block.lstrip(" \t>").startswith("#"):
        return ""
    edges = [0, *(found.end() for found in _SENTENCE.finditer(block)), len(block)]
    which = bisect_right(edges, at) - 1
    start, end = edges[which], edges[min(which + 1, len(edges) - 1)]
    opened = max(start, block.rfind("[", start, at))
    before = plain(
        _window(_LEAD.sub("", block[start:opened]) if not start else block[start:opened], last=True)
    )
    after = plain(_window(block[opened:end], last=False))
    return _cut(" ".join(f"{before}{after}".split()), len(before.lstrip()))


def _window(text: str, *, last: bool) -> str:
    """A text, or its last or first part when it is much longer than what will be shown."""
    if len(text) <= _WINDOW:
        return text
    return text[text.find(" ", len(text) - _WINDOW) :] if last else text[: text.rfind(" ", 0, _WINDOW)]


def _cut(sentence: str, at: int) -> str:
    """At most `MAX_CHARACTERS` of a sentence, with the place `at` in them, cut between words."""
    if len(sentence) <= MAX_CHARACTERS:
        return sentence
    first = max(0, min(at - MAX_CHARACTERS // 2, len(sentence) - MAX_CHARACTERS))
    piece = sentence[first : first + MAX_CHARACTERS]
    head = f"… {piece.partition(' ')[2]}" if first else piece
    return head if first + MAX_CHARACTERS >= len(sentence) else f"{head.rpartition(' ')[0]} …"


def plain(text: str) -> str:
    """Markdown as the words a reader sees; quicker than `markdown.plain`, and only for standard links."""
    if not _MARKS.search(text):
        return text
    said = _MARKUP.sub(_words, text)
    said = re.sub(r"\n[ \t]*>[\s>]*", " ", said) if ">" in said else said
    return html.unescape(said) if "&" in said else said


def _words(found: re.Match[str]) -> str:
    if found["text"] is not None:
        return plain(found["text"])
    return found["code"] or found["escaped"] or ""

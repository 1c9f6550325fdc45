"""Bound values: a value in prose, and behind it the place that it must agree with.

    Miniflux runs `2.2.9`<!-- fact: homelab/argocd/workloads/miniflux/kustomization.yaml#images[0].newTag -->.

What is bound is what stands directly before the comment: a code span, a bold or slanted text, the text of a
link, or one bare word. A place that begins with `live:` is compared only with the running homelab.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from blumeops.errors import BadInput, Problem
from blumeops.facts.page import Page, Span
from blumeops.facts.places import Places

LIVE = "live:"
_FACT = re.compile(r"<!--\s*fact:\s*(?P<place>.*?)\s*-->", re.DOTALL)
_NONE = re.compile(r"none\b")
_EMPHASIS = re.compile(r"(?P<marks>\*\*\*|\*\*|\*|___|__|_|==|~~)(?=\S)(?P<value>[^\n]*?\S)(?P=marks)$")
_LINK = re.compile(r"(?<!!)\[(?P<value>[^\[\]\n]*)\]\([^()\n]*\)$")
_WIKILINK = re.compile(r"\[\[[^\[\]|\n]*?(?:\\?\|)(?P<value>[^\[\]\n]*)\]\]$")
_WORD = re.compile(r"(?P<value>[^\s|`*\[\]()<>]*[^\s|`*\[\]()<>.,;:!?])[.,;:!?]*$")
_PLAIN = re.compile(r"[\w.:/@+~,% -]+")
_MARKERS = re.compile(r"^[ \t]*<!-- blumeops:(?:begin\b[^>]*|end) -->[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fact:
    """A value on a page and the place it is bound to; `start` and `end` are without its marks."""

    page: str
    line: int
    column: int
    value: str
    start: int
    end: int
    place: str
    in_code: bool

    @property
    def is_live(self) -> bool:
        """Whether only the running homelab can say what is right."""
        return self.place.startswith(LIVE)


@dataclass(frozen=True, slots=True)
class Edit:
    """A piece of a page's text to be replaced, and why, in one line."""

    start: int
    end: int
    text: str
    said: str = ""


def find(page: Page, problems: list[Problem]) -> Iterator[Fact]:
    """Every bound value of a page; a comment that has no value before it is a problem."""
    if "fact:" not in page.text:
        return
    codes = {code.end: code for code in page.codes}
    for comment in page.comments:
        found = _FACT.fullmatch(comment.text)
        if not found or _NONE.match(found["place"]):
            continue
        value = _before(page, comment.start, codes)
        if value is None:
            problems.append(page.problem("no value stands before this fact", comment.start, _HINT))
            continue
        line, column = page.place(value.start)
        code = page.text[value.start - 1 : value.start] == "`"
        yield Fact(page.path, line, column, value.text, value.start, value.end, found["place"], code)


_HINT = "put the comment right behind the value: `1.2.3`<!-- fact: FILE#WAY -->"


def _before(page: Page, end: int, codes: dict[int, Span]) -> Span | None:
    """The value that ends at an index, or some spaces before it."""
    text = page.prose
    start = text.rfind("\n", 0, end) + 1
    end = start + len(text[start:end].rstrip(" \t"))
    if code := codes.get(end):
        return _inside(page, code)
    before = text[start:end]
    for pattern in (_EMPHASIS, _LINK, _WIKILINK, _WORD):
        if found := pattern.search(before):
            first, last = start + found.start("value"), start + found.end("value")
            inner = next((c for c in codes.values() if first <= c.start and c.end <= last), None)
            return _inside(page, inner) if inner else Span(first, last, page.text[first:last])
    return None


def _inside(page: Page, code: Span) -> Span:
    raw = page.text[code.start : code.end]
    ticks = len(raw) - len(raw.lstrip("`"))
    first, last = code.start + ticks, code.end - ticks
    inner = page.text[first:last]
    if len(inner) > 2 and inner[0] == inner[-1] == " " and inner.strip():
        first, last = first + 1, last - 1
    return Span(first, last, page.text[first:last])


def check(page: Page, places: Places, problems: list[Problem]) -> tuple[list[Fact], list[Edit]]:
    """Compare every bound value with its place. Returns the facts, and the edits that would make them true.

    A difference without an edit cannot be written for the author: why is in its problem.
    """
    facts = list(find(page, problems))
    edits = []
    for fact in facts:
        if fact.is_live:
            continue
        here = Problem("", page.path, fact.line, fact.column)
        try:
            wanted = places.value(fact.place, asked_by=here)
        except BadInput as error:
            problems += error.problems
            continue
        if wanted.text.strip() == fact.value.strip():
            continue
        what = f"the page says {fact.value!r}, {wanted.where} says {_short(wanted.text)!r} ({fact.place})"
        refused = _unwritable(page, fact, wanted.text)
        hint = refused or "`blumeops docs check --fix` rewrites the page"
        problems.append(Problem(what, page.path, fact.line, fact.column, hint))
        if not refused:
            said = f"{page.path}:{fact.line}: {fact.value} → {wanted.text} (from {wanted.where})"
            edits.append(Edit(fact.start, fact.end, wanted.text, said))
    return facts, edits


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"


def _unwritable(page: Page, fact: Fact, text: str) -> str:
    """Why a value cannot be written into the page as it is; empty when it can."""
    if not text.strip() or "\n" in text or "-->" in text or not text.isprintable():
        return "write it by hand: the value has no form for a line of text"
    if fact.in_code:
        in_table = page.line(fact.line).lstrip().startswith("|")
        return (
            "write it by hand: the value would break the code span"
            if "`" in text or ("|" in text and in_table)
            else ""
        )
    return (
        ""
        if _PLAIN.fullmatch(text)
        else "put the value into a code span first: it has characters that Markdown reads"
    )


def strip(text: str, *, titles: bool = True) -> str:
    """A page's text as readers get it: no comments of facts and blocks. Costs nothing where there are none.

    With `titles`, a value with marks around it tells where it comes from (`attr_list`, when one hovers it).
    """
    if "<!-- fact:" not in text and "<!-- blumeops:begin" not in text:
        return text
    page = Page("", text)
    made, done = [], 0
    for comment in page.comments:
        found = _FACT.fullmatch(comment.text)
        marker = _MARKERS.match(text, text.rfind("\n", 0, comment.start) + 1)
        if marker:
            made.append(text[done : marker.start()])
            done = marker.end()
        elif found:
            kept = text[done : comment.start].rstrip(" \t")
            made.append(kept + (_title(kept, found["place"]) if titles else ""))
            done = comment.end
    return "".join([*made, text[done:]])


def _title(before: str, place: str) -> str:
    if _NONE.match(place) or before[-1:] not in ("`", "*", "_", ")") or before[-2:-1] == "\\":
        return ""
    if ('"' in place and "'" in place) or set(place) & set("{}|\n"):
        return ""
    quote = "'" if '"' in place else '"'
    return f"{{ title={quote}{place}{quote} }}"

"""An HTML output of a live system as HTML that can only be read: tables, lists, words.

What a program prints as HTML is read with the parser of the standard library and written anew from a short
list of elements without attributes; every other tag is left out and its words stay, those of scripts and
styles go. Nothing of the original text is copied but words, so it cannot act however it is written.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

_KEPT = frozenset({
    "p", "em", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "ul", "ol", "li",
    "blockquote", "dl", "dt", "dd", "del",
})  # fmt: skip
_AS = {"b": "strong", "i": "em", "h1": "p", "h2": "p", "h3": "p", "h4": "p", "h5": "p", "h6": "p", "s": "del"}
_VOID = frozenset({"br", "hr"})
_SILENT = frozenset({"script", "style", "template", "noscript", "iframe", "svg", "math", "title", "head"})
_SPANS = frozenset({"colspan", "rowspan"})
MAX_DEPTH = 40


def safe(text: str) -> str:
    """The HTML that is left, on one line; empty when it says nothing."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.written() if reader.said else ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._made: list[str] = []
        self._open: list[str] = []
        self._silent: list[str] = []
        self.said = False

    def written(self) -> str:
        return "".join([*self._made, *(f"</{tag}>" for tag in reversed(self._open))])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent or tag in _SILENT:
            self._silent.append(tag)
        elif tag in _VOID:
            self._made.append(f"<{tag}>")
        elif (kept := _AS.get(tag, tag)) in _KEPT and len(self._open) < MAX_DEPTH:
            spans = "".join(
                f' {name}="{value}"'
                for name, value in attrs
                if kept in ("td", "th") and name in _SPANS and re.fullmatch(r"[1-9]\d?", value or "")
            )
            self._open.append(kept)
            self._made.append(f"<{kept}{spans}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag in self._silent:
                del self._silent[len(self._silent) - 1 - self._silent[::-1].index(tag) :]
            return
        kept = _AS.get(tag, tag)
        if kept in self._open:
            while (top := self._open.pop()) != kept:
                self._made.append(f"</{top}>")
            self._made.append(f"</{kept}>")

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self.said = self.said or bool(data.strip())
        if "pre" not in self._open:
            data = re.sub(r"\s+", " ", data)
        shown = re.sub(r"[^\w\s.,/:;()%+-]|_", lambda mark: f"&#{ord(mark[0])};", data)
        self._made.append(shown.replace("\n", "&#10;"))

"""Cut a page's HTML into the sections of the search index, as Material's search plugin does, but sooner.

Python's `HTMLParser`, on which Material builds, looks at every character of every attribute. What Markdown
becomes is plainer than HTML may be, so one pattern finds its tags; at the first thing that is not plain (a
script, a comment, an odd `<`), `cut` says so and the caller asks Material. A test compares the two.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r"""<(?P<end>/?)(?P<tag>[a-zA-Z][a-zA-Z0-9-]*)"""
    r"""(?P<rest>(?:[ \t\n]+[a-zA-Z_:@][\w:.-]*(?:=(?:"[^"]*"|'[^']*'|[^\s"'=<>`/]+))?)*)"""
    r"""[ \t\n]*(?P<own>/?)>"""
)
_ATTRIBUTE = re.compile(r"""([a-zA-Z_:@][\w:.-]*)(?:=(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?""")
_OF_INTEREST = re.compile(r"(?:^|\s)id=|headerlink|data-search-exclude|linenodiv")
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905
_KEEP = frozenset({"p", "code", "pre", "li", "ol", "ul", "sub", "sup"})
_NEVER = frozenset({"object", "script", "style"})
_NOT_PLAIN = frozenset({"script", "style", "textarea", "title", "iframe", "noscript", "xmp", "plaintext",
                        "noembed", "noframes"})  # fmt: skip


@dataclass(slots=True)
class _Section:
    tag: str
    depth: float = 0
    excluded: bool = False
    identity: str | None = None
    title: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


class _NotPlain(Exception):
    """The HTML holds something that only a whole parser reads."""


def cut(content: str) -> list[Any] | None:
    """The sections (anchor, title, text) of plain HTML; None for HTML that is not."""
    cutter = _Cutter()
    position = 0
    try:
        for token in _TOKEN.finditer(content):
            if token.start() > position:
                cutter.words(content[position : token.start()])
            position = token.end()
            cutter.tag(token)
        if position < len(content):
            cutter.words(content[position:])
    except _NotPlain:
        return None
    return [
        [one.identity, ["".join(one.title)] if one.title else [], ["".join(one.text)]]
        for one in cutter.sections
        if not one.excluded
    ]


class _Cutter:
    """Material's rules. Elements are compared by the names of their tags, there as here."""

    def __init__(self) -> None:
        self.sections: list[_Section] = []
        self.section: _Section | None = None
        self.context: list[str] = []
        self.links: list[bool] = []
        self.skip = set(_NEVER)
        self.skipped = False

    def tag(self, token: re.Match[str]) -> None:
        name = token["tag"].lower()
        if name in _NOT_PLAIN:
            raise _NotPlain
        if token["end"]:
            self._close(name)
        elif name not in _VOID:
            rest = token["rest"]
            self._open(name, _attributes(rest) if _OF_INTEREST.search(rest) else {})
            if token["own"]:
                self._close(name)

    def words(self, raw: str) -> None:
        if "<" in raw:
            raise _NotPlain
        if self.skipped:
            return
        data = html.unescape(raw) if "&" in raw else raw
        blank = data.isspace()
        if "pre" not in self.context:
            data = " " if blank else data.replace("\n", " ")
            blank = data.isspace()
        section = self.section or self._preface()
        if section.tag in self.context:
            if not any(self.links):
                section.title.append(html.escape(data, quote=False))
        elif blank:
            if not section.text or not section.text[-1].isspace() or "pre" in self.context:
                section.text.append(data)
        else:
            section.text.append(html.escape(data, quote=False))

    def _preface(self, depth: float = 0) -> _Section:
        self.section = _Section("hx", depth)
        self.sections.append(self.section)
        return self.section

    def _open(self, name: str, attributes: dict[str, str | None]) -> None:
        self.context.append(name)
        self.links.append(name == "a" and attributes.get("class") == "headerlink")
        self.skipped = self.skipped or name in self.skip
        if name in _HEADINGS and "id" in attributes:
            depth = len(self.context)
            if name != "h1" and not self.sections:
                self._preface(depth)
            identity = attributes["id"] if self.sections else None
            self.section = _Section(name, depth, "data-search-exclude" in attributes, identity)
            self.sections.append(self.section)
        section = self.section or self._preface()
        if "data-search-exclude" in attributes or attributes.get("class") == "linenodiv":
            self.skip.add(name)
            self.skipped = True
            return
        if not self.skipped and name in _KEEP:
            (section.title if section.tag in self.context else section.text).append(f"<{name}>")

    def _close(self, name: str) -> None:
        if not self.context or self.context[-1] != name:
            return
        section = self.section
        assert section is not None
        if section.depth > len(self.context):
            for other in reversed(self.sections):
                if other.depth <= len(self.context):
                    section.depth = float("inf")
                    self.section = section = other
                    break
        self.context.pop()
        self.links.pop()
        if name in self.skip:
            if name not in _NEVER:
                self.skip.remove(name)
            self.skipped = not self.skip.isdisjoint(self.context)
            return
        if not self.skipped and name in _KEEP:
            _end(section.title if section.tag in self.context else section.text, name)


def _end(data: list[str], name: str) -> None:
    """Close an element; one without words is taken out again."""
    first = data.index(f"<{name}>")
    for position in range(first + 1, len(data)):
        if not data[position].isspace():
            data.append(f"</{name}>")
            return
    del data[first:]


def _attributes(text: str) -> dict[str, str | None]:
    found = {}
    for name, double, single, bare in _ATTRIBUTE.findall(text):
        value = double or single or bare
        found[name.lower()] = html.unescape(value) if "&" in value else value
    return found

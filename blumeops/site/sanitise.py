"""Raw HTML in a person's text: what is harmless stays as it is, what acts is shown instead, and is an error.

It works on the Markdown, before any generator sees it, so every generator's pages are safe. A text is read
as Python-Markdown reads it, and wherever that is not certain as prose: then a tag in code may be shown with
`&lt;`, but never runs. A test renders hostile texts and looks at what a browser would do with them.

A page whose front matter says `trusted: true` is left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from blumeops.errors import Problem
from blumeops.site import certain_code, frontmatter, hazards, markdown, raw_html

_ADDRESS = re.compile(
    r"<(?:(?:https?|ftps?|ssh|sftp|smb|vnc|obsidian)://[^<>\s\"']*|[^<>\s\"':/]+@[^<>\s\"']+)>"
)
_COMMENT = re.compile(r"<!--(?!-?>)(?:(?!--!?>|<!--).)*-->", re.DOTALL)
_BETWEEN = re.compile(r"<(?P<inside>[^<>\n=\"'`:]+)>(?=[)\s])")
_NEXT = re.compile(
    r"(?P<escaped>\\[\\`])|(?P<ticks>`+)|(?P<tag><(?=[A-Za-z/!?<&]))|(?P<link>\](?:\(|:)\s*)"
    r"|(?P<image>!\[(?!\[))|(?P<braces>\{)"
)
_DEEP = re.compile(r" {4}| {0,3}\t")
_PLAIN_LINE = re.compile(r"[ \t]*[A-Za-z(\"'$/]")
_TRUSTED = re.compile(r"^trusted:[ \t]*true[ \t]*$", re.MULTILINE)
_MARKS = re.compile(r"^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+[ \t>]*)*")


@dataclass(frozen=True, slots=True)
class Sanitised:
    """A text that can do no harm, with as many lines as before, and what was wrong in it."""

    text: str
    problems: tuple[Problem, ...] = ()


def sanitise(text: str, *, source: str, notebook: bool = False) -> Sanitised:
    """A page's text with everything shown that could act. `source` is the file that a problem names.

    In a `notebook`, cells of code are code; on any other page their fence is none to the generator.
    """
    if _TRUSTED.search(text[: frontmatter.end_of(text)]) or not _suspicious(text):
        return Sanitised(text)
    scan = _Scan(text, source, list(certain_code.spans(text, notebook=notebook)))
    scan.front_matter(frontmatter.end_of(text))
    scan.body()
    return Sanitised("".join(scan.pieces), tuple(scan.problems))


def _suspicious(text: str) -> bool:
    """Whether anything in a text would need a closer look, were it no code: most pages have nothing."""
    for found in _NEXT.finditer(text):
        at = found.start()
        match found.lastgroup:
            case "tag" if text.startswith("<!--", at):
                if not _COMMENT.match(text, at):
                    return True
            case "tag" if not _ADDRESS.match(text, at):
                tag = hazards.tag_at(text, at)
                if not tag or not hazards.is_fine(tag):
                    return True
            case "link" if hazards.acts(text, found.end()) or hazards.bare_end(text, at):
                return True
            case "image" if hazards.bare_end(text, at):
                return True
            case "braces" if hazards.listed(text, at):
                return True
    return False


@dataclass(slots=True)
class _Scan:
    """One pass over a text: what was read becomes `pieces`. `open` are raw elements Markdown is inside of."""

    text: str
    source: str
    code: list[certain_code.Span]
    pieces: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    position: int = 0
    comment_end: int = 0
    open: list[tuple[str, bool]] = field(default_factory=list)
    tail_line: int = -1
    unsure_end: int = 0
    bare_end: int = 0

    def front_matter(self, end: int) -> None:
        """Values go into titles and lists as they are, so no tag may stand in them."""
        for found in re.finditer(r"<(?=[A-Za-z/!?])", self.text[:end]):
            tag = hazards.tag_at(self.text, found.start())
            if tag and (harm := hazards.verdict(tag).harm):
                self._problem(harm, found.start())
            self._put(found.start(), found.end(), "‹")
        self._put(end, end, "")

    def body(self) -> None:
        """From the end of the front matter to the end of the text."""
        end = certain_code.Span(len(self.text), len(self.text), fenced=True)
        for code in (*self.code, end):
            while self.position < code.start and (
                found := _NEXT.search(self.text, self.position, code.start)
            ):
                self._one(found, code.start)
            if code.fenced or not self._is_raw(code.start):
                self._put(code.start, code.start, "")
                self._put(code.end, code.end, "")

    def _one(self, found: re.Match[str], limit: int) -> None:
        at, end = found.span()
        match found.lastgroup:
            case "ticks" if at < self.bare_end:
                self._put(at, end, "&#96;" * (end - at))
            case "ticks":
                self._skip(self._span_end(found, limit))
            case "tag":
                self._tag(at)
            case "link":
                self._link(found)
            case "braces":
                if name := hazards.listed(self.text, at):
                    if name != "=":
                        self._problem(f"{name} in an attribute list is not allowed in a page", at)
                    self._put(at, end, "&#123;")
                self._skip(end)
            case "image":
                self._bare(at)
                self._skip(end)
            case _:
                self._skip(end)

    def _bare(self, at: int) -> None:
        if at >= self.bare_end:
            self.bare_end = hazards.bare_end(self.text, at)

    def _link(self, found: re.Match[str]) -> None:
        at, end = found.span()
        if self.text.startswith("](", at):
            self._bare(at)
        label = self.text.rfind("[", 0, at)
        footnote = self.text.startswith("]:", at) and self.text.startswith("[^", label)
        if not footnote and hazards.acts(self.text, end):
            self._problem("this link's address would run something", at)
            self._put(end, end, "#")
            return
        between = _BETWEEN.match(self.text, end)
        known = raw_html.HARMFUL | raw_html.BLOCKS | raw_html.INLINE
        if between and re.split(r"[\s/]", between["inside"].strip("/"))[0].lower() not in known:
            end = between.end()
        self._skip(end)

    def _tag(self, at: int) -> None:
        if self.text.startswith("<!--", at):
            comment = _COMMENT.match(self.text, at)
            self.comment_end = comment.end() if comment else self.comment_end
            if comment and self._begins(at):
                self.tail_line = self._line(comment.end())
            self._put(at, at + 1, "<" if comment else "&lt;")
            self._skip(at + 4)
            return
        if address := _ADDRESS.match(self.text, at):
            self._skip(address.end())
            return
        tag = hazards.tag_at(self.text, at)
        if tag is None:
            harm = re.match(r"<(\w+)", self.text[at:])
            if harm and harm[1].lower() in raw_html.HARMFUL:
                self._problem(f"<{harm[1].lower()}> is not allowed in a page", at)
            self._put(at, at + 1, "&lt;")
            return
        verdict = hazards.verdict(tag)
        if verdict.harm:
            self._problem(verdict.harm, at)
        if at < self.bare_end:
            self._put(at, at + 1, "&lt;")
            return
        if verdict.text.startswith("<"):
            self._follow(tag)
        self._put(at, tag.end(), verdict.text)

    def _follow(self, tag: re.Match[str]) -> None:
        """Keep account of the raw elements that Markdown is inside of, as its own reader does."""
        name, at = tag["name"].lower(), tag.start()
        if tag["close"]:
            if name in [each for each, _ in self.open]:
                while self.open.pop()[0] != name:
                    pass
                self.tail_line = self._line(tag.end())
        elif name in raw_html.EMPTY or tag[0].endswith("/>"):
            if name in raw_html.BLOCKS and self._begins(at):
                self.tail_line = self._line(tag.end())
        elif self.open or (name in raw_html.BLOCKS and self._begins(at)):
            self.open.append((name, "markdown" in (tag["rest"] or "")))

    def _line(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _begins(self, at: int) -> bool:
        """Whether a tag here begins a block: at the start of a line, or behind another block on it."""
        start = self._line(at)
        return self.tail_line == start or (at - start <= 3 and not self.text[start:at].strip())

    def _span_end(self, found: re.Match[str], limit: int) -> int:
        """Where a code span ends. When it is none for certain, no other of its paragraph is either."""
        if found.start() < self.unsure_end:
            return found.end()
        close = re.compile(rf"(?<!`){found[0]}(?!`)").search(self.text, found.end(), limit)
        if close and not self._is_raw(found.start()) and self._is_span(found, close):
            return close.end()
        self.unsure_end = hazards.paragraph_end(self.text, found.end())
        return found.end()

    def _is_raw(self, at: int) -> bool:
        """Whether Markdown does not look into this place: inside of a raw element, or behind one."""
        return self.tail_line == self._line(at) or any(not markdown for _, markdown in self.open)

    def _is_span(self, opened: re.Match[str], close: re.Match[str]) -> bool:
        first, *more = self.text[opened.end() : close.start()].split("\n")
        begun = _MARKS.sub("", self.text[self._line(opened.start()) : opened.start()], count=1)
        if begun.startswith(("|", "#")) and (more or re.search(r"(?<!\\)\|", first)):
            return False
        if not more:
            return True
        if _DEEP.match(self.text, self._line(opened.start())):
            return False
        before = self.text[: opened.start()].rpartition("\n\n")[2]
        after = self.text[close.end() :].partition("\n\n")[0].replace(" ", "")
        return all(_PLAIN_LINE.match(line) for line in more) and "|" not in before and "\n:" not in after

    def _problem(self, what: str, at: int) -> None:
        if at < self.comment_end:
            return
        line, column = markdown.place(self.text, at)
        hint = "write it as `code`, or mark a page of your own with `trusted: true`"
        self.problems.append(Problem(what, self.source, line, column, hint))

    def _put(self, start: int, end: int, text: str) -> None:
        """Copy up to `start`, and put `text` in the place of what stands there up to `end`."""
        if start >= self.position:
            self.pieces += (self.text[self.position : start], text)
            self.position = end

    def _skip(self, end: int) -> None:
        self._put(end, end, "")

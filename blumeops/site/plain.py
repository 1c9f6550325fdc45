"""From the site's Markdown to plain Markdown that GitHub, an editor or a pager shows as it was meant.

Material's and Obsidian's own forms become standard ones: callouts and admonitions are quotes with a bold
title, tabs are parts with a bold title, `==marked==` is bold, attribute lists and icons go, an image with a
width is an `<img>`. Code is never touched, but for what stands behind the language of a fence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape

from blumeops.site import markdown

_CALLOUT = re.compile(r"(?P<quote>[ \t]*(?:>[ \t]?)+)\[!(?P<kind>[\w-]+)[^\]\n]*\][+-]?[ \t]*(?P<title>.*)$")
_BLOCK = re.compile(
    r"(?P<lead>[ \t]*)(?P<marks>!!!|\?\?\?\+?|===[!+]?)[ \t]*(?P<kind>[\w-]*)[^\"\n]*"
    r"(?:\"(?P<title>.*)\")?[ \t]*$"
)
_DIV = re.compile(r"[ \t]*</?div\b[^>]*>[ \t]*$")
_ATTRIBUTES = r"\{:?[ \t]*(?:[#.][\w:-]+|[\w-]+=(?:\"[^\"\n]*\"|[^\s\"}]+)|[ \t]+)+\}"
_SIZED_IMAGE = re.compile(
    r"!\[(?P<label>[^\]\n]*)\]\((?P<path>[^)\s]+)\)\{[^}\n]*?width=\"?(?P<width>\d+)[^}\n]*\}"
)
_AFTER = re.compile(rf"(?<=[)\]*_`])[ \t]?{_ATTRIBUTES}")
_AT_THE_END = re.compile(rf"(?m)(?<=\S)[ \t]+{_ATTRIBUTES}[ \t]*$")
_MARKED = re.compile(r"==(?=\S)(?P<text>[^=\n]+?)(?<=\S)==")
_ICON = re.compile(r":(?:material|octicons|fontawesome|simple)-[\w-]+:[ \t]?")
_ANCHOR = re.compile(r"\]\((?P<path>[^()\s#]*)#(?P<anchor>[^()\s]+)\)")
_BLOCK_ID = re.compile(
    r'^(?P<lead>[ \t>]*(?:[-*+][ \t]+|\d+[.)][ \t]+)?)<span id="(?P<id>\^[^"<>]*)"></span>'
)
_CODE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_BARE_PIPE = re.compile(r"(?<!\\)\|")
_LANGUAGE = re.compile(r"(?P<open>[ \t>]*(?:[-*+][ \t]+|\d+[.)][ \t]+)?[`~]{3,})[ \t]*(?P<info>\S.*)?$")

Anchors = Callable[[str, str], str]
"""From the path in a link (empty: this page) and the site's anchor to the anchor that GitHub makes."""


def anchors(text: str) -> Mapping[str, str]:
    """For each heading of a page, the site's anchor and the one that GitHub gives it."""
    return anchors_of(markdown.headings(text))


def anchors_of(headings: Iterable[markdown.Heading]) -> Mapping[str, str]:
    """The same, of headings that were read already."""
    found: dict[str, str] = {}
    counts: dict[str, int] = {}
    for heading in headings:
        slug = re.sub(r"[^\w\- ]", "", heading.text.strip().lower()).replace(" ", "-")
        count = counts.get(slug, 0)
        counts[slug] = count + 1
        found[heading.slug] = f"{slug}-{count}" if count else slug
    return found


def plain(text: str, anchor: Anchors) -> str:
    """A page's body, whose links are standard already, as plain Markdown."""
    return _inline("\n".join(_blocks(text.split("\n"))), anchor)


def close_up(text: str) -> str:
    """The text without more than one empty line in a row, but for its code."""
    text = text.strip("\n")
    ends = ((f.first, text.count("\n") if f.last is None else f.last) for f in markdown.fences(text))
    code = {number for first, last in ends for number in range(first, last + 1)}
    kept: list[str] = []
    for number, line in enumerate(text.split("\n")):
        if line.strip() or number in code or (kept and kept[-1].strip()):
            kept.append(line)
    return "\n".join(kept)


def _blocks(lines: list[str]) -> Iterator[str]:
    text = "\n".join(lines)
    fences = {fence.first: fence for fence in markdown.fences(text)}
    number = 0
    while number < len(lines):
        line = lines[number]
        if number in fences:
            last = fences[number].last
            end = len(lines) if last is None else last + 1
            yield _opening(line)
            yield from lines[number + 1 : end]
            number = end
        elif (found := _BLOCK.match(line)) and (found["kind"] or found["title"]):
            end = _end_of(lines, number, len(found["lead"].expandtabs(4)) + 4)
            yield from _titled(found, [_dedent(inner, found["lead"]) for inner in lines[number + 1 : end]])
            number = end
        elif found := _CALLOUT.match(line):
            yield f"{found['quote']}**{found['title'] or found['kind'].replace('-', ' ').capitalize()}**"
            below = lines[number + 1] if number + 1 < len(lines) else ""
            if below.strip(" \t>"):
                yield found["quote"].rstrip()
            number += 1
        else:
            if not _DIV.match(line):
                yield _BLOCK_ID.sub(r'\g<lead><a id="\g<id>"></a>', _row(line))
            number += 1


def _row(line: str) -> str:
    """A table's row whose code holds no bare pipe: the site's tables let code be, GitHub's end the cell."""
    if not line.lstrip(" \t>").startswith("|"):
        return line
    return _CODE.sub(lambda found: _BARE_PIPE.sub(r"\\|", found[0]), line)


def _end_of(lines: list[str], first: int, columns: int) -> int:
    """The line after the last one that is indented under a block's first line."""
    end = first + 1
    for number in range(first + 1, len(lines)):
        expanded = lines[number].expandtabs(4)
        if expanded.strip():
            if len(expanded) - len(expanded.lstrip()) < columns:
                break
            end = number + 1
    return end


def _dedent(line: str, lead: str) -> str:
    return line.expandtabs(4)[len(lead.expandtabs(4)) + 4 :]


def _titled(found: re.Match[str], inner: list[str]) -> Iterator[str]:
    title = found["title"] if found["title"] is not None else found["kind"].replace("-", " ").capitalize()
    body = "\n".join(_blocks(inner)).strip("\n").split("\n")
    mark = "" if found["marks"].startswith("===") else "> "
    head = [f"**{title}**", ""] if title else []
    for line in [*head, *body]:
        yield f"{found['lead']}{mark}{line}".rstrip()
    yield ""


def _opening(line: str) -> str:
    """The first line of a fence with its language alone: `{.yaml hl_lines="1"}` says nothing elsewhere."""
    found = _LANGUAGE.match(line)
    if not found or not found["info"]:
        return line
    word = re.match(r"\{?[ \t]*\.?(?P<language>[\w+#-]*)", found["info"])
    return found["open"] + (word["language"] if word else "")


def _inline(text: str, anchor: Anchors) -> str:
    replaced: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
        (_SIZED_IMAGE, _image),
        (_AFTER, lambda _: ""),
        (_AT_THE_END, lambda _: ""),
        (_MARKED, lambda found: f"**{found['text']}**"),
        (_ICON, lambda _: ""),
        (_ANCHOR, lambda found: f"]({found['path']}#{anchor(found['path'], found['anchor'])})"),
    )
    for pattern, made in replaced:
        text = _in_prose(pattern, made, text)
    return text


def _in_prose(pattern: re.Pattern[str], made: Callable[[re.Match[str]], str], text: str) -> str:
    """Replace what the pattern finds outside of code. Lengths are kept by the mask, so places agree."""
    if not pattern.search(text):
        return text  # most pages have none of most forms, and to mask a page takes longest
    pieces: list[str] = []
    position = 0
    for masked in pattern.finditer(markdown.mask(text)):
        found = pattern.match(text, masked.start())
        if found and found.end() == masked.end():
            pieces += text[position : masked.start()], made(found)
            position = masked.end()
    return "".join([*pieces, text[position:]])


def _image(found: re.Match[str]) -> str:
    label, path = escape(found["label"]), escape(found["path"])
    return f'<img src="{path}" alt="{label}" width="{found["width"]}">'

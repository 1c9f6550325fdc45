"""The headings of a text and their anchors, known before the site exists and equal to the site's.

The anchor of a heading is made by Python-Markdown's `toc` from the heading as it is rendered: without
emphasis, with the text of links and code, numbered when another element has the same. A test renders random
headings with the real configuration and compares.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from blumeops.site import prose
from blumeops.site.prose import Hidden, Kind

LONGEST = 2_000
"""So many characters of a text are searched for emphasis, which takes time by the square of their number."""
_BLOCK_KINDS = frozenset({Kind.RAW, Kind.COMMENT, Kind.REMOVED})
_ATX = re.compile(r"(?P<marks>#{1,6})(?P<text>(?:\\[^\n]|[^\\\n])*?)#*[ \t]*$", re.MULTILINE)
_LEAD = re.compile(r"(?:    |\t|>[ ]?|[-*+][ ]{1,3}|\d+\.[ ]{1,2})*")
_UNDERLINE = re.compile(r"\n(?P<line>[=-]+)[ ]*(?=\n|\Z)")
_ATTRIBUTES = re.compile(r"[ ]+\{:?[ ]*(?P<inside>[^}\n ][^\n]*)\}[ ]*$")
_ATTRIBUTE_ID = re.compile(r"""(?<![^\s:{])\#(?P<id>[^\s=}]+)|(?<![^\s{])id=["']?(?P<said>[^\s"'}]+)""")
_ANY_ATTRIBUTES = re.compile(
    r"(?:(?<=[)\]*_`=])|^[ \t>]*)\{:?[ ]*[^}\n]*\}[ \t]*$"
    r"|(?<=[)\]*_`=])\{:?[ ]*[^}\n]*\}"
    r"|[ ]\{:?[ ]*[^}\n]*\}[ ]*(?=\|)",
    re.MULTILINE,
)
_BLOCK_ID = re.compile(r"[ \t]+\^[A-Za-z0-9-]+$")
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)|!\[\[[^\]]*\]\]")
_LINK = re.compile(r"\[(?P<text>[^\[\]]*)\](?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\[\]]*\])")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]")
_WIKILINK = re.compile(r"\[\[(?P<target>[^\[\]|]*?)(?:\\?\|(?P<text>[^\[\]]*))?\]\]")
_STARS = re.compile(r"(?P<marks>\*{1,3})(?=[^\s*])(?P<text>.+?)(?<=[^\s*])(?P=marks)(?!\*)")
_UNDERSCORES = re.compile(r"(?<![\w_])(?P<marks>_{1,3})(?=[^\s_])(?P<text>.+?)(?<=[^\s])(?P=marks)(?![\w_])")
_MARKED = re.compile(r"==(?=[^\s=])(?P<text>.+?)(?<=[^\s=])==")
_COMMENT = re.compile(r"%%.*?%%|<!--.*?-->")
_AUTOLINK = re.compile(r"<((?:https?|mailto|ftp):[^<>\s]*)>")
_CODE = re.compile(r"(?<![`\\])(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_CODE_LANGUAGE = re.compile(r"(?:#!|:::)[\w-]+\s+")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!>|<~=^-])")
_MARKUP = re.compile(r"[\\`*_\[\]<>&=!%{}]")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its level, its text without markup, its anchor on the site, its line from 1."""

    level: int
    text: str
    slug: str
    line: int


def slugify(text: str) -> str:
    """The anchor of a heading text, equal to `markdown.extensions.toc.slugify_unicode` in mkdocs.yml."""
    kept = re.sub(r"[^\w\s-]", "", text).strip().lower()
    return re.sub(r"[-\s]+", "-", kept)


def headings(text: str) -> tuple[Heading, ...]:
    """All headings of a text with their anchors; a second heading of one name gets `_1`, as in the site."""
    blocks = prose.mask_blocks(text)
    return read(text, blocks, prose.hidden(blocks))


def read(text: str, blocks: str, hidden: list[Hidden]) -> tuple[Heading, ...]:
    """All headings of a text whose masks are known already."""
    seen = prose.blank(blocks, [piece for piece in hidden if piece.kind in _BLOCK_KINDS])
    found = sorted([*_atx(seen), *_setext(seen)])
    split = [_attributes(text[start:end].strip()) for start, end, _ in found]
    used = _explicit(seen) | {explicit for _, explicit in split if explicit}
    made: list[Heading] = []
    counted: dict[str, int] = {}
    line, position = 1, 0
    for (start, _, level), (words, explicit) in zip(found, split, strict=True):
        line += text.count("\n", position, start)
        position = start
        said = plain(words)
        slug = explicit or _unique(slugify(said), used, counted)
        used.add(slug)
        made.append(Heading(level, said, slug, line))
    return tuple(made)


def _atx(seen: str) -> list[tuple[int, int, int]]:
    """Where each `# heading` has its words, and its level. `#word` is a tag, `##word` a heading."""
    if "#" not in seen:
        return []
    found, position = [], 0
    while (start := seen.find("#", position)) >= 0:
        line = seen.rfind("\n", 0, start) + 1
        hit = _ATX.match(seen, start) if _LEAD.fullmatch(seen, line, start) else None
        if hit and _is_heading(hit):
            found.append((*hit.span("text"), len(hit["marks"])))
        position = seen.find("\n", start)
        if position < 0:
            break
    return found


def _is_heading(line: re.Match[str] | None) -> bool:
    return line is not None and (len(line["marks"]) > 1 or line["text"][:1] in (" ", "\t"))


def _setext(seen: str) -> list[tuple[int, int, int]]:
    found, taken = [], -1
    for hit in _UNDERLINE.finditer(seen):
        start = seen.rfind("\n", 0, hit.start()) + 1
        words = seen[start : hit.start()]
        above = seen[seen.rfind("\n", 0, max(0, start - 1)) + 1 : max(0, start - 1)]
        begins = not above.strip() or _is_heading(_ATX.match(above))
        if words.strip() and begins and start > taken and not _is_heading(_ATX.match(words)):
            found.append((start, hit.start(), 1 if hit["line"][0] == "=" else 2))
            taken = hit.end()
    return found


def _explicit(seen: str) -> set[str]:
    """Every id that a person gave to an element: a heading that would have the same gets a number."""
    if "{" not in seen:
        return set()
    lists = (found[0] for found in _ANY_ATTRIBUTES.finditer(seen))
    return {hit["id"] or hit["said"] for one in lists for hit in _ATTRIBUTE_ID.finditer(one)}


def _attributes(words: str) -> tuple[str, str]:
    words = _BLOCK_ID.sub("", words)
    found = _ATTRIBUTES.search(words) if words.endswith("}") else None
    if not found:
        return words, ""
    said = _ATTRIBUTE_ID.search("{" + found["inside"])
    return words[: found.start()].rstrip("#").rstrip(), (said["id"] or said["said"]) if said else ""


def _unique(slug: str, used: set[str], counted: dict[str, int]) -> str:
    """A slug that is not used: numbered after those before it, as `markdown.extensions.toc.unique` does."""
    if slug and slug not in used:
        return slug
    base, _, count = slug.rpartition("_")
    base, number = (base, int(count)) if count.isdecimal() and "_" in slug else (slug, 0)
    known = counted.get(base, 0)
    follows, number = number <= known, max(number, known)
    while f"{base}_{(number := number + 1)}" in used:
        pass
    if follows:
        counted[base] = number  # all numbers up to this one are used, so nobody has to try them again
    return f"{base}_{number}"


def plain(text: str) -> str:
    """Inline Markdown as the reader sees it: no emphasis marks, no code ticks, a link as its text."""
    if not _MARKUP.search(text):
        return _SPACES.sub(" ", text).strip()
    if len(text) > LONGEST:
        return f"{plain(text[:LONGEST])} {text[LONGEST:]}"
    kept: list[str] = []

    def keep(said: str) -> str:
        kept.append(said)
        return f"\0{len(kept) - 1}\0"

    text = _CODE.sub(lambda found: keep(_CODE_LANGUAGE.sub("", found[2].strip(), count=1)), text)
    text = _without_markup(_ESCAPED.sub(lambda found: keep(found[1]), text))
    text = re.sub("\0([0-9]+)\0", lambda found: kept[int(found[1])], text)
    return _SPACES.sub(" ", text).strip()


def _without_markup(text: str) -> str:
    text = _IMAGE.sub("", _COMMENT.sub("", _AUTOLINK.sub(r"\1", text)))
    text = _WIKILINK.sub(lambda found: found["text"] or shown(found["target"]), text)
    text = _FOOTNOTE.sub("", _LINK.sub(lambda found: found["text"], text))
    for pattern in (_STARS, _UNDERSCORES, _STARS, _UNDERSCORES, _MARKED):
        text = pattern.sub(lambda found: found["text"], text)
    return html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", "", text))


def shown(target: str) -> str:
    """What the reader sees of a wikilink without text: `page > heading`, as in Obsidian."""
    address, _, heading = target.partition("#")
    name = address.rpartition("/")[2].removesuffix(".md")
    return " > ".join(part for part in (name, *heading.split("#")) if part)

"""Text from outside, made fit to be read by an assistant: cleaned, bounded by a fence that names its source.

A page, a comment in a manifest, the text of an event, the name of a device: whoever writes those can write
sentences that are meant for an assistant. No filter finds them all, so none is tried. What is done instead
holds for every text: what a person would not see is taken out, secrets are masked, and the rest stands in a
fence that it cannot close and whose first line says where it came from. Whatever stands in a fence is data.

The same text always gives the same answer: no clock, no chance, no list of bad words.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from blumeops.redact import Masker

LONGEST_LABEL = 200
"""Characters of a source or a name; a path of more is cut, and a name of a sentence becomes none."""

SHORTEST_FENCE = 4
"""Backticks: one more than usual, so that what a page fences itself needs no longer one."""

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI, then OSC, DCS and their like
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c|\Z)"
    r"|\x1b[ -/]*[0-~]?"
)
"""Control sequences of terminals (ECMA-48); one that nothing ends goes on to the end of the text."""

_NESTED = 8
"""So often is looked for a comment in what taking out comments left; nobody nests them deeper by mistake."""

_ODD_LINE_ENDS = re.compile("[\x0b\x0c\x85\u2028\u2029]")
"""Where only some programs end a line; a reader of Python counts more lines than an editor shows."""
_COMMENT = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))", re.DOTALL)
_REFERENCE = re.compile(
    r"^ {0,3}\[[^\[\]\n]{1,99}\]:[ \t]*(?:#|<>)[ \t]*(?:\n[ \t]*)?(?:\"[^\"]*\"|'[^']*'|\([^()]*\))?[ \t]*$",
    re.MULTILINE,
)
"""`[//]: # (words)`: a link that nothing uses, by which Markdown is commented out."""

_BLANK_ENDS = re.compile(r"[ \t]+$", re.MULTILINE)
_TICKS = re.compile(r"`+")

_IGNORABLE = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2065, 0x2065),
    (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8),
    (0x1D159, 0x1D159), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Characters that show nothing and are in no category of such: Unicode's Default_Ignorable_Code_Point, and
the blank Braille pattern. The last range holds tags and variation selectors, by which bytes are smuggled."""

_mask = Masker()


def clean(text: str) -> str:
    """The text as a person would see it, with secrets masked.

    Terminal sequences, invisible and bidirectional characters, and HTML comments are taken out, in code
    too; a comment without an end goes on to the end, as in a browser. Every line stays on its line.
    Cleaning twice changes nothing.
    """
    text = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _ODD_LINE_ENDS.sub(" ", text)
    text = _without_hidden(text)
    for _ in range(_NESTED):
        before, text = text, _REFERENCE.sub(_lines_of, _COMMENT.sub(_lines_of, text))
        if text == before:
            break  # until then, what stood around a comment may be one now
    return _mask(_BLANK_ENDS.sub("", text.replace("<!--", "‹!--")))


def published(text: str) -> str:
    """A page's text without Obsidian's comments `%%…%%`, which no reader of the site or the vault sees.

    They are no comments in code. Every line stays on its line; one that nothing closes goes on to the end.
    """
    if "%%" not in text:
        return text
    from blumeops.site import prose

    kept: list[str] = []
    position = 0
    for piece in prose.hidden(prose.mask_blocks(text)):
        if piece.kind in (prose.Kind.REMOVED, prose.Kind.UNCLOSED):
            end = piece.end if piece.kind is prose.Kind.REMOVED else len(text)
            kept += text[position : piece.start], "\n" * text.count("\n", piece.start, end)
            position = end
    return "".join((*kept, text[position:]))


def fence(text: str, source: str, *, language: str = "text") -> str:
    """The cleaned text in a fence that it cannot close; the fence's first line names `source`.

    `source` is a place of the repository, such as `docs/reference/caddy.md:12`, or says in our own words
    where the text is from: `live: kubectl events`. Foreign words in it go through `label` first. As
    `markdown` it is a page, without its comments (`published`).
    """
    shown = clean(text)
    if language == "markdown":
        shown = clean(published(shown))
    shown = shown.strip("\n")
    longest = max(map(len, _TICKS.findall(shown)), default=0)
    marks = "`" * max(SHORTEST_FENCE, longest + 1)
    return f"{marks}{language} {_one_line(source)}\n{shown}\n{marks}"


def label(text: str) -> str:
    """A foreign name as one word that may stand outside of a fence: a path, a service, a device.

    Letters, digits and `._-/:@+` stay, whatever else there is stands percent-encoded: such a word names its
    thing, and cannot be read as a sentence. `urllib.parse.unquote` gives the name back.
    """
    shown = quote(text, safe="._-/:@+~", errors="replace")
    return shown if len(shown) <= LONGEST_LABEL else f"{shown[: LONGEST_LABEL - 1]}…"


def _without_hidden(text: str) -> str:
    """Without characters that show nothing; odd spaces become spaces, halves of characters `�`."""
    if text.isascii():
        return text.translate(_CONTROLS)
    return text.translate({ord(one): _shown(one) for one in set(text)})


def _shown(character: str) -> str:
    point = ord(character)
    if character in "\n\t" or " " <= character <= "~":
        return character
    if any(first <= point <= last for first, last in _IGNORABLE) or point & 0xFFFE == 0xFFFE:
        return ""
    match unicodedata.category(character):
        case "Cc" | "Cf" | "Co":
            return ""
        case "Cs":
            return "\ufffd"
        case "Zs":
            return " "
        case _:
            return character


_CONTROLS = {point: _shown(chr(point)) for point in range(0x80)}


def _lines_of(found: re.Match[str]) -> str:
    """What is left of a comment: its line ends, so that every line keeps its number."""
    return "\n" * found[0].count("\n")


def _one_line(source: str) -> str:
    """A source as it may stand behind a fence's backticks, where CommonMark allows none."""
    words = " ".join(clean(source).replace("`", "'").split())
    return words if len(words) <= LONGEST_LABEL else f"{words[: LONGEST_LABEL - 1]}…"

"""What a runbook's cells said, as Markdown that cannot do anything but be read.

Outputs come from live systems: a device's name, a manifest's annotation, a log line. So nothing in them may
become HTML of its own, a link, an attribute or a heading of the page. Tables, lists, emphasis, code and diffs
of a Markdown output work, so do terminal colours, pictures and the tables of an HTML output; everything else
is shown as the characters that it is.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from blumeops.records import Output
from blumeops.site import ansi, foreign_html

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_FENCE = re.compile(r"(?P<run>`{3,}|~{3,})[ \t]*(?P<word>[\w+-]*)[^`]*$")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_HEADING = re.compile(r"[ \t]*#+[ \t]*(?P<text>.*?)[ \t]*#*$")
_UNDERLINE = re.compile(r"[ \t]*(?:=+|-+)[ \t]*$")
_ACTIVE = str.maketrans({mark: f"&#{ord(mark)};" for mark in "<&[]{}!`~"})
_INSIDE_CODE = str.maketrans({mark: f"&#{ord(mark)};" for mark in "<>&[]{}!`~\\*_|\"'#"})
MAX_LINES = 400
"""Longer outputs are cut on the page: the whole is in the record."""

LONG_LINES = 30
"""Longer outputs are folded."""

MAX_PICTURE = 500_000
"""Bytes of a picture that a page takes; it stands in the page itself."""

_MARKED = "\ue01b"
"""Stands for the escape character of a colour while the others are taken out; for private use in Unicode."""

_PNG = b"\x89PNG\r\n\x1a\n"


def clean(text: str, *, colours: bool = False) -> str:
    """Text without terminal colours, control characters and marks that change the reading direction.

    A carriage return overwrites its line, as it does on a terminal. With `colours`, their marks stay.
    """
    text = _ANSI.sub(lambda mark: _kept(mark[0]) if colours else "", text.replace(_MARKED, "")).replace(
        "\r\n", "\n"
    )
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    cleaned = "\n".join(_CONTROL.sub("", line) for line in lines)
    return cleaned.replace(_MARKED, "\x1b") if colours else cleaned


def _kept(mark: str) -> str:
    return _MARKED + mark[1:] if ansi.COLOURED.fullmatch(mark) else ""


def fence(text: str, word: str = "text", title: str = "") -> str:
    """Text in a fence that nothing in the text can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    caption = f' title="{title}"' if title else ""
    return f"{marks}{word}{caption}\n{text}\n{marks}"


def to_markdown(output: Output, *, html: bool = False) -> str:
    """One output as Markdown; empty when it says nothing.

    With `html`, what Markdown has no form for (colours, pictures, folding) is written as HTML.
    """
    match output.mime:
        case "image/png" | "image/svg+xml" if html:
            return _picture(output)
        case "text/html" if html:
            return _foreign(output.text)
    text = _cut(clean(output.text)).strip("\n")
    if not text.strip():
        return ""
    title = {"stderr": "messages", "error": "error"}.get(output.stream, "output")
    if output.mime == "text/markdown":
        shown = inert(text)
    elif not output.mime.startswith("text/plain"):
        return f"*An output of type `{re.sub(r'[^a-z0-9/+.-]', '', output.mime)}` is not shown.*"
    elif html and ansi.COLOURED.search(output.text):
        shown = _coloured(output.text, title)
    else:
        shown = fence(text, "text", title)
    lines = text.count("\n") + 1
    if html and lines > LONG_LINES and output.stream != "error":
        return _folded(shown, f"{title}, {lines} lines")
    return shown


def _coloured(text: str, title: str) -> str:
    """A text with terminal colours as the block that a fence becomes."""
    shown = ansi.to_html(_cut(clean(text, colours=True)).strip("\n"))
    caption = f'<span class="filename">{title}</span>'
    return f'<div class="language-text highlight">{caption}<pre><code>{shown}&#10;</code></pre></div>'


def _folded(shown: str, title: str) -> str:
    summary = f"<summary>{title}</summary>"
    return f'<details class="cell-long" markdown="1">{summary}\n\n{shown}\n\n</details>'


def _picture(output: Output) -> str:
    """A picture in the page itself: as the source of an `img` no SVG runs a script or loads a file."""
    try:
        text = output.text.encode()
        data = text if output.mime == "image/svg+xml" else base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError):
        data = b""
    if output.mime == "image/png" and not data.startswith(_PNG):
        return "*A picture is not shown: it is no PNG.*"
    if len(data) > MAX_PICTURE:
        return f"*A picture is not shown: it is larger than {MAX_PICTURE // 1000} kB.*"
    source = f"data:{output.mime};base64,{base64.b64encode(data).decode()}"
    return f'<p class="cell-picture"><img alt="A picture that this step made" src="{source}"></p>'


def _foreign(text: str) -> str:
    shown = foreign_html.safe(text[: MAX_LINES * 500])
    return f'<div class="cell-html">{shown}</div>' if shown else ""


def inert(text: str) -> str:
    """Markdown from outside with everything taken out that could act, name a place, or change the page."""
    return "\n".join(_lines(text.split("\n")))


def _lines(lines: list[str]) -> Iterator[str]:
    number = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        close = _closing(lines, number, opened["run"]) if opened else None
        if opened and close:
            yield from ("", fence("\n".join(lines[number + 1 : close]), opened["word"] or "text"), "")
            number = close + 1
            continue
        yield _line(lines[number], below_text=bool(number and lines[number - 1].strip()))
        number += 1


def _closing(lines: list[str], opened: int, run: str) -> int | None:
    closes = (n for n in range(opened + 1, len(lines)) if lines[n].rstrip() == run)
    return next(closes, None)


def _line(line: str, *, below_text: bool) -> str:
    if below_text and _UNDERLINE.match(line):
        return ""
    if line.lstrip().startswith("#"):
        found = _HEADING.match(line)
        words = _inline(found["text"]) if found else ""
        return f"\n**{words}**\n" if words else ""
    return _inline(line)


def _inline(text: str) -> str:
    pieces: list[str] = []
    position = 0
    for found in _CODE_SPAN.finditer(text):
        pieces.append(text[position : found.start()].translate(_ACTIVE))
        code = found[2].strip().replace("\\|", "|")
        pieces.append(f"<code>{code.translate(_INSIDE_CODE)}</code>")
        position = found.end()
    pieces.append(text[position:].translate(_ACTIVE))
    return "".join(pieces)


def _cut(text: str) -> str:
    lines = text.split("\n")
    if len(lines) <= MAX_LINES:
        return text
    return "\n".join([*lines[:MAX_LINES], f"… {len(lines) - MAX_LINES} more lines"])

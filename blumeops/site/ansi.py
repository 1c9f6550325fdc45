"""Terminal colours as HTML: spans with classes from a closed list, so a theme can show them light and dark.

Only colours, weight and the like are read (ECMA-48, "Select Graphic Rendition"). Colours beyond the sixteen
with a name become the nearest of these: a page has two backgrounds, and any other could vanish on one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

COLOURED = re.compile(r"\x1b\[[0-9;:]*m")
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_RGB = (
    (0, 0, 0), (205, 49, 49), (13, 188, 121), (229, 229, 16), (36, 114, 200), (188, 63, 188), (17, 168, 205),
    (229, 229, 229),
)  # fmt: skip
_WEIGHTS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck"}
_ENDS = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("struck",)}


def to_html(text: str) -> str:
    """A text with colour marks as HTML on one line; everything else in it is shown as characters.

    One line, with its line ends as entities: nothing in it can be read as Markdown then.
    """
    return "".join(_spans(text)).replace("\n", "&#10;")


def _spans(text: str) -> Iterator[str]:
    style: dict[str, str] = {}
    at = 0
    for found in COLOURED.finditer(text):
        yield _span(text[at : found.start()], style)
        style = _changed(style, found[0][2:-1])
        at = found.end()
    yield _span(text[at:], style)


def _span(text: str, style: dict[str, str]) -> str:
    if not text:
        return ""
    shown = re.sub(r"[^\w\s.,/:;()%+-]|_", lambda mark: f"&#{ord(mark[0])};", text)
    classes = " ".join(f"ansi-{html.escape(name)}" for name in sorted(style.values()))
    return f'<span class="{classes}">{shown}</span>' if classes else shown


def _changed(style: dict[str, str], words: str) -> dict[str, str]:
    codes = [int(word or 0) if len(word) < 4 else -1 for word in re.split("[;:]", words)]
    made = dict(style)
    while codes:
        code = codes.pop(0)
        if code == 0:
            made.clear()
        elif code in _WEIGHTS:
            made[_WEIGHTS[code]] = _WEIGHTS[code]
        elif code in _ENDS:
            for name in _ENDS[code]:
                made.pop(name, None)
        elif code in (39, 49):
            made.pop("on" if code == 49 else "colour", None)
        elif code in (38, 48):
            _extended(made, "on-" if code == 48 else "", codes)
        elif name := _named(code):
            made["on" if name.startswith("on-") else "colour"] = name
    return made


def _named(code: int) -> str:
    for first, prefix in ((30, ""), (90, "bright-"), (40, "on-"), (100, "on-")):
        if first <= code < first + 8:
            return prefix + _NAMES[code - first]
    return ""


def _extended(style: dict[str, str], prefix: str, codes: list[int]) -> None:
    """One of 256 colours, or red, green and blue, taken off the codes that follow."""
    kind = codes.pop(0) if codes else -1
    rgb: tuple[int, ...] | None = None
    if kind == 5 and codes:
        rgb = _of_256(codes.pop(0))
    elif kind == 2 and len(codes) >= 3:
        rgb = tuple(codes[:3])
        del codes[:3]
    if rgb is not None:
        style["on" if prefix else "colour"] = prefix + _nearest(rgb)


def _of_256(number: int) -> tuple[int, ...]:
    if number < 16:
        return _RGB[number % 8]
    if number < 232:
        number -= 16
        return tuple(51 * part for part in (number // 36, number // 6 % 6, number % 6))
    return (8 + 10 * (number - 232),) * 3


def _nearest(rgb: tuple[int, ...]) -> str:
    def distance(known: tuple[int, int, int]) -> int:
        return sum((one - other) ** 2 for one, other in zip(rgb, known, strict=True))

    return _NAMES[min(range(8), key=lambda number: distance(_RGB[number]))]

"""Masks text that comes in pieces: a secret may be cut anywhere between two of them."""

from __future__ import annotations

import re

from blumeops.redact import MASK, Masker

LONGEST_LINE = 1 << 16
"""A line that is longer is shown in parts."""

_TELLING = 4
"""So many first letters of a secret are held back; fewer are the end of many a word."""

_KEY_BEGINS = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END (?:[A-Z]+ )*PRIVATE KEY-----")
_LINE_ENDS = re.compile(r"[\n\r]")


class MaskedText:
    """Takes pieces of one text and gives back what may be shown of it so far."""

    def __init__(self, mask: Masker) -> None:
        self._mask = mask
        self._held = ""
        self._in_key = False

    def __bool__(self) -> bool:
        return bool(self._held)

    def feed(self, piece: str) -> str:
        """Take a piece; the lines that are whole now, masked."""
        self._held += piece
        end = max(self._held.rfind("\n"), self._held.rfind("\r")) + 1
        if len(self._held) - end > LONGEST_LINE:
            end = self._cut(self._held)
        return self._take(end) if end else ""

    def idle(self) -> str:
        """What may be shown of an unfinished line when nothing came for a while: its whole words."""
        if not self._held or self._in_key or _KEY_BEGINS.search(self._held):
            return ""
        end = max(self._held.rfind(" "), self._held.rfind("\t")) + 1
        for word in self._mask.words:
            if " " in word:
                end = min(end, _before(self._held[:end], word))
        return self._take(end) if end else ""

    def pause(self) -> str:
        """What may be shown because something else comes in between: all but the first half of a secret."""
        if self._in_key or _KEY_BEGINS.search(self._held):
            return ""
        end = min((_before(self._held, word, _TELLING) for word in self._mask.words), default=len(self._held))
        return self._take(end) if end else ""

    def flush(self) -> str:
        """All the rest, masked; nothing more comes, or not to this line."""
        return self._take(len(self._held), last=True)

    def _take(self, end: int, *, last: bool = False) -> str:
        text, self._held = self._held[:end], self._held[end:]
        if self._in_key:
            ends = _KEY_ENDS.search(text)
            if not ends:
                return ""
            self._in_key, text = False, text[ends.end() :]
        begins = next(reversed(tuple(_KEY_BEGINS.finditer(text))), None)
        if begins and not _KEY_ENDS.search(text, begins.end()):
            if last:
                return self._mask(text)
            self._in_key = True
            return self._mask(text[: begins.start()]) + MASK
        return self._mask(text)

    def _cut(self, text: str) -> int:
        """Where an endless line may be cut: in no known value, and none may begin before and end after it."""
        longest = max((len(word) for word in self._mask.words), default=0)
        end = max(0, len(text) - longest)
        space = text.rfind(" ", max(0, end - 4096), end) + 1
        end = space or end
        for word in self._mask.words:
            at = text.find(word, max(0, end - len(word) + 1), end + len(word) - 1)
            if 0 <= at < end < at + len(word):
                end = at
        return end


def _before(text: str, word: str, shortest: int = 1) -> int:
    """The length of the text without an end that could be the beginning of the word."""
    for size in range(min(len(word) - 1, len(text)), shortest - 1, -1):
        if text.endswith(word[:size]):
            return len(text) - size
    return len(text)


def collapsed(text: str) -> str:
    """The text as a terminal shows it in the end: a carriage return begins its line again."""
    if "\r" not in text:
        return text
    return "\n".join(_overwritten(line) for line in text.replace("\r\n", "\n").split("\n"))


def _overwritten(line: str) -> str:
    shown = ""
    for part in line.split("\r"):
        erased = part.startswith("\x1b[2K") or part.startswith("\x1b[K")
        shown = part if erased else part + shown[len(part) :]
    return shown

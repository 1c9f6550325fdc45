"""Gathers what a cell says, as a record and a notebook keep it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blumeops.records import Output, formed
from blumeops.redact_stream import collapsed

Notify = Callable[[Output], None]


class Said:
    """Gathers a cell's outputs: pieces of one stream in a row are one output."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._found: list[Output] = []
        self._pieces: list[str] = []
        self._stream = ""
        self._displays: dict[str, int] = {}

    def take(self, what: dict[str, Any]) -> None:
        """Take one message of the shell."""
        if "text" in what:
            if what["stream"] != self._stream:
                self._close()
            self._stream = what["stream"]
            self._pieces.append(what["text"])
            self._notify(Output("text/plain", what["text"], what["stream"]))
            return
        output = formed(what["forms"], what["stream"])
        if output is None:
            return
        self._close()
        place = self._displays.get(what.get("display", ""))
        if what.get("update") and place is not None:
            self._found[place] = output
        else:
            self._displays[what.get("display", "")] = len(self._found)
            self._found.append(output)
        self._notify(output)

    def _close(self) -> None:
        if self._pieces:
            self._found.append(Output("text/plain", collapsed("".join(self._pieces)), self._stream))
        self._pieces, self._stream = [], ""

    def outputs(self) -> tuple[Output, ...]:
        """All of them, in order."""
        self._close()
        return tuple(self._found)

"""Progress of long work: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.markup import escape
from rich.status import Status

from blumeops.cli import show

if TYPE_CHECKING:
    from blumeops.sandbox.engines_build import Progress

QUIET_LINE_SECONDS = 30.0
"""How often a line says that a long build still goes on, where there is no terminal."""


class Screen:
    """Says what goes on. Lines stay; the status line below them, on a terminal only, comes and goes."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = Status("", console=show.err) if show.err.is_terminal and not quiet else None
        self._begun = time.monotonic()
        self._said = ("", 0.0)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def line(self, text: str) -> None:
        """Say one thing that has happened."""
        if not self._quiet:
            show.err.print(f"[dim]{clock(self._begun)}[/] {escape(text)}")

    def result(self, text: str) -> None:
        """Say what the user asked for: it goes to standard output, quiet or not."""
        show.out.print(escape(text))

    def now(self, text: str) -> None:
        """Say what goes on at the moment; without a terminal, once for each thing and then now and then."""
        if self._live:
            self._live.update(f"[dim]{clock(self._begun)}[/] {escape(text)}")
            return
        head, at = self._said
        subject = text.partition(" · ")[0]
        if subject != head or time.monotonic() - at > QUIET_LINE_SECONDS:
            self._said = (subject, time.monotonic())
            self.line(text)

    def building(self, progress: Progress) -> None:
        """Say how far an engine's build is."""
        self.now(str(progress))


def clock(begun: float) -> str:
    """Minutes and seconds since then, which is a time of `time.monotonic`."""
    seconds = int(time.monotonic() - begun)
    return f"{seconds // 60}:{seconds % 60:02d}"

"""What the cells say, in order, masked, and bounded: the shell's one way out.

Python's own writes go straight to the channel. What child processes write to descriptors 1 and 2 comes
through two pipes, which are emptied before every write of our own, so that the order of both is kept.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import io
import json
import os
import re
import select
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from types import FrameType

from blumeops.redact import Masker
from blumeops.redact_stream import MaskedText

CELL_BYTES = 1 << 20
"""So much of what one cell says is kept: three quarters from the beginning, the rest from the end."""

IDLE_SECONDS = 0.2
"""After so long an unfinished line is shown."""

_PIPE_BYTES = 1 << 20
_BINARY = re.compile(r"(?:image/(?!svg)|audio/|video/|application/(?:pdf|octet-stream))")
"""What comes in base64, where nothing can be masked."""


class Interrupts:
    """Lets an interrupt into the cell's code, and never into the middle of a message of ours."""

    def __init__(self) -> None:
        self._depth = 1
        self._came = False
        self._main = threading.get_ident()

    def arm(self) -> None:
        """Take over SIGINT; interrupts wait until the first `let_in`."""
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._came = True
        else:
            raise KeyboardInterrupt

    def __enter__(self) -> None:
        """Keep interrupts waiting; one that came is raised at the end. Other threads never get one."""
        if threading.get_ident() == self._main:
            self._depth += 1

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() != self._main:
            return
        self._depth -= 1
        if self._came and not self._depth:
            self._came = False
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def let_in(self) -> Iterator[None]:
        """Let interrupts in for the length of a cell."""
        self._came, self._depth = False, 0
        try:
            yield
        finally:
            self._depth, self._came = 1, False


class Channel:
    """Sends what is said to the keeper; holds back what could be the beginning of a secret."""

    def __init__(self, control: socket.socket, mask: Masker, interrupts: Interrupts) -> None:
        self.control, self.mask, self.interrupts = control, mask, interrupts
        self.lock = threading.RLock()
        self.pid = os.getpid()
        self._texts = {"stdout": MaskedText(mask), "stderr": MaskedText(mask)}
        self._sent = self._held = self._left_out = 0
        self._tail: deque[tuple[str, str]] = deque()
        self._last = "stdout"

    def begin(self) -> None:
        """A cell begins: count anew."""
        self._sent = self._held = self._left_out = 0
        self._tail.clear()

    def text(self, stream: str, text: str) -> None:
        """Say a piece of text."""
        with self.interrupts, self.lock:
            if stream != self._last:
                self._emit(self._last, self._texts[self._last].idle())
                self._last = stream
            self._emit(stream, self._texts[stream].feed(text))

    def idle(self) -> None:
        """Nothing was said for a while: show the unfinished lines."""
        with self.lock:
            for stream, text in self._texts.items():
                self._emit(stream, text.idle())

    def pause(self) -> None:
        """Say what was held back, because something else comes after it."""
        with self.interrupts, self.lock:
            for stream, text in self._texts.items():
                self._emit(stream, text.pause())

    def forms(
        self, stream: str, forms: Mapping[str, object], *, display: str = "", update: bool = False
    ) -> None:
        """Say something that has several forms: type to text, or to bytes in base64."""
        if os.getpid() != self.pid:
            return  # a forked child: its text comes through the pipe, and nothing else can
        made = {mime: form for mime, value in forms.items() if (form := self._form(mime, value)) is not None}
        size = sum(map(len, made.values()))
        if made and self._sent + size > CELL_BYTES:
            made = {
                "text/plain": f"[left out, because it is too large: {', '.join(made)}, {size:,} characters]"
            }
            size = 0
        if made:
            self.pause()
            extra = {"display": display, "update": update} if display else {}
            with self.interrupts, self.lock:
                self._sent += size
                self.send("o", {"stream": stream, "forms": made, **extra})

    def _form(self, mime: str, value: object) -> str | None:
        if isinstance(value, bytes):
            import base64

            return base64.b64encode(value).decode()
        if not isinstance(value, str):
            value = json.dumps(value, ensure_ascii=False, default=repr)
        return value if _BINARY.match(mime) else self.mask(value)

    def _emit(self, stream: str, text: str) -> None:
        if not text:
            return
        if self._sent < CELL_BYTES * 3 // 4:
            self._sent += len(text)
            self.send("o", {"stream": stream, "text": text})
            return
        self._tail.append((stream, text))
        self._held += len(text)
        while self._held - len(self._tail[0][1]) > CELL_BYTES // 4:
            left = len(self._tail.popleft()[1])
            self._held -= left
            self._left_out += left

    def end(self) -> None:
        """The cell is over: say the rest, and how much was left out."""
        with self.interrupts, self.lock:
            for stream, text in self._texts.items():
                self._emit(stream, text.flush())
            if self._left_out:
                much = f"{self._left_out:,} characters are left out here: a cell may say {CELL_BYTES:,}"
                note = f"\n[… {much} …]\n"
                self.send("o", {"stream": self._tail[0][0], "text": note})
            for stream, said in self._tail:
                self.send("o", {"stream": stream, "text": said})
            self.begin()

    def send(self, kind: str, what: object) -> None:
        """Send one message, whole."""
        if os.getpid() == self.pid:
            with self.interrupts, self.lock:
                self.control.sendall(kind.encode() + json.dumps(what).encode() + b"\n")


class Stream(io.TextIOBase):
    """Stands for `sys.stdout` or `sys.stderr` in the shell."""

    def __init__(self, name: str, descriptor: int, channel: Channel, pipes: Pipes) -> None:
        self.name = f"<{name}>"
        self.buffer = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115 - lives as we do
        self._stream, self._descriptor, self._channel, self._pipes = name, descriptor, channel, pipes

    encoding = "utf-8"
    errors = "backslashreplace"

    def fileno(self) -> int:
        """The descriptor that children inherit."""
        return self._descriptor

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Say it. In a forked child it goes through the pipe, as with any other program."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if os.getpid() != self._channel.pid:
            self.buffer.write(text.encode(errors="replace"))
        elif text:
            with self._channel.interrupts, self._channel.lock:
                self._pipes.drain()
                self._channel.text(self._stream, text.encode(errors="replace").decode())
        return len(text)


class Pipes:
    """Descriptors 1 and 2 of this process and its children, read by a thread."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        decoder = codecs.getincrementaldecoder("utf-8")
        self._reading: dict[int, tuple[str, codecs.IncrementalDecoder]] = {}
        self._waiting = select.poll()
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            reader, writer = os.pipe()
            with contextlib.suppress(OSError):
                fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            os.dup2(writer, descriptor)
            os.close(writer)
            os.set_blocking(reader, False)
            self._reading[reader] = (name, decoder(errors="replace"))
            self._waiting.register(reader, select.POLLIN)
        both = Stream("stdout", 1, channel, self), Stream("stderr", 2, channel, self)
        sys.stdout, sys.stderr = both
        sys.__stdout__, sys.__stderr__ = both  # type: ignore[misc,assignment]  # Python lets them be set
        threading.Thread(target=self._follow, name="blumeops-output", daemon=True).start()

    def _follow(self) -> None:
        while True:
            ready, _, _ = select.select(list(self._reading), [], [], IDLE_SECONDS)
            with contextlib.suppress(OSError):  # the keeper has gone, and we go with it
                if ready:
                    self.drain()
                else:
                    self._channel.idle()

    def drain(self) -> None:
        """Say what the children wrote so far."""
        if os.getpid() != self._channel.pid:
            return  # a forked child would take it from us
        with self._channel.interrupts, self._channel.lock:
            for reader, _ in self._waiting.poll(0):
                name, decoder = self._reading[reader]
                with contextlib.suppress(BlockingIOError):
                    while data := os.read(reader, 1 << 16):
                        self._channel.text(name, decoder.decode(data))

"""Kernels for tests: real ones, in a folder of the test's own, and a look at what is left of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blumeops.mode import Mode
from blumeops.records import Output
from blumeops.runbooks.kernel import Executed, Kernel
from tests import waiting

PATIENCE = 60.0
PAGE = "runbooks/page.md"


def until(holds: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether it holds before the time is over."""
    return waiting.until(holds, seconds)


@contextmanager
def kernel(folder: Path, root: Path | None = None, **environment: str) -> Iterator[Kernel]:
    """A kernel that is ended, whatever the test does."""
    (folder / "root").mkdir(exist_ok=True)
    made = Kernel.start(
        folder / "run", root=root or folder / "root", environment={**os.environ, **environment}
    )
    try:
        yield made
    finally:
        made.end()


def run(
    made: Kernel,
    source: str,
    *,
    mode: Mode = Mode.READ,
    timeout: float | None = PATIENCE,
    line: int = 10,
    notify: Callable[[Output], None] = lambda _output: None,
) -> Executed:
    """Run a cell that stands at line 10 of a page."""
    return made.execute(source, filename=PAGE, line=line, mode=mode, timeout=timeout, notify=notify)


def said(done: Executed, stream: str = "stdout") -> str:
    """What a cell said on one stream."""
    return "".join(output.text for output in done.outputs if output.stream == stream)


def written(path: Path) -> str:
    """A file's text, once it is there."""
    assert until(lambda: path.exists() and bool(path.read_text().strip())), path
    return path.read_text().strip()

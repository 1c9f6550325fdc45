"""Runbooks as tests: `pytest runbooks/` rehearses each on the sandbox and shows where one fails.

pytest loads this module in every project of an environment, so it imports nothing of ours until a runbook
runs. It takes a file only when the folder `runbooks` at the root of a BlumeOps checkout was named on the
command line or in `testpaths`: whoever starts a bare `pytest` does not expect a sandbox to be changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from blumeops.runbooks.rehearsing import Rehearsal

FOLDER = "runbooks"
FENCE = "```{code-cell}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of runbooks."""
    group = parser.getgroup("blumeops", "runbooks (BlumeOps)")
    group.addoption(
        "--runbook-target",
        default="sandbox",
        metavar="NAME",
        help="the target that runbooks are rehearsed on",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A runbook, when its folder was asked for."""
    if file_path.suffix != ".md" or file_path.parent.name != FOLDER:
        return None
    if not _named(parent.config, file_path) or not _is_runbook(file_path):
        return None
    return RunbookFile.from_parent(parent, path=file_path)


def _named(config: pytest.Config, path: Path) -> bool:
    given = (Path(str(word).partition("::")[0]) for word in config.args)
    places = [place if place.is_absolute() else config.invocation_params.dir / place for place in given]
    return any(place.resolve() in (path.resolve(), path.parent.resolve()) for place in places)


def _is_runbook(path: Path) -> bool:
    root = path.parent.parent
    if not (root / ".git").exists() or not (root / "homelab").is_dir():
        return False
    return any(line.startswith(FENCE) for line in path.read_text(encoding="utf-8").splitlines())


class RunbookFile(pytest.File):
    """One file of `runbooks/`: one test, because its steps build on each other."""

    def collect(self) -> Iterator[pytest.Item]:
        """The one test of this file."""
        yield RunbookItem.from_parent(self, name=self.path.stem)


class NotPassed(Exception):
    """A runbook that did not pass; holds how it went."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        super().__init__(rehearsal.problem)
        self.rehearsal = rehearsal


class RunbookItem(pytest.Item):
    """The rehearsal of one runbook."""

    def runtest(self) -> None:
        """Rehearse it; raises `NotPassed` with the record when it does not pass."""
        from blumeops import runbooks
        from blumeops.runbooks import rehearsing

        root = self.path.parent.parent
        book = runbooks.read(self.path)
        done = rehearsing.rehearse(
            root, book, target=self.config.getoption("--runbook-target"), notify=self._said
        )
        self.add_report_section("call", "runbook", f"{done.record} ({done.record.id or 'no run folder'})")
        if not done.passed:
            raise NotPassed(done)

    def _said(self, line: str) -> None:
        print(line)  # pytest captures it, and shows it with a failure, or at once with -s

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The failing cell with its line in the page; a message, not a traceback, for what we know."""
        from blumeops.errors import BlumeOpsError
        from blumeops.runbooks import rehearsing

        error = excinfo.value
        if isinstance(error, NotPassed):
            return rehearsing.story(error.rehearsal)
        if isinstance(error, BlumeOpsError):
            return str(error)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the test stands."""
        return self.path, None, f"runbook {self.name}"

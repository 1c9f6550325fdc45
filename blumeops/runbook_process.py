"""The process in which one runbook runs: papermill executes it, and every cell is written down as it ends.

Reads a job as JSON from standard input. Exit status: 0 all cells passed, 1 a cell failed, other values mean
that the run was cut short. papermill 2.7 marks cells as completed that never ran when a kernel dies or a
cell times out, so the record is built from nbclient's hooks here and not from papermill's notebook.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from blumeops import records, runbooks
from blumeops.errors import BlumeOpsError
from blumeops.records import CellRecord, Output, RunStatus
from blumeops.redact import known_secrets, masked

RICH = ("text/markdown", "text/plain")
"""The forms of a result that are kept, the best first."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Recorder:
    """Writes one JSON line per finished cell, with secrets masked."""

    draft: Path
    secrets: tuple[str, ...]
    begun: float = 0.0
    count: int = 0
    failed: bool = False
    notes: list[str] = field(default_factory=list)

    def cell_starts(self, cell: Any, cell_index: int) -> None:
        """nbclient's hook before a cell."""
        self.begun = time.monotonic()

    def cell_ended(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        """nbclient's hook after a cell, failed ones too."""
        if cell.cell_type != "code" or "injected-parameters" in cell.metadata.get("tags", []):
            return
        failed = execute_reply["content"]["status"] == "error"
        self.failed = self.failed or failed
        made = CellRecord(
            index=self.count,
            source_sha=records.digest(cell.source),
            status=RunStatus.FAILED if failed else RunStatus.PASSED,
            seconds=time.monotonic() - self.begun,
            outputs=tuple(_outputs(cell.outputs, self.secrets)),
        )
        self.count += 1
        with self.draft.open("a", encoding="utf-8") as draft:
            draft.write(json.dumps(records.plain_cell(made), ensure_ascii=False) + "\n")
            draft.flush()
            os.fsync(draft.fileno())


def _outputs(outputs: Iterable[Any], secrets: tuple[str, ...]) -> Iterable[Output]:
    for output in outputs:
        kind = output.output_type
        if kind == "stream":
            yield Output("text/plain", masked(output.text, secrets), output.name)
        elif kind == "error":
            text = _ANSI.sub("", "\n".join(output.traceback))
            yield Output("text/plain", masked(text, secrets), "error")
        else:
            mime = next((mime for mime in RICH if mime in output.data), None)
            if mime:
                yield Output(mime, masked(output.data[mime], secrets), "result")


def run(job: dict[str, Any]) -> int:
    """Execute the job's runbook; returns the exit status."""
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    book = runbooks.read(Path(job["runbook"]))
    recorder = Recorder(Path(job["draft"]), known_secrets(Path.cwd()))
    with tempfile.TemporaryDirectory(prefix="blumeops-run-") as folder:
        config = Config()
        # Sockets in a private folder instead of TCP ports: nobody else on the machine can reach the kernel.
        config.KernelManager.transport = "ipc"
        config.KernelManager.ip = str(Path(folder) / "kernel")
        try:
            papermill.execute_notebook(
                runbooks.as_notebook(book.source),
                str(Path(folder) / "executed.ipynb"),
                parameters=job["parameters"],
                kernel_name="python3",
                progress_bar=False,
                execution_timeout=job["cell_seconds"],
                config=config,
                on_cell_start=recorder.cell_starts,
                on_cell_executed=recorder.cell_ended,
            )
        except PapermillExecutionError:
            return 1
    return 1 if recorder.failed else 0


def main() -> int:
    """Read the job, run it, and say on standard error why it was cut short."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return run(json.load(sys.stdin))
    except KeyboardInterrupt:
        return 130
    except BlumeOpsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except Exception as error:  # a dead kernel, a cell that hung: the record says so, in the engine's words
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

"""Progress in a notebook: there by itself, gone in the end, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

VERB = """from concurrent.futures import ThreadPoolExecutor
from blumeops.notebook_progress import shown, silent
with shown(silent, "plan") as notify, ThreadPoolExecutor(3) as pool:
    list(pool.map(notify, ["tailnet: nothing to do", "hosts: 1 to update"]))
said = notify is not silent
said"""


class Watched(NotebookClient):
    """A notebook's client that remembers every message of a widget."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.seen: list[str] = []

    def process_message(self, msg: dict, cell: nbformat.NotebookNode, cell_index: int) -> object:
        self.seen.append(f"{msg['msg_type']} {msg['content']}")
        return super().process_message(msg, cell, cell_index)


def test_a_verb_shows_what_it_does_in_a_notebook_and_leaves_its_result_alone(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(VERB)])
    client = Watched(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    said = "\n".join(client.seen).replace(r"\u2007", " ")  # tqdm's spaces
    assert "plan · hosts: 1 to update" in said and "plan · tailnet: nothing to do" in said
    outputs = notebook.cells[0].outputs
    results = [output.data["text/plain"] for output in outputs if output.output_type == "execute_result"]
    assert results == ["True"]
    assert not any(output.output_type in ("error", "stream") for output in outputs), outputs


def test_outside_of_a_notebook_there_is_nothing(tmp_path: Path) -> None:
    """Not in a program, and not in IPython's own shell, which has a screen of its own to keep clean."""
    for run in (["-c", VERB], ["-m", "IPython", "--no-banner", "--colors=NoColor", "-c", VERB]):
        done = subprocess.run([sys.executable, *run], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0 and "hosts" not in done.stdout + done.stderr, done.stderr
        assert "True" not in done.stdout

"""papermill with our engine: the same result and record, and a notebook that says the truth."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from blumeops import records, runbooks
from blumeops.errors import BadInput, BlumeOpsError
from blumeops.records import RunStatus
from blumeops.runbooks import notebook
from tests.runbooks.places import Place, cell, environment, gone, page, pid_in, place
from tests.runbooks.test_run import PASSES
from tests.runbooks.test_run_ends import DIES, HANGS, WAITS

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]


def as_notebook(here: Place, name: str) -> Path:
    """The page as jupytext would give it to papermill, with the kernel that papermill wants to know of."""
    made = notebook.blank(runbooks.named(here.root, name), {})
    made["cells"] = [
        one for one in made["cells"] if "injected-parameters" not in one["metadata"].get("tags", [])
    ]
    path = here.root / "in.ipynb"
    path.write_text(notebook.to_text(made))
    return path


def run(here: Place, name: str, **given: object) -> dict:
    """papermill, in this process: the output notebook, whatever became of the run."""
    out = here.root / "out.ipynb"
    with contextlib.chdir(here.root), contextlib.suppress(PapermillExecutionError):
        papermill.execute_notebook(
            str(as_notebook(here, name)), str(out), given, engine_name="blumeops", progress_bar=False
        )
    nbformat.validate(nbformat.read(out, as_version=4))
    return json.loads(out.read_text())


def became(out: dict) -> dict[str, tuple[str, str]]:
    """What the notebook says of each cell: papermill's word and ours."""
    told = [one["metadata"] for one in out["cells"] if one["cell_type"] == "code"]
    return {
        one["blumeops"]["name"]: (one["papermill"]["status"], one["blumeops"]["status"])
        for one in told
        if "blumeops" in one
    }


def test_the_pipe_of_jupytext_and_papermill_gives_what_runbook_run_gives(tmp_path: Path) -> None:
    here = place(tmp_path, passes=PASSES)
    shutil.copy(ROOT / "jupytext.toml", tmp_path)
    pipe = "jupytext --to ipynb runbooks/passes.md -o - | papermill --engine blumeops - out.ipynb"
    env = environment(PATH=f"{BIN}:{environment()['PATH']}", CI="true")
    done = subprocess.run(
        ["sh", "-c", pipe], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    by_papermill = here.record()
    assert here.run("run", "passes", CI="true").returncode == 0
    by_us = records.load(here.folders()[-1] / "record.json")
    for one, other in zip(by_papermill.cells, by_us.cells, strict=True):
        assert (one.name, one.status, one.source_sha) == (other.name, other.status, other.source_sha)
        assert one.outputs == other.outputs
    assert by_papermill.parameters == by_us.parameters and by_papermill.depends == by_us.depends
    out = json.loads((tmp_path / "out.ipynb").read_text())
    assert became(out)["change"] == ("completed", "passed") and became(out)["back"] == ("pending", "not run")
    assert out["metadata"]["blumeops"]["run"] == by_papermill.id


def test_r1_a_killed_kernel_leaves_no_cell_that_papermill_calls_completed(tmp_path: Path) -> None:
    here = place(tmp_path, dies=DIES.replace(":tags: [step, confirm]", ":tags: [step]"))
    out = run(here, "dies")
    assert became(out)["first"] == ("completed", "passed")
    assert became(out)["die"] == ("failed", "failed")
    assert became(out)["after"] == ("pending", "not run")
    assert out["metadata"]["papermill"]["exception"] is True
    gone(pid_in(tmp_path / "child.pid"))


def test_r2_a_step_that_hangs_is_not_completed_either(tmp_path: Path) -> None:
    here = place(tmp_path, hangs=HANGS)
    out = run(here, "hangs")
    assert became(out)["hang"] == ("failed", "timeout") and became(out)["after"] == ("pending", "not run")
    assert became(out)["clean"] == ("completed", "passed")
    assert here.record().status is RunStatus.TIMEOUT
    gone(pid_in(tmp_path / "child.pid"))


def test_ctrl_c_in_papermill_leaves_a_true_notebook_and_a_record(tmp_path: Path) -> None:
    here = place(tmp_path, waits=WAITS)
    words = [BIN / "papermill", "--engine", "blumeops", as_notebook(here, "waits"), "out.ipynb"]
    env = environment(BLUMEOPS_YES="1")
    ours = subprocess.Popen(words, cwd=tmp_path, env=env, stderr=subprocess.PIPE, start_new_session=True)
    pid_in(tmp_path / "kernel.pid")
    ours.send_signal(signal.SIGINT)
    ours.communicate(timeout=60)
    assert ours.returncode != 0
    out = json.loads((tmp_path / "out.ipynb").read_text())
    assert became(out)["wait"] == ("failed", "interrupted")
    assert became(out)["after"] == ("pending", "not run")
    record = here.record()
    assert record.status is RunStatus.INTERRUPTED
    for name in ("child.pid", "kernel.pid"):
        gone(pid_in(tmp_path / name))


def test_r4_papermill_may_not_pass_what_the_page_does_not_take(tmp_path: Path) -> None:
    here = place(tmp_path, passes=PASSES)
    for given, complaint in (({"wrod": "two"}, "did you mean word"), ({"count": "many"}, "count")):
        with pytest.raises(BadInput) as caught:
            run(here, "passes", **given)
        assert complaint in str(caught.value)
    assert here.folders() == []


def test_r4_a_reference_stays_a_reference_in_the_notebook(tmp_path: Path) -> None:
    import secrets

    canary = f"correct{secrets.token_hex(12)}horse"
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "token").write_text(canary)
    reveals = (
        "from blumeops import reveal\nprint(reveal(token).reveal())\nraise ValueError(reveal(token).reveal())"
    )
    source = page(
        cell(reveals, "step", name="reveal"),
        parameters='target: str = "sandbox"  # where\ntoken: SecretRef = "env:TOKEN"  # the token',
    )
    here = place(tmp_path / "checkout", shows=source)
    reference = f"file:{tmp_path / 'outside' / 'token'}"
    out = run(here, "shows", token=reference)
    assert out["metadata"]["papermill"]["parameters"] == {"token": reference}
    texts = [path.read_text(errors="replace") for path in here.folders()[0].iterdir()]
    assert canary not in json.dumps(out) and not any(canary in text for text in texts)
    assert "[secret]" in json.dumps(out)


def test_a_gate_that_nobody_answers_is_declined(tmp_path: Path) -> None:
    here = place(tmp_path, passes=PASSES)
    with pytest.raises(BlumeOpsError, match="declined"):
        run(here, "passes")
    out = json.loads((tmp_path / "out.ipynb").read_text())
    assert became(out)["change"] == ("pending", "declined")
    assert here.record().status is RunStatus.DECLINED and not (tmp_path / "changed.ran").exists()


def test_a_notebook_that_is_no_page_of_this_checkout_is_refused(tmp_path: Path) -> None:
    here = place(tmp_path, passes=PASSES)
    path = as_notebook(here, "passes")
    path.write_text(path.read_text().replace("word * count", "word * 1000"))
    with contextlib.chdir(tmp_path), pytest.raises(BlumeOpsError, match="no runbook of this checkout"):
        papermill.execute_notebook(str(path), str(tmp_path / "out.ipynb"), engine_name="blumeops")
    assert here.folders() == []

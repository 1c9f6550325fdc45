"""Runbooks: really executed, and every way in which a run can end leaves a true record."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from blumeops import process, records, runbooks
from blumeops.errors import BadInput, BlumeOpsError, Interrupted, Locked
from blumeops.journal import lock
from blumeops.records import RunRecord, RunStatus
from blumeops.repository import Repository

BLUMEOPS = Path(sys.executable).with_name("blumeops")

PARAMETERS = """```{code-cell} ipython3
:tags: [parameters]

word: str = "one"
count: int = 3
wait = 1.5
sure = True
```
"""

PROSE = """In a terminal, which nobody runs for you:

```bash
touch prose-was-run
```

"""


def page(*cells: str, prose: str = "") -> str:
    """A runbook of these cells."""
    code = "\n".join(f"```{{code-cell}} ipython3\n{cell}\n```\n" for cell in cells)
    return f"---\ntitle: A page\ndate: 2024-01-02\n---\n\n# The title\n\n{prose}{PARAMETERS}\n{code}"


SAY_PID = "import os; print('kernel', os.getpid())"
PASSES = page(
    SAY_PID + "; print(word, count)",
    "import sys\nfor path in sorted(__import__('pathlib').Path('.sandbox/secrets').glob('*')):\n"
    "    print(path.read_text()); print(path.read_text(), file=sys.stderr)\n"
    "    os.system(f'cat {path}')\nword * count",
    "open('.sandbox/secrets/x').read()",
    "print('a\\u2028b')",
    prose=PROSE,
)
FAILS = page(
    SAY_PID,
    "raise ValueError(open('.sandbox/secrets/x').read())",
    "open('ran-after-a-failure', 'w')",
)
DIES = page(SAY_PID, "print('last words', flush=True); os._exit(1)", "open('ran-after-a-death', 'w')")
HANGS = page(SAY_PID, "import time\nwhile True: time.sleep(0.1)", "open('ran-after-a-hang', 'w')")
WAITS = page("import os, time\nopen('kernel.pid', 'w').write(str(os.getpid()))", "time.sleep(600)")


@dataclass(frozen=True)
class Checkout:
    """A small repository with one runbook, and two secrets made for this run."""

    root: Path
    token: str
    key: str

    def text(self) -> str:
        """Everything that was written down about the run."""
        return "".join(path.read_text() for path in (self.root / records.FRESH).iterdir())


def checkout(root: Path, name: str, source: str) -> Checkout:
    (root / "homelab").mkdir(parents=True)
    (root / "runbooks").mkdir()
    (root / "runbooks" / f"{name}.md").write_text(source)
    (root / ".gitignore").write_text(".sandbox\n")
    git = Repository(root).git
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    token = secrets.token_urlsafe(32)
    key = "/".join(base64.b64encode(secrets.token_bytes(24)).decode() for _ in range(2))
    folder = root / ".sandbox" / "secrets"
    folder.mkdir(parents=True)
    (folder / "x").write_text(token + "\n")
    (folder / "y.key").write_text(f'begin\n"{key}"\nend\n')
    return Checkout(root, token, key)


def interrupted(place: Checkout) -> tuple[int, str]:
    """Run `blumeops runbook run`, press Ctrl-C in its second cell: exit status and what it said."""
    ours = subprocess.Popen(
        [BLUMEOPS, "runbook", "run", "waits"],
        cwd=place.root,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pid = place.root / "kernel.pid"
    deadline = time.monotonic() + 50
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline and ours.poll() is None:
        time.sleep(0.05)
    time.sleep(0.3)
    ours.send_signal(signal.SIGINT)
    said = ours.communicate(timeout=30)[1]
    return ours.returncode, said


@dataclass(frozen=True)
class Runs:
    """Five runs, each in a checkout of its own, made at the same time."""

    places: Mapping[str, Checkout]
    made: Mapping[str, Future[RunRecord]]
    interrupt: Future[tuple[int, str]]

    def record(self, name: str) -> RunRecord:
        return self.made[name].result()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    sources = {"passes": PASSES, "fails": FAILS, "dies": DIES, "hangs": HANGS, "waits": WAITS}
    base = tmp_path_factory.mktemp("runs")
    places = {name: checkout(base / name, name, source) for name, source in sources.items()}

    def run(name: str) -> RunRecord:
        root = places[name].root
        book = runbooks.named(root, name)
        given = runbooks.parameters(book, ["word=two", "count=2"])
        seconds = 2 if name == "hangs" else 60
        return runbooks.execute(root, book, parameters=given, cell_seconds=seconds)

    runbooks.named(places["passes"].root, "passes")  # the libraries are not safe to import in two threads
    with ThreadPoolExecutor(5) as pool:
        last = pool.submit(interrupted, places["waits"])
        made = {name: pool.submit(run, name) for name in ("passes", "fails", "dies", "hangs")}
    return Runs(places, made, last)


def statuses(record: RunRecord) -> list[RunStatus]:
    return [cell.status for cell in record.cells]


def said(record: RunRecord, cell: int) -> str:
    return "\n".join(output.text for output in record.cells[cell].outputs)


def kernel_is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while process.start_time(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    return process.start_time(pid) is None


def test_a_run_that_passes_says_what_every_cell_said(runs: Runs) -> None:
    record, place = runs.record("passes"), runs.places["passes"]
    assert record.status is RunStatus.PASSED, runbooks.transcript(record)
    assert statuses(record) == [RunStatus.PASSED] * 5
    assert "two 2" in said(record, 1), "the parameters that were given"
    assert "twotwo" in said(record, 2)
    assert said(record, 4) == "a\u2028b\n"
    assert record.commit == Repository(place.root).head() and record.seconds > 0
    assert {"pulumi", "argocd", "ansible-core"} <= record.engines.keys()
    assert records.latest(place.root, "passes") == records.load(place.root / records.FRESH / "passes.json")
    assert runbooks.failures(record) == ()


def test_no_secret_is_in_a_record(runs: Runs) -> None:
    for name in ("passes", "fails"):
        place = runs.places[name]
        assert place.token not in place.text() and place.key not in place.text()
    shown = said(runs.record("passes"), 2)
    assert shown.count("[secret]") >= 4
    assert said(runs.record("passes"), 3) == "'[secret]\\n'"
    assert "[secret]" in said(runs.record("fails"), 2), "a traceback is masked too"


def test_code_in_prose_is_never_run(runs: Runs) -> None:
    assert not (runs.places["passes"].root / "prose-was-run").exists()


def test_a_failed_cell_ends_the_run_and_is_named(runs: Runs) -> None:
    record = runs.record("fails")
    assert record.status is RunStatus.FAILED
    assert statuses(record) == [RunStatus.PASSED, RunStatus.PASSED, RunStatus.FAILED]
    assert not (runs.places["fails"].root / "ran-after-a-failure").exists()
    (failure,) = runbooks.failures(record)
    assert failure.startswith("cell 3: failed") and "ValueError" in failure


@pytest.mark.parametrize(("name", "word"), [("dies", "Dead"), ("hangs", "Timeout")])
def test_a_run_that_is_cut_short_is_aborted_and_says_why(runs: Runs, name: str, word: str) -> None:
    record = runs.record(name)
    assert record.status is RunStatus.ABORTED
    assert RunStatus.ABORTED in statuses(record) and statuses(record)[:2] == [RunStatus.PASSED] * 2
    assert word in runbooks.failures(record)[0]
    assert not [path for path in runs.places[name].root.iterdir() if path.name.startswith("ran-after")]


def test_an_interrupt_leaves_an_aborted_record_and_130(runs: Runs) -> None:
    code, stderr = runs.interrupt.result()
    assert code == 130, stderr
    assert "interrupted" in stderr and "Traceback" not in stderr
    record = records.latest(runs.places["waits"].root, "waits")
    assert record is not None and record.status is RunStatus.ABORTED
    assert statuses(record)[:2] == [RunStatus.PASSED] * 2


def test_no_kernel_outlives_its_run(runs: Runs) -> None:
    pids = [int((runs.places["waits"].root / "kernel.pid").read_text())]
    pids += [int(said(runs.record(name), 1).split()[1]) for name in ("passes", "fails", "dies", "hangs")]
    assert all(kernel_is_gone(pid) for pid in pids), pids


def test_a_run_leaves_nothing_behind_but_its_record(runs: Runs) -> None:
    for name, place in runs.places.items():
        left = {path.name for path in (place.root / ".sandbox").rglob("*") if path.is_file()}
        assert left == {"x", "y.key", f"{name}.json", "runbook.lock"}
        with lock(place.root / ".sandbox" / "runbook.lock", "again"):
            pass


# -- without a run --------------------------------------------------------------------------------


def test_a_runbook_says_its_title_cells_and_parameters(tmp_path: Path) -> None:
    place = checkout(tmp_path, "one", PASSES)
    (book,) = runbooks.find(place.root)
    assert (book.name, book.title, len(book.cells)) == ("one", "The title", 5)
    assert book.parameters == {"word": "one", "count": 3, "wait": 1.5, "sure": True}


def test_a_parameter_has_the_type_of_its_default(tmp_path: Path) -> None:
    book = runbooks.named(checkout(tmp_path, "one", PASSES).root, "one")
    given = ["word=5", "count=-2", "wait=2", "sure=False"]
    assert runbooks.parameters(book, given) == {"word": "5", "count": -2, "wait": 2.0, "sure": False}
    assert runbooks.parameters(book, ["word=a=b"]) == {"word": "a=b"}
    for wrong, complaint in {
        "count=many": "not of type int",
        "sure=1": "not of type bool",
        "count=__import__('os').getpid()": "not of type int",
        "typo=1": "no parameter 'typo'",
        "word": "no parameter 'word'",
    }.items():
        with pytest.raises(BlumeOpsError, match=complaint.replace("(", r"\(")) as caught:
            runbooks.parameters(book, [wrong])
        assert caught.value.hint


def test_a_runbook_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    root = checkout(tmp_path, "one", PASSES).root
    for name in ("two", "../runbooks/one", ""):
        with pytest.raises(BlumeOpsError, match="there is no runbook") as caught:
            runbooks.named(root, name)
        assert "one" in caught.value.hint


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("# Only prose\n", "no {code-cell}"),
        ("```{code-cell} ipython3\n:tags: [parameters]\nword = open('x')\n```\n", "not plain values"),
        ("```{code-cell} ipython3\n:tags: [parameters]\nword = = 1\n```\n", "not plain values"),
    ],
)
def test_a_runbook_that_cannot_be_read_is_named(tmp_path: Path, source: str, complaint: str) -> None:
    root = checkout(tmp_path, "one", source).root
    with pytest.raises(BadInput, match=complaint) as caught:
        runbooks.find(root)
    assert "one.md" in caught.value.where


def test_two_runs_at_once_are_refused_and_one_that_is_stopped_does_not_begin(tmp_path: Path) -> None:
    import threading

    root = checkout(tmp_path, "one", PASSES).root
    book = runbooks.named(root, "one")
    with (
        lock(root / ".sandbox" / "runbook.lock", "runbook run other"),
        pytest.raises(Locked, match="runbook run other"),
    ):
        runbooks.execute(root, book)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        runbooks.execute(root, book, stop=stop)
    assert records.latest(root, "one") is None


def test_a_damaged_record_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / records.FRESH / "one.json"
    path.parent.mkdir(parents=True)
    for text in ("", "{", "[]", json.dumps({"runbook": "one"})):
        path.write_text(text)
        with pytest.raises(BadInput, match="not a record") as caught:
            records.latest(tmp_path, "one")
        assert str(path) == caught.value.where and "remove it" in caught.value.hint
    assert os.path.exists(path)

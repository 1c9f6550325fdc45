"""Runbooks for an assistant: the sandbox only, the person's own commit only, and a clean end in each case."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from blumeops.assistant import propose_runbook
from blumeops.assistant.propose_files import FileChange
from blumeops.assistant.propose_runbook import Run
from blumeops.errors import BlumeOpsError
from blumeops.records import RunRecord, RunStatus
from blumeops.repository import Repository
from tests.assistant.proposing import ask, proposed
from tests.runbooks.places import Place, cell, gone, page, place, wait_for

GATED = cell("(where / 'gated.ran').write_text('x')", "step", "confirm", name="change-it")
BACK = cell("(where / 'back.ran').write_text('x')", "rollback", name="undo-it", of="change-it")
CLEAN = cell("(where / 'clean.ran').write_text('x')", "cleanup", name="tidy")
HOME = """
[home]
identity = "a real place"
git = {url = "ssh://git@git.example.org/homelab.git"}
"""


def setup(root: Path, source: str = "") -> str:
    return cell(
        f"import os\nfrom pathlib import Path\nwhere = Path({str(root)!r})\n{source}", "setup", name="begin"
    )


@pytest.fixture
def homelab(tmp_path: Path) -> Place:
    """A checkout with a runbook whose cells leave files beside it."""
    return place(tmp_path / "checkout", a_page=page(setup(tmp_path), GATED, BACK, CLEAN))


def home(homelab: Place) -> None:
    """Name a real target, and commit that."""
    (homelab.root / "homelab/targets.toml").write_text(HOME)
    git = Repository(homelab.root).git
    git("add", "homelab")
    git("commit", "--quiet", "-m", "a real target")


def ran(homelab: Place) -> set[str]:
    return {path.stem for path in homelab.root.parent.glob("*.ran")}


def run(
    homelab: Place, given: dict[str, object] | None = None, *, name: str = "a-page", **options: bool
) -> Run:
    """A run through its own process, to its end."""
    one = Run(homelab.root, name, given or {}, **options)
    one.all()
    return one


def record(homelab: Place, given: dict[str, object] | None = None, **options: bool) -> RunRecord:
    one = run(homelab, given, **options)
    assert one.record is not None, str(one.error)
    return one.record


def test_a_rehearsal_goes_forward_and_back_and_nobody_attests(homelab: Place) -> None:
    made = record(homelab, {"word": "two", "count": 4})
    assert made.status is RunStatus.PASSED and made.mode.value == "rehearsal" and made.target == "sandbox"
    assert ran(homelab) == {"gated", "back", "clean"}
    assert made.parameters["word"] == "two" and made.parameters["count"] == 4
    gates = [one.gate for one in made.cells if one.gate]
    assert gates and all(gate.who == "nobody" and "rehearsal on the sandbox" in gate.answer for gate in gates)
    assert made.who.endswith("(assistant)")


def test_a_dry_run_only_looks(homelab: Place) -> None:
    made = record(homelab, dry_run=True)
    assert made.mode.value == "dry-run" and not ran(homelab) & {"gated", "back"}


def test_every_step_is_told_while_it_runs(homelab: Place) -> None:
    one = run(homelab)
    events = [(event["event"], event["cell"]) for event in one.news()]
    assert ("begin", "change-it") in events and events.index(("begin", "change-it")) < events.index(
        ("ended", "change-it")
    )


@pytest.mark.parametrize(
    "given",
    [{"target": "home"}, {"word": "home"}, {"target": ["sandbox", "home"]}, {"target": "nowhere"}],
    ids=str,
)
def test_r9_no_argument_leads_to_another_target(given: dict[str, object], homelab: Place) -> None:
    home(homelab)
    error = run(homelab, given).error
    assert error is not None and "only on the sandbox" in error.what and not ran(homelab)


def test_r9_neither_the_page_nor_the_environment_leads_to_another_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "(where / 'names.ran').write_text(' '.join(os.environ))"
    parameters = 'target: str = "home"  # where to run'
    homelab = place(
        tmp_path / "checkout",
        a_page=page(setup(tmp_path, names), GATED, BACK, parameters=parameters),
        b_page=page(cell("from blumeops import Homelab\nHomelab.open(target='home')", "step", name="reach")),
    )
    home(homelab)
    variables = {"HOMELAB_API_KEY", "SSH_AUTH_SOCK", "KUBECONFIG", "BLUMEOPS_TARGET", "CI", "BLUMEOPS_YES"}
    for name in variables:
        monkeypatch.setenv(name, "home")
    made = record(homelab)
    assert made.target == "sandbox" and made.parameters["target"] == "sandbox"
    given = (tmp_path / "names.ran").read_text().split()
    assert not {"HOMELAB_API_KEY", "SSH_AUTH_SOCK", "KUBECONFIG", "BLUMEOPS_TARGET", "CI", "BLUMEOPS_YES"} & {
        *given
    }
    error = run(homelab, name="b-page").error
    assert error is not None and "names the real target home" in error.what


def test_r9_the_page_of_a_proposal_never_runs(homelab: Place, tmp_path: Path) -> None:
    (homelab.root / "docs").mkdir()
    source = page(cell(f"open({str(tmp_path / 'evil.ran')!r}, 'w')", "setup", name="evil"))
    git = Repository(homelab.root).git
    change = (
        FileChange("runbooks/new-page.md", content=source),
        FileChange("runbooks/a-page.md", content=source),
    )
    home(homelab)
    home_branch = git("symbolic-ref", "--short", "HEAD").stdout.strip()
    made = proposed(Repository(homelab.root), ask(*change)).branch
    assert run(homelab, name="new-page").error is not None
    record(homelab)
    assert "gated" in ran(homelab)
    for how in ((made.name,), ("--detach", made.commit)):
        git("switch", "--quiet", *how)
        for name in ("a-page", "new-page"):
            error = run(homelab, name=name).error
            assert error is not None and "nobody has merged" in error.what
    assert "evil" not in ran(homelab)
    git("switch", "--quiet", home_branch)
    git("merge", "--quiet", made.name)
    assert run(homelab, name="new-page").record is not None and "evil" in ran(homelab)


def test_r9_what_is_not_as_it_was_committed_never_runs(homelab: Place, tmp_path: Path) -> None:
    file = homelab.root / "runbooks/a-page.md"
    was = file.read_text()
    evil = was.replace("gated.ran", "evil.ran")
    git = Repository(homelab.root).git
    file.write_text(evil)
    assert "not as it was committed" in str(run(homelab).error)
    git("update-index", "--assume-unchanged", "runbooks/a-page.md")
    assert "not as it was committed" in str(run(homelab).error)
    git("update-index", "--no-assume-unchanged", "runbooks/a-page.md")
    file.write_text(was)
    (homelab.root / "runbooks/untracked.md").write_text(evil)
    assert "untracked.md is not as it was committed" in str(run(homelab, name="untracked").error)
    (homelab.root / "runbooks/untracked.md").unlink()
    (homelab.root / "homelab/program.py").write_text("evil")
    assert "homelab/program.py is not as it was committed" in str(run(homelab).error)
    assert not ran(homelab)


def test_a_cancelled_run_takes_back_what_it_began_and_cleans_up(tmp_path: Path) -> None:
    waits = cell(
        "import time\n(where / 'gated.ran').write_text('x')\ntime.sleep(600)",
        "step",
        "confirm",
        name="change-it",
    )
    homelab = place(tmp_path / "checkout", a_page=page(setup(tmp_path), waits, BACK, CLEAN))
    one = Run(homelab.root, "a-page", {})
    thread = threading.Thread(target=one.all)
    thread.start()
    wait_for(lambda: ran(homelab), "the step")
    one.stop()
    thread.join(60)
    assert one.record is not None and one.record.status is RunStatus.INTERRUPTED
    assert ran(homelab) == {"gated", "back", "clean"}


def test_a_run_that_is_ended_at_once_leaves_nothing_running(tmp_path: Path) -> None:
    waits = cell(
        "import time\n(where / 'pid.ran').write_text(str(os.getpid()))\ntime.sleep(600)",
        "step", name="wait",
    )  # fmt: skip
    homelab = place(tmp_path / "checkout", a_page=page(setup(tmp_path), waits))
    one = Run(homelab.root, "a-page", {})
    thread = threading.Thread(target=one.all)
    thread.start()
    file = tmp_path / "pid.ran"
    wait_for(lambda: file.exists() and file.read_text().isdigit(), "the kernel")
    one.kill()
    thread.join(60)
    gone(int(file.read_text()))
    assert one.done.is_set()


def test_a_runbook_with_a_target_that_cannot_be_read_does_not_run(homelab: Place) -> None:
    (homelab.root / "homelab/targets.toml").write_text("not toml")
    with pytest.raises(BlumeOpsError):
        propose_runbook.real_targets(homelab.root)

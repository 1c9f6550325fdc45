"""The rehearsal of all runbooks: shuffled, each there and back, and nothing may be left behind."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from blumeops import runbooks
from blumeops.errors import BlumeOpsError
from blumeops.plan import Action, Change, Comparison, Coverage, Plan, Report, State, Status
from blumeops.records import RunMode, RunStatus
from blumeops.runbooks import testing
from tests.runbooks.places import Place, cell, page, pid_in, place, press_ctrl_c

CHANGES = page(
    cell("from pathlib import Path\nassert not Path('x.ran').exists()", "precondition", name="clean"),
    cell("Path('x.ran').touch()", "step", "confirm", name="change"),
    cell("assert Path('x.ran').exists()", "verify", name="look"),
    cell("Path('x.ran').unlink()", "rollback", name="back"),
)
LEAVES = page(
    cell("from pathlib import Path", "setup", name="begin"),
    cell("Path('needed.ran').touch()", "step", "confirm", name="change"),
    cell("assert Path('needed.ran').exists()", "verify", name="look"),
    cell("pass", "rollback", name="forgets"),
)
NEEDS = page(
    cell(
        "from pathlib import Path\nwords = Path('needed.ran').read_bytes()", "step", name="takes-for-granted"
    ),
    cell("assert words == b''", "verify", name="look"),
)
FAILS = page(
    cell("print('so far')", "step", name="good"),
    cell("one = 1\nprint('before')\nraise ValueError('no such thing')", "step", name="bad"),
    cell("pass", "verify", name="look"),
)
COVERED = Coverage(1, 1)


def names(seed: int, count: int = 6) -> list[str]:
    """The order of some runbooks under a seed."""
    books = [runbooks.Runbook(f"r{n}", "", Path(), "", ()) for n in range(count)]
    return [book.name for book in testing.shuffled(books, seed)]


def suite(here: Place, **options: object) -> testing.Suite:
    """Rehearse all runbooks of a checkout."""
    return testing.suite(here.root, runbooks.find(here.root), **options)


def test_a_seed_gives_the_same_order_again_and_seeds_give_many() -> None:
    assert names(7) == names(7) and sorted(names(7)) == sorted(names(8))
    assert len({tuple(names(seed)) for seed in range(40)}) > 20


def test_every_runbook_goes_there_and_back(tmp_path: Path) -> None:
    here = place(tmp_path, one=CHANGES, two=CHANGES)
    done = suite(here, seed=1)
    assert done.passed and done.exit_code == 0, str(done)
    assert {one.record.mode for one in done.rehearsals} == {RunMode.REHEARSAL}
    assert not (tmp_path / "x.ran").exists(), "the second would have failed at its precondition"
    assert 0 <= done.outside <= 1 and "2 passed" in str(done) and "seed 1" in str(done)


def test_a_runbook_that_needs_another_one_before_it_is_found_by_some_order(tmp_path: Path) -> None:
    here = place(tmp_path, leaves=LEAVES, needs=NEEDS)
    found = {}
    for seed in (names_first("leaves"), names_first("needs")):
        (tmp_path / "needed.ran").unlink(missing_ok=True)
        done = suite(here, seed=seed)
        found[done.rehearsals[0].name] = [one.name for one in done.rehearsals if not one.passed]
    assert found == {"leaves": [], "needs": ["needs"]}


def names_first(name: str) -> int:
    """A seed under which this runbook, of the two, comes first."""
    books = [runbooks.Runbook(one, "", Path(), "", ()) for one in ("leaves", "needs")]
    return next(seed for seed in range(100) if testing.shuffled(books, seed)[0].name == name)


def test_a_failure_is_named_with_its_step_and_the_line_of_the_page(tmp_path: Path) -> None:
    here = place(tmp_path, fails=FAILS, good=CHANGES)
    done = here.run("test", "--seed", "3")
    line = FAILS.splitlines().index("raise ValueError('no such thing')") + 1
    assert done.returncode == 1, done.stderr
    assert f"runbooks/fails.md:{line}: bad: " in done.stderr and "no such thing" in done.stderr
    assert "seed 3" in done.stdout and "--seed 3" in done.stderr
    assert "✓  good" in done.stdout and "✗  fails" in done.stdout


def test_json_says_what_the_table_says(tmp_path: Path) -> None:
    here = place(tmp_path, fails=FAILS, good=CHANGES)
    done = here.run("test", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["exit_code"], said["target"]) == (1, 1, "sandbox")
    by_name = {one["name"]: one for one in said["runbooks"]}
    assert by_name["good"]["status"] == "passed" and by_name["good"]["problem"] == ""
    assert by_name["fails"]["where"].startswith("runbooks/fails.md:")
    assert 0 <= said["outside"] <= 1 and isinstance(said["seed"], int)


def test_the_exit_code_is_that_of_the_failures_when_they_are_of_one_kind(tmp_path: Path) -> None:
    here = place(tmp_path, one=CHANGES, fails=FAILS)
    (tmp_path / "x.ran").touch()
    assert suite(here, seed=0).exit_code == 1, "a failed step and a precondition"
    (tmp_path / "runbooks/fails.md").unlink()
    assert suite(here, seed=0).exit_code == 5


def test_exit_first_stops_at_the_first_failure(tmp_path: Path) -> None:
    done = suite(place(tmp_path, a=FAILS, b=FAILS, c=FAILS), exit_first=True)
    assert [one.status for one in done.rehearsals] == [RunStatus.FAILED]
    with pytest.raises(BlumeOpsError, match="did not pass"):
        done.require_passed()


def test_the_records_are_kept_only_when_all_passed(tmp_path: Path) -> None:
    here = place(tmp_path, good=CHANGES, fails=FAILS)
    assert here.run("test", "--record").returncode == 1
    assert not (tmp_path / "runbooks/records").exists()
    assert here.run("test", "good", "--record").returncode == 0
    assert (tmp_path / "runbooks/records/good.json").is_file()


def test_an_interrupt_ends_the_suite_and_the_step(tmp_path: Path) -> None:
    source = "import os, time\nopen('step.pid', 'w').write(str(os.getpid()))\ntime.sleep(600)"
    here = place(
        tmp_path, a=page(cell(source, "step", name="waits")), b=page(cell(source, "step", name="waits"))
    )
    ours = here.start("test")
    pid_in(tmp_path / "step.pid")
    press_ctrl_c(ours, signal.SIGINT)
    out, err = ours.communicate(timeout=120)
    assert ours.returncode == 130, out + err
    assert len(here.folders()) == 1, "the next runbook was not begun"


def test_a_target_that_is_not_there_is_said_once_and_nothing_is_run(tmp_path: Path) -> None:
    here = place(tmp_path, one=CHANGES.replace("layers: []", "layers: [hosts]"))
    with pytest.raises(BlumeOpsError, match="not up"):
        suite(here)
    assert here.folders() == []


def test_a_target_that_does_not_answer_in_the_end_is_no_success(tmp_path: Path) -> None:
    """The target has no layer at all, so nobody knows what the runbook left there."""
    here = place(tmp_path, one=CHANGES.replace("layers: []", "layers: [hosts]"))
    (tmp_path / ".sandbox").mkdir(exist_ok=True)
    git = f'[git]\nurl = "{tmp_path / ".git"}"\npublish = "mirror"\n'
    (tmp_path / ".sandbox/target.toml").write_text(f'identity = "nothing"\nstate = "."\n{git}')
    done = suite(here)
    assert [one.passed for one in done.rehearsals] == [True]
    assert done.left is not None and not done.left.nothing and done.exit_code == 1
    blamed = suite(here, after_each=True)
    assert [one.passed for one in blamed.rehearsals] == [False] and "unknown" in blamed.rehearsals[0].problem


@pytest.mark.parametrize("comparison", list(Comparison))
def test_a_change_that_is_left_behind_is_a_failure(comparison: Comparison) -> None:
    nothing = Report("plan", "sandbox", (Status("tailnet", State.IN_SYNC),))
    change = Plan("hosts", "f", "f", (Change(Action.UPDATE, "indri"),), COVERED, comparison)
    something = Report("plan", "sandbox", (change,))
    assert testing.Left(nothing, nothing).nothing
    for left in (testing.Left(something, nothing), testing.Left(nothing, something)):
        assert not left.nothing and "1 to update" in str(left)
        done = testing.Suite("sandbox", 0, 1.0, (), left)
        assert done.exit_code == 1
        with pytest.raises(BlumeOpsError, match="did not put the sandbox back"):
            done.require_passed()

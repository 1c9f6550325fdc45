"""The homelab: three layers in order under one set of verbs, on real files and a real repository.

The layers here are small and real: each makes one file hold what its folder of desired state says, keeps
the revision beside it, and keeps the promises of `blumeops.layer`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from blumeops.errors import (
    BadInput,
    BlumeOpsError,
    DirtyTree,
    EngineError,
    GitError,
    Locked,
    Problem,
    RevertConflict,
    StalePlan,
    Unreachable,
)
from blumeops.homelab import FOLDERS, LAYERS, Homelab
from blumeops.journal import Journal, lock
from blumeops.layer import Desired, Notify
from blumeops.plan import Action, Change, Comparison, Coverage, Outcome, Plan, Report, Result, State, Status
from blumeops.repository import Repository
from blumeops.target import GitRemote, Target


@dataclass
class FileLayer:
    """A layer whose engine is `write_text`: the live system is one file, its lines the resources.

    A desired line `bad` fails the lint, `breaks` fails while it is applied, `explodes` breaks the engine
    itself; the file `offline` beside it makes the live system unreachable, `ill` makes it unwell.
    """

    name: str
    place: Path

    @property
    def live_file(self) -> Path:
        return self.place / self.name

    @property
    def note(self) -> Path:
        return self.place / f"{self.name}.revision"

    def _live(self) -> list[str]:
        if (self.place / f"{self.name}.offline").exists():
            raise Unreachable("no answer", where=self.name)
        return self.live_file.read_text().splitlines() if self.live_file.exists() else []

    def lint(self, desired: Desired) -> None:
        if "bad" in self._wanted(desired):
            raise BadInput([Problem("this line is bad", f"homelab/{FOLDERS[self.name]}/lines", line=1)])

    def _wanted(self, desired: Desired) -> list[str]:
        return (desired.folder / FOLDERS[self.name] / "lines").read_text().splitlines()

    def recorded(self) -> str | None:
        self._live()
        return self.note.read_text() if self.note.exists() else None

    def _compare(self, desired: Desired, comparison: Comparison) -> Plan:
        wanted, live = self._wanted(desired), self._live()
        changes = [Change(Action.CREATE, line) for line in wanted if line not in live]
        changes += [Change(Action.DELETE, line) for line in live if line not in wanted]
        print_ = hashlib.sha256("\n".join(live).encode()).hexdigest()
        return Plan(self.name, desired.revision, print_, tuple(changes), Coverage(1, 1), comparison)

    def plan(self, desired: Desired) -> Plan:
        self.lint(desired)
        return self._compare(desired, Comparison.PLAN)

    def drift(self, recorded: Desired) -> Plan:
        return self._compare(recorded, Comparison.DRIFT)

    def apply(self, plan: Plan, desired: Desired, notify: Notify, *, recheck: bool = True) -> Result:
        if self.plan(desired).live != plan.live:
            raise StalePlan("the file changed since the plan was made", where=self.name)
        outcomes: list[Outcome] = []
        for change in plan.changes:
            if change.address == "explodes":
                raise ZeroDivisionError("the engine's library broke")
            if change.address == "breaks":
                outcomes.append(Outcome.FAILED)
                break
            lines = self._live()
            kept = [line for line in lines if line != change.address]
            self.live_file.write_text(
                "".join(
                    f"{line}\n"
                    for line in (kept if change.action is Action.DELETE else [*lines, change.address])
                )
            )
            outcomes.append(Outcome.DONE)
            with (self.place / "order").open("a") as order:
                order.write(f"{self.name} {change}\n")
        outcomes += [Outcome.NOT_STARTED] * (len(plan.changes) - len(outcomes))
        if Outcome.FAILED in outcomes:
            return Result(self.name, desired.revision, plan.changes, tuple(outcomes), "it breaks")
        self.note.write_text(desired.revision)
        with (self.place / "order").open("a") as order:
            order.write(f"{self.name} recorded\n")
        return Result(self.name, desired.revision, plan.changes, tuple(outcomes))

    def health(self) -> Status:
        try:
            self._live()
        except Unreachable as error:
            return Status(self.name, State.UNKNOWN, error.what, retryable=True)
        ill = (self.place / f"{self.name}.ill").exists()
        return Status(self.name, State.DEGRADED if ill else State.IN_SYNC, "it is ill" if ill else "")


def commit(homelab: Homelab, **lines: str) -> str:
    """Say in Git what the layers' files should hold: words become lines."""
    for name, words in lines.items():
        path = homelab.root / "homelab" / FOLDERS[name] / "lines"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{word}\n" for word in words.split()))
    return homelab.repository.commit(f"say {lines}")


def order(homelab: Homelab) -> list[str]:
    path = homelab.target.state / "order"
    return path.read_text().splitlines() if path.exists() else []


def live(homelab: Homelab) -> Mapping[str, list[str]]:
    return {
        n: (homelab.target.state / n).read_text().split()
        for n in LAYERS
        if (homelab.target.state / n).exists()
    }


def runs(homelab: Homelab) -> tuple:
    return Journal(homelab.target.state / "journal").runs()


@pytest.fixture
def homelab(tmp_path: Path) -> Homelab:
    """A homelab with three file layers; nothing was applied yet."""
    state = tmp_path / "state"
    state.mkdir()
    target = Target("sandbox", "files", state, GitRemote("file:///nowhere"))
    factories = {name: (lambda target, _desired, name=name: FileLayer(name, target.state)) for name in LAYERS}
    root = tmp_path / "repo"
    root.mkdir()
    made = Homelab(Repository(root), target, factories)
    made.repository.git("init", "--quiet", "--initial-branch=main")
    commit(made, tailnet="a", hosts="b c", cluster="d")
    return made


def test_layers_are_applied_in_order_and_then_nothing_is_left(homelab: Homelab) -> None:
    report = homelab.apply()
    assert report.exit_code == 0, str(report)
    assert order(homelab) == [
        "tailnet + a", "tailnet recorded",
        "hosts + b", "hosts + c", "hosts recorded",
        "cluster + d", "cluster recorded",
    ]  # fmt: skip
    assert homelab.plan().exit_code == 0 and homelab.drift().exit_code == 0
    assert [answer.state for answer in homelab.status().answers] == [State.IN_SYNC] * 3


def test_planning_changes_nothing(homelab: Homelab) -> None:
    assert [len(answer.changes) for answer in homelab.plan().answers] == [1, 2, 1]
    assert live(homelab) == {} and order(homelab) == [] and runs(homelab) == ()


def test_only_the_named_layers_are_touched_in_the_homelabs_order(homelab: Homelab) -> None:
    report = homelab.apply(["cluster", "tailnet"])
    assert [answer.layer for answer in report.answers] == ["tailnet", "cluster"]
    assert "hosts" not in live(homelab)
    with pytest.raises(BlumeOpsError, match="no layer 'host'") as caught:
        homelab.plan(["host"])
    assert "tailnet, hosts, cluster" in caught.value.hint


def test_a_failure_stops_the_later_layers_and_again_finishes_it(homelab: Homelab) -> None:
    commit(homelab, hosts="b breaks c")
    report = homelab.apply()
    assert report.exit_code == 2
    assert report["tailnet"].outcomes == (Outcome.DONE,)
    assert report["hosts"].outcomes == (Outcome.DONE, Outcome.FAILED, Outcome.NOT_STARTED)
    assert report["cluster"].outcomes == (Outcome.NOT_STARTED,) and "hosts failed" in report["cluster"].error
    assert live(homelab) == {"tailnet": ["a"], "hosts": ["b"]}
    commit(homelab, hosts="b c")
    assert homelab.apply().exit_code == 0
    assert order(homelab).count("hosts + b") == 1, "what was done is not done again"


def test_an_engine_that_breaks_is_a_result_beside_what_was_done_before(homelab: Homelab) -> None:
    """An exception would hide that the tailnet was changed already."""
    commit(homelab, hosts="b explodes")
    report = homelab.apply()
    assert report.exit_code == 2
    assert report["tailnet"].succeeded
    assert set(report["hosts"].outcomes) == {Outcome.UNKNOWN} and "library broke" in report["hosts"].error
    assert report["cluster"].outcomes == (Outcome.NOT_STARTED,)
    assert runs(homelab)[0].finished and runs(homelab)[0].events[-1]["outcome"] == "exit 2"


def test_bad_input_in_one_layer_means_that_nothing_is_applied_anywhere(homelab: Homelab) -> None:
    commit(homelab, cluster="bad")
    plans = homelab.plan()
    assert plans.exit_code == 2 and plans["tailnet"].changes
    with pytest.raises(BlumeOpsError, match=r"homelab/argocd/lines:1: this line is bad"):
        homelab.apply()
    assert live(homelab) == {} and runs(homelab) == ()


def test_an_unreachable_layer_is_unknown_and_the_others_are_answered(homelab: Homelab) -> None:
    (homelab.target.state / "hosts.offline").touch()
    for report in (homelab.plan(), homelab.status(), homelab.drift(), homelab.apply()):
        assert report.exit_code == 4, str(report)
        assert report["hosts"].state is State.UNKNOWN and report["hosts"].retryable
        assert "no answer" in report["hosts"].reason
    assert live(homelab) == {"tailnet": ["a"], "cluster": ["d"]}
    assert homelab.status()["cluster"].state is State.IN_SYNC


def test_a_layer_that_the_target_lacks_is_unknown_with_what_it_needs(homelab: Homelab) -> None:
    target = Target(
        "sandbox", "files", homelab.target.state, homelab.target.git, missing={"cluster": "needs root"}
    )
    lacking = Homelab(homelab.repository, target)
    report = lacking.plan()
    assert report.exit_code == 4
    assert report["cluster"].reason == "needs root" and not report["cluster"].retryable
    assert "has no tailnet layer" in report["tailnet"].reason
    assert lacking.layers() == ()


def test_layers_are_asked_at_the_same_time(homelab: Homelab) -> None:
    meeting = threading.Barrier(3, timeout=10)
    heard: list[str] = []

    class Meets(FileLayer):
        def plan(self, desired: Desired) -> Plan:
            meeting.wait()
            return super().plan(desired)

    factories = {name: (lambda target, _desired, name=name: Meets(name, target.state)) for name in LAYERS}
    report = Homelab(homelab.repository, homelab.target, factories).plan(notify=heard.append)
    assert [answer.layer for answer in report.answers] == list(LAYERS)
    assert len(heard) == 3


def test_an_empty_plan_at_the_recorded_revision_does_nothing(homelab: Homelab) -> None:
    homelab.apply()
    before = order(homelab)
    report = homelab.apply()
    assert report.exit_code == 0 and order(homelab) == before
    assert [str(answer) for answer in report.answers] == [f"{name}: nothing to do" for name in LAYERS]
    commit(homelab, tailnet="a z")
    homelab.apply()
    assert order(homelab)[len(before) :] == [
        "tailnet + z", "tailnet recorded", "hosts recorded", "cluster recorded",
    ], "an empty plan records a newer revision"  # fmt: skip


def test_a_plan_for_another_revision_is_refused_before_any_layer(homelab: Homelab) -> None:
    plans = homelab.plan()
    commit(homelab, cluster="d e")
    with pytest.raises(StalePlan, match="Git is at"):
        homelab.apply(plans=plans)
    assert live(homelab) == {} and runs(homelab) == ()


def test_a_plan_for_another_live_system_is_refused(homelab: Homelab) -> None:
    plans = homelab.plan()
    (homelab.target.state / "tailnet").write_text("by hand\n")
    with pytest.raises(StalePlan, match="the file changed"):
        homelab.apply(plans=plans)
    assert live(homelab) == {"tailnet": ["by", "hand"]}
    assert runs(homelab)[0].unfinished_layers() == (), "the journal knows that nothing was done"


def test_a_later_layer_that_moved_does_not_hide_what_was_done(homelab: Homelab) -> None:
    plans = homelab.plan()
    (homelab.target.state / "cluster").write_text("hand\n")
    report = homelab.apply(plans=plans)
    assert report.exit_code == 2 and report["hosts"].succeeded
    assert report["cluster"].outcomes == (Outcome.NOT_STARTED,) and "changed since" in report["cluster"].error
    assert live(homelab)["cluster"] == ["hand"]


def test_uncommitted_desired_state_is_planned_and_not_applied(homelab: Homelab) -> None:
    (homelab.root / "homelab/pulumi/lines").write_text("a\nz\n")
    assert homelab.plan()["tailnet"].desired.endswith("+dirty")
    with pytest.raises(DirtyTree, match="homelab/pulumi/lines"):
        homelab.apply()
    assert live(homelab) == {}


def test_an_edit_by_hand_is_drift_and_an_edit_in_git_is_pending(homelab: Homelab) -> None:
    homelab.apply()
    (homelab.target.state / "hosts").write_text("b\n")
    commit(homelab, tailnet="a z")
    (homelab.target.state / "cluster.ill").touch()
    drift, status = homelab.drift(), homelab.status()
    assert [len(answer.changes) for answer in drift.answers] == [0, 1, 0]
    assert drift.exit_code == 1 and drift["hosts"].comparison is Comparison.DRIFT
    states = [answer.state for answer in status.answers]
    assert states == [State.PENDING, State.DRIFTED, State.DEGRADED]
    assert status["hosts"].details == ("+ c",) and status["tailnet"].details == ("+ z",)
    assert status.exit_code == 2


def test_what_was_never_applied_is_pending_and_not_in_sync(homelab: Homelab) -> None:
    assert [answer.state for answer in homelab.status().answers] == [State.PENDING] * 3
    assert homelab.drift().exit_code == 1


def test_a_commit_elsewhere_leaves_the_layers_in_sync(homelab: Homelab) -> None:
    homelab.apply()
    (homelab.root / "README").write_text("x")
    homelab.repository.git("add", "README")
    homelab.repository.git("commit", "--quiet", "-m", "docs")
    assert homelab.status().exit_code == 0


# -- rollback -------------------------------------------------------------------------------------


def test_a_rollback_takes_all_layers_back(homelab: Homelab) -> None:
    homelab.apply()
    before = live(homelab)
    commit(homelab, tailnet="x", hosts="y", cluster="z")
    homelab.apply()
    report = homelab.rollback("HEAD")
    assert report.verb == "rollback" and report.exit_code == 0
    assert {n: sorted(lines) for n, lines in live(homelab).items()} == before
    assert homelab.status().exit_code == 0
    assert runs(homelab)[0].verb == "rollback"


def test_a_rollback_of_named_layers_leaves_the_others_alone(homelab: Homelab) -> None:
    homelab.apply()
    commit(homelab, hosts="y")
    homelab.apply()
    report = homelab.rollback("HEAD", ["hosts"])
    assert [answer.layer for answer in report.answers] == ["hosts"]
    assert live(homelab)["hosts"] == ["b", "c"]


def test_a_rollback_of_named_layers_is_refused_when_the_commit_touches_another(homelab: Homelab) -> None:
    homelab.apply()
    head = commit(homelab, hosts="y", cluster="z")
    with pytest.raises(BlumeOpsError, match="the revert touches homelab/argocd/lines, too"):
        homelab.rollback("HEAD", ["hosts"])
    assert homelab.repository.head() == head


def test_a_rollback_that_is_not_agreed_to_leaves_no_trace(homelab: Homelab) -> None:
    homelab.apply()
    commit(homelab, tailnet="x")
    homelab.apply()
    head, was, records = homelab.repository.head(), live(homelab), len(runs(homelab))
    seen: list[Report] = []
    with pytest.raises(GitError, match="not rolled back"):
        homelab.rollback("HEAD", agree=lambda plans: bool(seen.append(plans)))
    assert len(seen[0]["tailnet"].changes) == 2
    assert (homelab.repository.head(), live(homelab), len(runs(homelab))) == (head, was, records)
    homelab.repository.require_clean()


@pytest.mark.parametrize("error", [KeyboardInterrupt, EngineError("broken")])
def test_an_interrupted_question_leaves_head_where_it_was(homelab: Homelab, error: BaseException) -> None:
    commit(homelab, tailnet="x")
    head = homelab.repository.head()

    def agree(_plans: Report) -> bool:
        raise error

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        homelab.rollback("HEAD", agree=agree)
    assert homelab.repository.head() == head


def test_a_rollback_whose_plan_is_an_error_is_refused_whole(homelab: Homelab) -> None:
    commit(homelab, cluster="bad")
    commit(homelab, cluster="d")
    head = homelab.repository.head()
    with pytest.raises(BlumeOpsError, match="this line is bad"):
        homelab.rollback("HEAD")
    assert homelab.repository.head() == head and live(homelab) == {}


def test_a_rollback_that_conflicts_is_refused_whole(homelab: Homelab) -> None:
    first = commit(homelab, tailnet="x")
    commit(homelab, tailnet="y")
    head = homelab.repository.head()
    with pytest.raises(RevertConflict):
        homelab.rollback(first)
    assert homelab.repository.head() == head and live(homelab) == {}


# -- locks, journal, clones -----------------------------------------------------------------------


def test_two_runs_never_apply_at_once(homelab: Homelab) -> None:
    with lock(homelab.target.state / "apply.lock", "apply to sandbox"):
        for change in (homelab.apply, lambda: homelab.rollback("HEAD")):
            with pytest.raises(Locked, match="apply to sandbox"):
                change()
    assert live(homelab) == {}


def test_the_journal_says_what_was_planned_and_done(homelab: Homelab) -> None:
    commit(homelab, hosts="b breaks")
    homelab.apply()
    (run,) = runs(homelab)
    events = [(event["event"], event.get("layer")) for event in run.events]
    assert events == [
        ("start", None), ("plan", "tailnet"), ("plan", "hosts"), ("plan", "cluster"),
        ("begin", "tailnet"), ("result", "tailnet"), ("begin", "hosts"), ("result", "hosts"), ("end", None),
    ]  # fmt: skip
    assert run.events[7]["outcomes"] == [["+ b", "done"], ["+ breaks", "failed"]]
    assert run.finished and run.events[0]["revision"] == homelab.repository.head()


def test_a_clone_has_the_same_layers_and_commits_of_its_own(homelab: Homelab) -> None:
    head = homelab.repository.head()
    copy = homelab.clone("trial")
    commit(copy, tailnet="z")
    assert copy.apply().exit_code == 0
    assert live(homelab)["tailnet"] == ["z"] and homelab.repository.head() == head
    assert copy.factories == homelab.factories


def test_a_homelab_in_a_clone_inside_the_sandbox_belongs_to_its_checkout(homelab: Homelab) -> None:
    with pytest.raises(BlumeOpsError, match="the sandbox is not up") as caught:
        Homelab.open(root=homelab.root / "homelab" / "pulumi")
    assert caught.value.where == str(homelab.root / ".sandbox" / "target.toml")
    inside = homelab.root / ".sandbox" / "state" / "clones" / "one"
    homelab.repository.git("clone", "--quiet", ".", str(inside))
    with pytest.raises(BlumeOpsError) as again:
        Homelab.open(root=inside)
    assert again.value.where == caught.value.where


@pytest.mark.parametrize("again", [True, False])
def test_a_run_that_is_taken_up_again_finds_its_working_copy(
    homelab: Homelab, monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    monkeypatch.setenv("BLUMEOPS_RUN", "one")
    copy = homelab.working_copy("a-runbook")
    (copy.root / "homelab" / "pulumi" / "lines").write_text("changed\n")
    made = copy.repository.commit("a change")
    monkeypatch.setenv("BLUMEOPS_RUN", "one" if again else "two")
    found = homelab.working_copy("a-runbook").repository.head()
    assert found == (made if again else homelab.repository.head())


def test_without_a_run_every_working_copy_is_fresh(homelab: Homelab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLUMEOPS_RUN", raising=False)
    copy = homelab.working_copy("a-runbook")
    (copy.root / "homelab" / "pulumi" / "lines").write_text("changed\n")
    copy.repository.commit("a change")
    assert homelab.working_copy("a-runbook").repository.head() == homelab.repository.head()


def test_after_a_rehearsal_the_checkouts_own_commit_is_live(homelab: Homelab) -> None:
    state = homelab.root / ".sandbox" / "state"
    state.mkdir(parents=True)
    homelab = replace(homelab, target=replace(homelab.target, state=state))
    homelab.apply()
    copy = homelab.working_copy("a-runbook")
    (copy.root / "homelab" / "pulumi" / "lines").write_text("changed\n")
    copy.repository.commit("a change")
    copy.apply()
    assert homelab.plan().exit_code == 1
    assert copy.put_back().exit_code == 0
    assert homelab.plan().exit_code == 0
    assert homelab.drift().exit_code == 0


def test_on_a_real_target_nothing_is_put_back(homelab: Homelab) -> None:
    real = replace(homelab, target=replace(homelab.target, name="home"))
    assert real.put_back() is None
    assert real.plan().exit_code == 1
    assert real.working_copy("a-runbook") is real

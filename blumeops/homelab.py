"""The homelab: three layers on one target, in order, under one set of verbs.

Layers are read at the same time and changed one after the other: tailnet (who may connect), hosts (what
runs on them), cluster (what runs in it). A failure stops the later ones, so a service never moves ahead of
the access it needs; the journal says how far it came, and running apply again finishes it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict

from blumeops import applying, dependencies, journal, mode, process, repository
from blumeops import target as targets
from blumeops.errors import BlumeOpsError, GitError, Unreachable
from blumeops.journal import Journal
from blumeops.layer import Desired, Layer, Notify
from blumeops.layers import FACTORIES, Factory
from blumeops.notebook_progress import shown, silent
from blumeops.plan import Answer, Plan, Report, State, Status
from blumeops.repository import Repository
from blumeops.target import SANDBOX, Publish, Target

LAYERS = tuple(FACTORIES)
"""The layers' names, in the order in which they are applied."""

FOLDERS = {"tailnet": "pulumi", "hosts": "ansible", "cluster": "argocd"}
"""The folder of desired state of each layer, under `homelab/`."""

log = logging.getLogger(__name__)


class _About(TypedDict):
    """The two revisions that a state is about."""

    desired: str
    recorded: str


@dataclass(frozen=True, slots=True)
class Homelab:
    """The layers on one target, with the repository that holds their desired state."""

    repository: Repository
    target: Target
    factories: Mapping[str, Factory] = field(default_factory=lambda: FACTORIES, repr=False)

    @classmethod
    def open(cls, *, target: str = SANDBOX, root: Path | None = None) -> Homelab:
        """The homelab around a folder (by default the current one), on the named target."""
        found = repository.find((root or Path.cwd()).resolve())
        return cls(found, targets.load(main_checkout(found.root), target))

    def clone(self, name: str) -> Homelab:
        """The same target with a fresh clone of the repository, whose commits never touch yours."""
        folder = self.target.state / "clones" / name
        return replace(self, repository=repository.clone(self.repository.root, folder))

    def working_copy(self, name: str) -> Homelab:
        """Where a procedure edits: a fresh clone on the sandbox, the checkout itself on a real target.

        A run of a runbook that is taken up again, in another process too, finds its clone with its commits.
        """
        if not self.target.is_sandbox:
            return self
        run = os.environ.get("BLUMEOPS_RUN", "")
        made = Repository(self.target.state / "clones" / name)
        mark = made.root / ".git" / "blumeops-run"
        if run and mark.exists() and mark.read_text() == run:
            return replace(self, repository=made)
        fresh = self.clone(name)
        mark.write_text(run)
        return fresh

    @property
    def root(self) -> Path:
        """The folder of the work tree."""
        return self.repository.root

    def layers(self, names: Sequence[str] = ()) -> tuple[Layer, ...]:
        """The layers that this target has, in order; only the named ones if any are named."""
        wanted = _known(names)
        made = (self._layer(name) for name in LAYERS if name in wanted)
        return tuple(layer for layer in made if layer is not None)

    def _layer(self, name: str) -> Layer | None:
        desired = self.root / repository.DESIRED_STATE / FOLDERS[name]
        dependencies.note(desired)
        return self.factories[name](self.target, desired)

    def plan(self, names: Sequence[str] = (), *, notify: Notify = silent) -> Report:
        """Compare what Git says with what is, in every layer at once. Changes nothing."""
        desired = self.repository.desired()
        return self._ask("plan", names, lambda layer: layer.plan(desired), notify)

    def drift(self, names: Sequence[str] = (), *, notify: Notify = silent) -> Report:
        """Compare what was applied last with what is. Changes nothing.

        A layer to which nothing was applied yet has nothing to drift from: its state is pending.
        """
        return self._ask("drift", names, self._drift, notify)

    def status(self, names: Sequence[str] = (), *, notify: Notify = silent) -> Report:
        """The state of each layer: in_sync, pending, drifted, degraded or unknown, with the reason."""
        desired = self.repository.desired()
        return self._ask("status", names, lambda layer: self._status(layer, desired), notify)

    def _drift(self, layer: Layer) -> Plan | Status:
        recorded = layer.recorded()
        if recorded is None:
            return Status(layer.name, State.PENDING, "nothing was applied yet")
        return self._since(layer, recorded)

    def _since(self, layer: Layer, recorded: str) -> Plan:
        with self.repository.export(recorded, self.target.git) as then:
            return layer.drift(then)

    def _status(self, layer: Layer, desired: Desired) -> Status:
        health = layer.health()
        if health.state is State.UNKNOWN:
            return health
        recorded = health.recorded or layer.recorded()
        about: _About = {"desired": desired.revision, "recorded": recorded or ""}
        if recorded is None and health.state is State.DEGRADED:
            return replace(health, **about)
        if recorded is None:
            return replace(health, state=State.PENDING, reason="nothing was applied yet", **about)
        drift = self._since(layer, recorded)
        if drift.changes:
            details = tuple(str(change) for change in drift.changes)
            return Status(layer.name, State.DRIFTED, _words(drift), details=details, **about)
        if not self._unchanged_since(recorded, desired, layer.name):
            pending = layer.plan(desired)
            if pending.changes:
                details = tuple(str(change) for change in pending.changes)
                return Status(layer.name, State.PENDING, _words(pending), details=details, **about)
        if health.state is State.DEGRADED:
            return replace(health, **about)
        note = "" if drift.coverage.complete else str(drift.coverage)
        return Status(layer.name, State.IN_SYNC, note, **about)

    def _unchanged_since(self, recorded: str, desired: Desired, layer: str) -> bool:
        if desired.dirty:
            return False
        folder = f"{repository.DESIRED_STATE}/{FOLDERS[layer]}"
        return self.repository.same_tree(recorded, desired.revision, folder)

    def _ask(
        self, verb: str, names: Sequence[str], question: Callable[[Layer], Answer], notify: Notify
    ) -> Report:
        wanted = [name for name in LAYERS if name in _known(names)]

        def ask(name: str) -> Answer:
            begun = time.monotonic()
            answer = _translated(name, lambda: question(self._present(name)))
            notify(f"{answer} [{time.monotonic() - begun:.1f} s]")
            return answer

        with shown(notify, verb) as notify, ThreadPoolExecutor(max_workers=len(LAYERS)) as pool:
            try:
                return Report(verb, self.target.name, tuple(pool.map(ask, wanted)))
            except BaseException:
                process.end_running()
                raise

    def _present(self, name: str) -> Layer:
        layer = self._layer(name)
        if layer is None:
            reason = self.target.missing.get(name, f"target {self.target.name!r} has no {name} layer")
            raise Unreachable(reason, retryable=False)
        return layer

    def apply(
        self, names: Sequence[str] = (), *, plans: Report | None = None, notify: Notify = silent
    ) -> Report:
        """Make the live system what Git says: exactly the changes of `plans`, or of a plan made now.

        Raises `DirtyTree` or `Diverged` when Git is not ready, `Locked` when another run is on, `StalePlan`
        when something moved since the plan. When any layer's plan is an error, nothing is applied at all. A
        layer that is unknown stays as it is, and the report's exit code is 4. A layer that fails stops the
        later ones; the report says what became of each change.
        """
        mode.require_change("apply")
        what = f"apply to {self.target.name}"
        with journal.lock(self.target.state / "apply.lock", what), shown(notify, "apply") as notify:
            if plans is not None:
                return self._apply(plans, notify, "apply", recheck=True)
            return self._apply(self.plan(names, notify=notify), notify, "apply", recheck=False)

    def _apply(self, plans: Report, notify: Notify, verb: str, *, recheck: bool) -> Report:
        self.repository.require_clean()
        _refuse_errors(plans)
        desired = self.repository.desired()
        applying.require_current(plans, desired)
        record = Journal(self.target.state / "journal")
        record.begin(verb, desired.revision)
        for plan in plans.answers:
            if isinstance(plan, Plan):
                record.planned(plan)
        outcome = "failed"
        try:
            if self.target.cluster is not None:
                asked = any(answer.layer == "cluster" for answer in plans.answers)
                (self.repository.publish if asked else self.repository.keep)(self.target.git)
            answers = tuple(applying.in_order(plans, desired, record, notify, self._present, recheck=recheck))
            report = Report(verb, self.target.name, answers)
            outcome = "done" if report.exit_code == 0 else f"exit {report.exit_code}"
            return report
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
            raise
        finally:
            record.end(outcome)

    @contextmanager
    def reverted(self, revision: str) -> Iterator[str]:
        """Revert a commit or a range for the length of the context, and keep it if that ends well.

        Any exception takes the new commit away again, so a refused or failed question leaves no trace.
        """
        before = self.repository.head()
        commit = self.repository.revert(revision)
        try:
            yield commit
        except BaseException:
            self.repository.git("reset", "--quiet", "--keep", before)
            raise

    def published(self) -> bool:
        """Whether Argo CD can read the commit that we are at; on the sandbox `apply` sees to that."""
        git = self.target.git
        return git.publish is Publish.MIRROR or self.repository.published(git) == self.repository.head()

    def rollback(
        self,
        revision: str,
        names: Sequence[str] = (),
        *,
        agree: Callable[[Report], bool] | None = None,
        notify: Notify = silent,
    ) -> Report:
        """Go back: `git revert` of a commit or range, then apply, over all layers or the named ones.

        With names, a revert that touches another layer's folder is refused. `agree` sees the plan before
        anything changes. When it says no, or the revert conflicts, or a plan is an error, the repository is
        left as it was and nothing is applied.
        """
        mode.require_change("rollback")
        what = f"rollback of {revision} on {self.target.name}"
        with journal.lock(self.target.state / "apply.lock", what), shown(notify, "rollback") as notify:
            with self.reverted(revision):
                self._require_only(names)
                plans = self.plan(names, notify=notify)
                _refuse_errors(plans)
                if agree is not None and not agree(plans):
                    raise GitError(
                        "not rolled back", hint="the repository and the live system are as they were"
                    )
            return self._apply(plans, notify, "rollback", recheck=agree is not None)

    def put_back(self, names: Sequence[str] = ()) -> Report | None:
        """Leave the sandbox as the checkout's own commit says, after a rehearsal in a clone of it.

        On a real target nothing is done: there, what was applied is what is wanted.
        """
        if not self.target.is_sandbox:
            return None
        checkout = replace(self, repository=Repository(main_checkout(self.root)))
        return checkout.clone("put-back").apply(names)

    def _require_only(self, names: Sequence[str]) -> None:
        """Refuse the commit at HEAD when it touches a layer that is not named, and would be half done."""
        known = _known(names)
        places = [f"{repository.DESIRED_STATE}/{FOLDERS[name]}" for name in LAYERS if name not in known]
        words = ("diff", "--name-only", "HEAD~1", "HEAD", "--", *places)
        if places and (touched := self.repository.git(*words).stdout.splitlines()):
            hint = "name every layer that it touches, or none for all of them"
            raise BlumeOpsError(f"the revert touches {touched[0]}, too", hint=hint)


def main_checkout(root: Path) -> Path:
    """The checkout whose sandbox a clone inside `.sandbox/` belongs to."""
    for parent in root.parents:
        if parent.name == ".sandbox":
            return parent.parent
    return root


def _known(names: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in LAYERS]
    if unknown:
        raise BlumeOpsError(f"there is no layer {unknown[0]!r}", hint=f"the layers are {', '.join(LAYERS)}")
    return tuple(names) or LAYERS


def _translated(name: str, question: Callable[[], Answer]) -> Answer:
    try:
        return question()
    except Unreachable as error:
        reason = f"{error.where}: {error.what}" if error.where else error.what
        return Status(name, State.UNKNOWN, reason, retryable=error.retryable)
    except BlumeOpsError as error:
        return Status(name, State.UNKNOWN, error.what.splitlines()[0], error=str(error))
    except (
        Exception
    ) as error:  # an engine's library broke: one layer's answer is an error, not a crash of all
        log.exception("%s", name)
        text = f"{type(error).__name__}: {error}"
        return Status(name, State.UNKNOWN, text.splitlines()[0][:200], error=text)


def _words(plan: Plan) -> str:
    return str(plan).removeprefix(f"{plan.layer}: ")


def _refuse_errors(plans: Report) -> None:
    wrong = [answer.error for answer in plans.answers if isinstance(answer, Status) and answer.error]
    if wrong:
        raise BlumeOpsError("nothing was applied, because a plan is an error:\n" + "\n".join(wrong))

"""The cluster layer: Applications and workloads, deployed by Argo CD.

desired    `homelab/argocd`: root.yaml, the Applications in apps/, the manifests they deploy
recorded   the revision of the root Application's last good sync, which Argo CD keeps
live       the objects in the cluster
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from blumeops import mode
from blumeops.errors import BlumeOpsError, Diverged, StalePlan, Unreachable
from blumeops.layer import Desired, Notify
from blumeops.layers import argocd_lint, argocd_render
from blumeops.layers.argocd_api import OURS, Api, Manifest, Refused
from blumeops.layers.argocd_compare import Comparer, Comparison, parse_address
from blumeops.layers.argocd_health import looked_again, status
from blumeops.layers.argocd_render import App
from blumeops.layers.argocd_sync import SYNC_SECONDS, Progress, Stage, Sync
from blumeops.plan import Action, Change, Coverage, Outcome, Plan, Result, Status
from blumeops.plan import Comparison as Compared
from blumeops.repository import Repository
from blumeops.target import Target

NAME = "cluster"
ROOT = "homelab"
"""The root Application's name, in `homelab/argocd/root.yaml`."""


def environment(target: Target) -> dict[str, str]:
    """What makes `kubectl` and `argocd --core` talk to this target."""
    if target.cluster is None:
        return {}
    return {"KUBECONFIG": str(target.cluster.kubeconfig)}


@dataclass(slots=True)
class ArgocdLayer:
    """The cluster of one target. Holds a connection, which it opens when it is first needed.

    `patience` bounds, in seconds, how long an Application may take to be synced and healthy.
    """

    target: Target
    patience: float = SYNC_SECONDS
    _api: Api | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """The layer's name."""
        return NAME

    @property
    def api(self) -> Api:
        """The cluster's API, connected on first use: importing the client takes a second."""
        with self._lock:
            if self._api is None:
                assert self.target.cluster is not None, "a target without a cluster has no such layer"
                self._api = Api(self.target.cluster)
            return self._api

    def lint(self, desired: Desired) -> None:
        """Check `homelab/argocd` without the cluster. Raises `BadInput` with every problem."""
        argocd_lint.lint(desired, self.target)

    def recorded(self) -> str | None:
        """The revision of the root's last good sync; None when there is none."""
        root = self._live().get(ROOT)
        history = ((root or {}).get("status") or {}).get("history") or ()
        return history[-1].get("revision") if history else None

    def plan(self, desired: Desired) -> Plan:
        """What a sync at this revision would change, by server-side dry runs. Changes nothing."""
        return self._plan(desired, argocd_lint.lint(desired, self.target), Compared.PLAN)

    def drift(self, recorded: Desired) -> Plan:
        """What was changed behind Git's back since the last sync."""
        apps = argocd_render.render(recorded, self.target)
        # What Argo CD wrote down may be older than the last sync of the root: it looks again first.
        live, _ = looked_again(self.api, self._syncs(recorded, lambda _line: None))
        moved = tuple(_moved_on(apps, live, recorded))
        return self._plan(recorded, apps, Compared.DRIFT, moved_on=moved)

    def apply(self, plan: Plan, desired: Desired, notify: Notify, *, recheck: bool = True) -> Result:
        """Sync the root at the plan's revision, then every Application that has changes, and wait for health.

        Raises `StalePlan` or `Diverged` before anything is changed; later failures are in the result.
        """
        mode.require_change("apply")
        begun = time.monotonic()
        self._require_published(desired)
        apps = argocd_lint.lint(desired, self.target)
        self._require_fresh(plan, self._plan(desired, apps, Compared.PLAN))
        syncs, error = dict[str, Progress](), ""
        try:
            syncs = self._sync(plan, apps[0], self._syncs(desired, notify))
        except BlumeOpsError as failure:
            error = str(failure)
        left = self._remaining(plan, desired, apps)
        if left is None:
            outcomes = tuple(Outcome.UNKNOWN for _ in plan.changes)
        else:
            outcomes = tuple(_outcome(change, syncs, left) for change in plan.changes)
        problems = [error] if error else list(_problems(plan.changes, outcomes, syncs))
        return Result(
            NAME,
            desired.revision,
            changes=plan.changes,
            outcomes=outcomes,
            error="; ".join(problems),
            seconds=time.monotonic() - begun,
        )

    def health(self) -> Status:
        """What Argo CD says after looking again: sync, health, and whether it answers at all."""
        try:
            return status(self.api, self.target, ROOT)
        except Unreachable as error:
            return status_unknown(error)

    def _live(self) -> Mapping[str, Manifest]:
        assert self.target.cluster is not None
        return self.api.applications(self.target.cluster.namespace)

    def _compare(self, desired: Desired, apps: tuple[App, ...]) -> Comparison:
        return Comparer(self.api, desired).compare(apps, self._live())

    def _plan(
        self, desired: Desired, apps: tuple[App, ...], comparison: Compared, moved_on: tuple[str, ...] = ()
    ) -> Plan:
        found = self._compare(desired, apps)
        kept = [one for one in found.objects if one.app not in moved_on]
        notes = (*found.notes, *(f"{name}: follows Git by itself and has moved on" for name in moved_on))
        unseen = found.unseen + len(found.objects) - len(kept)
        return Plan(
            layer=NAME,
            desired=desired.revision,
            live=found.fingerprint,
            changes=tuple(one.change for one in kept if one.change),
            coverage=Coverage(len(kept), len(kept) + unseen, notes),
            comparison=comparison,
        )

    def _require_published(self, desired: Desired) -> None:
        """Argo CD applies what it can fetch: the remote's branch must be at our revision."""
        git = self.target.git
        there = Repository(desired.folder.parent).published(git)
        if there != desired.revision:
            raise Diverged(
                f"Argo CD reads {git.branch} @ {(there or 'nothing')[:12]}, the plan is for "
                f"{desired.revision[:12]}",
                where=git.url,
                hint="push the revision, then plan again",
            )

    def _require_fresh(self, plan: Plan, now: Plan) -> None:
        """Refuse a plan that the live system has left behind.

        Argo CD may have done a part of the plan by itself since (an Application that syncs automatically);
        then what is left is a part of what was agreed to, and that is fine.
        """
        if plan.desired != now.desired:
            raise StalePlan(f"the plan is for {plan.desired[:12]}, Git is at {now.desired[:12]}", where=NAME)
        if plan.live == now.live or set(now.changes) < set(plan.changes):
            return
        planned = {change.address: change for change in plan.changes}
        new = [str(one) for one in now.changes if planned.get(one.address) != one]
        what = ", ".join(new[:3]) or "the live objects are not those of the plan"
        raise StalePlan(f"the cluster changed since the plan was made: {what}", where=NAME, hint="plan again")

    def _syncs(self, desired: Desired, notify: Notify) -> Sync:
        return Sync(self.api, self.target, desired.revision, notify, self.patience)

    def _sync(self, plan: Plan, root: App, sync: Sync) -> dict[str, Progress]:
        kinds = [(change.action, *parse_address(change.address)) for change in plan.changes]
        deletes = {app for action, app, _ in kinds if action is Action.DELETE}
        self.api.apply(sync.path(root.name), root.manifest, manager=OURS, dry_run=False)
        gone = Action.DELETE, root.name, "Application"
        leaving = {key.name for action, app, key in kinds if (action, app, key.kind) == gone}
        changed = dict.fromkeys(app for _, app, _ in kinds if app not in (root.name, *leaving))
        children = {name: name in deletes for name in changed}
        first = {root.name: root.name in deletes}
        if not any(app == root.name for _, app, _ in kinds):
            # The Applications stay as they are; then the root's sync only records the revision.
            return sync.sync({**first, **children})
        done = sync.sync(first)
        if done[root.name].stage is not Stage.DONE:
            return done
        return done | sync.sync(children) | sync.wait_gone(leaving)

    def _remaining(self, plan: Plan, desired: Desired, apps: tuple[App, ...]) -> set[str] | None:
        """What still differs after the sync (Argo CD's word for it is not enough); None if nobody can say.

        What the plan removes and no sync does, because it was added by hand, is removed here.
        """
        planned = {change.address for change in plan.changes}
        try:
            found = self._compare(desired, apps)
            ours = [one for one in found.objects if one.change and one.change.address in planned]
            cleanings = [one.cleaning for one in ours if one.cleaning]
            for path, operations in cleanings:
                with contextlib.suppress(Refused):  # it changed meanwhile: then it still differs
                    self.api.patch(path, operations)
            after = self._compare(desired, apps) if cleanings else found
            return {change.address for change in after.changes}
        except BlumeOpsError:
            return None


def status_unknown(error: BlumeOpsError) -> Status:
    """A layer that did not answer is unknown, and asking again may help."""
    from blumeops.plan import State

    return Status(NAME, State.UNKNOWN, reason=error.what, retryable=True)


def _moved_on(apps: tuple[App, ...], live: Mapping[str, Manifest], recorded: Desired) -> Iterable[str]:
    """Automatic Applications that synced a newer revision than the one that we would compare with.

    One that a commit does not touch keeps its old history, but Argo CD has compared it with the new commit.
    """
    for app in apps:
        status = live.get(app.name, {}).get("status") or {}
        history = status.get("history") or ()
        automated = (app.manifest["spec"].get("syncPolicy") or {}).get("automated") is not None
        known = (recorded.revision, None)
        if (
            automated
            and history
            and history[-1].get("revision") not in known
            and (status.get("sync") or {}).get("revision") not in known
        ):
            yield app.name


def _outcome(change: Change, syncs: Mapping[str, Progress], left: set[str]) -> Outcome:
    app, key = parse_address(change.address)
    sync = syncs.get(app)
    if change.address not in left:
        return Outcome.DONE
    if sync is None:
        return Outcome.NOT_STARTED
    tried = key in sync.resources or sync.stage is Stage.DONE or change.action is Action.REPLACE
    return Outcome.FAILED if tried else Outcome.NOT_STARTED


def _problems(
    changes: tuple[Change, ...], outcomes: tuple[Outcome, ...], syncs: Mapping[str, Progress]
) -> Iterable[str]:
    for name, sync in syncs.items():
        if sync.stage is Stage.FAILED:
            yield f"{name}: {sync.says}"
    for change, outcome in zip(changes, outcomes, strict=True):
        app, key = parse_address(change.address)
        if outcome is not Outcome.DONE and app in syncs and syncs[app].stage is Stage.DONE:
            yield f"{app}: {key} still differs after a good sync (is something else changing it?)"

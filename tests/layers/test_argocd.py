"""The laws of the cluster layer, on the sandbox's real Argo CD."""

from __future__ import annotations

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from blumeops import process, repository
from blumeops.errors import BadInput, Diverged, StalePlan
from blumeops.layers.argocd import ArgocdLayer
from blumeops.plan import Action, Outcome, Plan, Result, State
from blumeops.repository import Repository
from blumeops.sandbox import engines
from blumeops.sandbox.sandbox import Sandbox

pytestmark = pytest.mark.sandbox

WORKLOADS = "homelab/argocd/workloads"
PAPERLESS = f"{WORKLOADS}/paperless/paperless.yaml"
GATUS = f"{WORKLOADS}/gatus/deployment.yaml"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{0}/deployments/{0}"


@dataclass
class Trial:
    """One homelab on the sandbox's cluster, with the words that the tests need."""

    repository: Repository
    layer: ArgocdLayer

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.repository.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        self.repository.commit(f"edit {path}")

    def write(self, path: str, text: str) -> None:
        file = self.repository.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.repository.commit(f"write {path}")

    def plan(self) -> Plan:
        return self.layer.plan(self.repository.desired())

    def drift(self) -> Plan:
        recorded = self.layer.recorded()
        assert recorded is not None
        with self.repository.export(recorded, self.layer.target.git) as then:
            return self.layer.drift(then)

    def apply(self, plan: Plan | None = None) -> Result:
        plan = plan or self.plan()
        self.repository.publish(self.layer.target.git)
        return self.layer.apply(plan, self.repository.desired(), lambda line: None)

    def put_back(self) -> None:
        """Make the cluster as this clone says, unless it is."""
        published = self.repository.published(self.layer.target.git)
        if self.plan() or {published, self.layer.recorded()} != {self.repository.head()}:
            result = self.apply()
            assert result.succeeded, result

    def live(self, path: str) -> dict | None:
        return self.layer.api.get(path)

    def by_hand(self, path: str, patch: dict) -> None:
        self.layer.api.merge(path, patch)


@pytest.fixture
def trial(sandbox: Sandbox, tmp_path: Path) -> Iterator[Trial]:
    """A trial on a clone of its own, in sync when it begins; the cluster is put back when it ends."""
    layer = ArgocdLayer(sandbox.target)
    begin = Trial(repository.clone(sandbox.layout.root, tmp_path / "begin"), layer)
    begin.put_back()
    yield Trial(repository.clone(sandbox.layout.root, tmp_path / "trial"), layer)
    begin.put_back()


def eventually(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until something holds; fail when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def test_after_apply_the_plan_is_empty_and_so_is_drift(trial: Trial) -> None:
    trial.edit(PAPERLESS, "cpu: 200m", "cpu: 250m")
    plan = trial.plan()
    assert [str(change) for change in plan.changes] == ["~ paperless: apps/Deployment paperless/paperless"]
    assert "+            cpu: 250m" in plan.changes[0].diff
    assert trial.apply(plan).succeeded
    assert not trial.plan() and not trial.drift()
    assert trial.layer.recorded() == trial.repository.head()
    assert trial.layer.health().state is State.IN_SYNC


def test_planning_changes_nothing(trial: Trial) -> None:
    trial.edit(PAPERLESS, "cpu: 200m", "cpu: 260m")
    trial.edit(GATUS, "cpu: 20m", "cpu: 30m")
    before = trial.live(DEPLOYMENTS.format("paperless")), trial.live(DEPLOYMENTS.format("gatus"))
    assert len(trial.plan().changes) == 2
    assert (trial.live(DEPLOYMENTS.format("paperless")), trial.live(DEPLOYMENTS.format("gatus"))) == before


def test_a_manual_edit_is_drift_and_apply_takes_it_back(trial: Trial) -> None:
    trial.by_hand(DEPLOYMENTS.format("paperless"), {"spec": {"replicas": 3}})
    drift = trial.drift()
    assert [change.address for change in drift.changes] == ["paperless: apps/Deployment paperless/paperless"]
    assert "-  replicas: 3" in drift.changes[0].diff
    assert trial.layer.health().state is State.DRIFTED
    assert trial.apply().succeeded
    assert not trial.drift()


def test_what_was_added_by_hand_is_drift_and_apply_takes_it_away(trial: Trial) -> None:
    """A sync leaves alone what Git does not state, but the live system is then not what Git says."""
    config = str(trial.layer.target.cluster.kubeconfig)
    kubectl = [str(engines.require("kubectl")), f"--kubeconfig={config}", "--namespace=paperless"]
    process.run([*kubectl, "set", "env", "deployment/paperless", "ADDED=1"]).check()
    process.run([*kubectl, "label", "service/broker", "added=1"]).check()
    process.run([*kubectl, "rollout", "restart", "deployment/broker"]).check()
    drift = trial.drift()
    assert {change.address: change.action for change in drift.changes} == {
        "paperless: apps/Deployment paperless/paperless": Action.UPDATE,
        "paperless: Service paperless/broker": Action.UPDATE,
    }, "a restart is no drift"
    assert "-        - name: ADDED" in "".join(change.diff for change in drift.changes)
    assert trial.apply().succeeded
    assert not trial.drift()


def test_what_was_deleted_by_hand_is_drift(trial: Trial) -> None:
    trial.layer.api._request("DELETE", "/api/v1/namespaces/paperless/services/broker")
    assert [str(change) for change in trial.drift().changes] == ["+ paperless: Service paperless/broker"]


def test_an_application_with_self_heal_takes_an_edit_back_by_itself(trial: Trial) -> None:
    path = DEPLOYMENTS.format("gatus")
    trial.by_hand(path, {"spec": {"replicas": 2}})
    eventually(lambda: trial.live(path)["spec"]["replicas"] == 1, 20)


def test_a_stale_plan_is_refused(trial: Trial) -> None:
    trial.edit(PAPERLESS, "cpu: 200m", "cpu: 270m")
    plan = trial.plan()
    selector = {"spec": {"selector": {"app.kubernetes.io/name": "somebody-else"}}}
    trial.by_hand("/api/v1/namespaces/paperless/services/paperless", selector)
    with pytest.raises(StalePlan, match="Service paperless/paperless"):
        trial.apply(plan)
    trial.edit(PAPERLESS, "cpu: 270m", "cpu: 280m")
    with pytest.raises(StalePlan, match="Git is at"):
        trial.apply(plan)


def test_a_change_of_status_alone_does_not_make_a_plan_stale(trial: Trial) -> None:
    trial.edit(PAPERLESS, "cpu: 200m", "cpu: 290m")
    path = DEPLOYMENTS.format("paperless")
    plan, before = trial.plan(), trial.live(path)["metadata"]["resourceVersion"]
    for pod in trial.live("/api/v1/namespaces/paperless/pods")["items"]:
        trial.layer.api._request("DELETE", f"/api/v1/namespaces/paperless/pods/{pod['metadata']['name']}")
    eventually(lambda: trial.live(path)["metadata"]["resourceVersion"] != before, 10)
    assert trial.apply(plan).succeeded


def test_what_left_git_is_planned_for_deletion_and_goes(trial: Trial) -> None:
    trial.edit("homelab/argocd/apps/kustomization.yaml", "  - paperless.yaml\n", "")
    plan = trial.plan()
    assert {change.action for change in plan.changes} == {Action.DELETE}
    addresses = [change.address for change in plan.changes]
    assert "homelab: argoproj.io/Application argocd/paperless" in addresses
    assert "paperless: apps/Deployment paperless/broker" in addresses
    assert len(addresses) == 5
    assert trial.apply(plan).succeeded
    assert trial.live(DEPLOYMENTS.format("paperless")) is None
    assert not trial.plan()


def test_an_invalid_manifest_is_named_with_file_line_and_field(trial: Trial) -> None:
    trial.edit(PAPERLESS, "replicas: 1", "replicas: many")
    trial.edit(GATUS, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: 5")
    with pytest.raises(BadInput) as caught:
        trial.plan()
    paperless, gatus = sorted(caught.value.problems, key=lambda problem: "gatus" in problem.path)
    assert "replicas" in paperless.what and "apps/Deployment paperless/paperless" in paperless.what
    assert "readOnlyRootFilesystem" in gatus.what
    for problem, text in ((paperless, "replicas: many"), (gatus, "readOnlyRootFilesystem: 5")):
        lines = (trial.repository.root / problem.path).read_text().splitlines()
        assert lines[problem.line - 1].strip() == text


def test_an_unknown_kind_is_bad_input(trial: Trial) -> None:
    manifest = "apiVersion: monitoring.example/v1\nkind: Probe\nmetadata:\n  name: one\n"
    trial.write(f"{WORKLOADS}/grafana/probe.yaml", manifest)
    with pytest.raises(BadInput, match=r"probe.yaml:1: grafana: .* the cluster does not know the kind Probe"):
        trial.plan()


def test_an_immutable_field_proposes_a_replacement_and_forces_nothing(trial: Trial) -> None:
    file = trial.repository.root / PAPERLESS
    file.write_text(
        file.read_text().replace("app.kubernetes.io/name: paperless", "app.kubernetes.io/name: pngx")
    )
    trial.repository.commit("another selector")
    plan = trial.plan()
    by_action = {change.action: change for change in plan.changes}
    assert by_action[Action.REPLACE].address == "paperless: apps/Deployment paperless/paperless"
    assert "field is immutable" in by_action[Action.REPLACE].diff
    uid = trial.live(DEPLOYMENTS.format("paperless"))["metadata"]["uid"]
    result = trial.apply(plan)
    assert not result.succeeded and "immutable" in result.error and result.error.startswith("paperless: ")
    failed = dict(zip(plan.changes, result.outcomes, strict=True))[by_action[Action.REPLACE]]
    assert failed is Outcome.FAILED
    assert trial.live(DEPLOYMENTS.format("paperless"))["metadata"]["uid"] == uid


def test_no_value_of_a_secret_is_in_a_plan(trial: Trial) -> None:
    canaries = [secrets.token_hex(12) for _ in range(2)]
    path = f"{WORKLOADS}/paperless/key.yaml"
    head = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: key\nstringData:\n"
    trial.write(path, f"{head}  key: {canaries[0]}\n")
    plans = [trial.plan()]
    assert trial.apply(plans[0]).succeeded
    trial.edit(path, canaries[0], canaries[1])
    plans += [trial.plan(), trial.drift()]
    text = "".join(change.diff for plan in plans for change in plan.changes)
    assert "[secret 1]" in text and "[secret 2]" in text
    for canary in canaries:
        assert canary not in text and b64encode(canary.encode()).decode() not in text


def test_a_workload_that_never_becomes_healthy_fails_and_is_named(trial: Trial) -> None:
    """No node has the label that the pod asks for, so the rollout never ends."""
    trial.edit(
        PAPERLESS,
        "    spec:\n      containers:",
        "    spec:\n      nodeSelector: {kubernetes.io/os: plan9}\n      containers:",
    )
    impatient = Trial(trial.repository, ArgocdLayer(trial.layer.target, patience=4.0))
    result = impatient.apply()
    assert not result.succeeded
    assert result.error.startswith("paperless: ") and "apps/Deployment paperless/paperless" in result.error


def test_a_sync_stuck_in_a_hook_is_ended(trial: Trial) -> None:
    """The hook's pod asks for a node that is not there, so the Job never ends."""
    trial.edit(PAPERLESS, "cpu: 200m", "cpu: 310m")
    head = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n"
    pod = "      nodeSelector: {kubernetes.io/os: plan9}\n      restartPolicy: Never\n      containers:\n"
    container = "        - {name: migrate, image: example.org/migrate:1.0}\n"
    hook = f"{head}    argocd.argoproj.io/hook: PreSync\nspec:\n  template:\n    spec:\n{pod}{container}"
    trial.write(f"{WORKLOADS}/paperless/migrate.yaml", hook)
    plan = trial.plan()
    assert "1 sync hooks are run by a sync and not compared" in plan.coverage.notes
    result = Trial(trial.repository, ArgocdLayer(trial.layer.target, patience=6.0)).apply(plan)
    assert "paperless: not done after 6 s" in result.error and "ended" in result.error
    assert result.outcomes == (Outcome.NOT_STARTED,)
    live = trial.live("/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/paperless")
    assert "operation" not in live and live["status"]["operationState"]["phase"] == "Failed"


def test_apply_refuses_when_argo_cd_reads_another_revision(trial: Trial) -> None:
    trial.edit(PAPERLESS, "cpu: 200m", "cpu: 300m")
    with pytest.raises(Diverged, match="Argo CD reads main @"):
        trial.layer.apply(trial.plan(), trial.repository.desired(), lambda line: None)


def test_an_application_from_another_repository_is_reported_as_not_compared(trial: Trial) -> None:
    trial.edit(
        "homelab/argocd/root.yaml",
        "          patch: |-\n            - op: replace\n              path: /spec/source/repoURL\n",
        "            name: (gatus|grafana|miniflux)\n          patch: |-\n"
        "            - op: replace\n              path: /spec/source/repoURL\n",
    )
    plan = trial.plan()
    assert not plan.coverage.complete
    assert any("paperless: not compared" in note for note in plan.coverage.notes)


def test_a_repo_server_that_is_down_is_never_read_as_health(trial: Trial, sandbox: Sandbox) -> None:
    name = "argocd-repo-server"
    sandbox.supervisor.end(name)
    try:
        status = trial.layer.health()
        assert status.state is State.UNKNOWN and status.retryable, status
    finally:
        sandbox.up(["cluster"], notify=lambda line: None)
    eventually(lambda: trial.layer.health().state is State.IN_SYNC, 30)


def test_an_api_server_that_is_down_is_unknown_and_comes_back(trial: Trial, sandbox: Sandbox) -> None:
    sandbox.supervisor.end("kube-apiserver")
    try:
        status = trial.layer.health()
        assert status.state is State.UNKNOWN and status.retryable
    finally:
        sandbox.up(["cluster"], notify=lambda line: None)
    eventually(lambda: trial.layer.health().state is State.IN_SYNC, 60)


def test_environment_points_kubectl_at_the_target(trial: Trial) -> None:
    from blumeops.layers.argocd import environment

    assert Path(environment(trial.layer.target)["KUBECONFIG"]).exists()

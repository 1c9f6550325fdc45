"""The laws of the cluster's desired state that need no cluster: strict YAML, nothing from outside, masks."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import pytest

from blumeops.errors import BadInput
from blumeops.layer import Desired
from blumeops.layers import argocd_lint, argocd_render, argocd_yaml
from blumeops.layers.argocd_api import Key
from blumeops.layers.argocd_compare import address, parse_address
from blumeops.layers.argocd_diff import diff, essence
from blumeops.layers.argocd_strays import removal, strays, without
from blumeops.sandbox import engines
from blumeops.target import Cluster, GitRemote, Target

ROOT = Path(__file__).resolve().parents[2]
URL = "https://git.example/homelab.git"


@pytest.fixture
def target(tmp_path: Path) -> Target:
    kustomize = engines.find("kustomize") or shutil.which("kustomize")
    if kustomize is None:
        pytest.skip("kustomize is not built yet: `blumeops engines build`")
    cluster = Cluster(tmp_path / "kubeconfig", "none", kustomize=str(kustomize))
    return Target("example", "example", tmp_path, GitRemote(URL, "trunk"), cluster=cluster)


@pytest.fixture
def desired(tmp_path: Path) -> Desired:
    shutil.copytree(ROOT / "homelab" / "argocd", tmp_path / "homelab" / "argocd")
    return Desired(tmp_path / "homelab", "0" * 40)


def yaml_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "one.yaml"
    path.write_text(text)
    return path


def test_the_targets_repository_and_branch_reach_every_application(desired: Desired, target: Target) -> None:
    apps = argocd_render.render(desired, target)
    sources = {app.name: app.manifest["spec"]["source"] for app in apps}
    assert len(sources) >= 5
    assert {(one["repoURL"], one["targetRevision"]) for one in sources.values()} == {(URL, "trunk")}


def test_every_application_says_how_it_syncs_and_one_of_each_kind_is_there(
    desired: Desired, target: Target
) -> None:
    _, *children = argocd_render.render(desired, target)
    policies = [child.manifest["spec"]["syncPolicy"].get("automated") for child in children]
    assert None in policies and {"prune": True, "selfHeal": True} in policies
    assert all(child.objects for child in children)


def test_every_image_is_pinned_and_every_container_requests_resources(
    desired: Desired, target: Target
) -> None:
    containers = [
        container
        for app in argocd_render.render(desired, target)
        for one in app.objects
        for container in one.manifest.get("spec", {})
        .get("template", {})
        .get("spec", {})
        .get("containers", ())
    ]
    assert len(containers) >= 5
    for container in containers:
        name, _, tag = container["image"].rpartition(":")
        assert (name and tag[0].isdigit()) or (tag[0] == "v" and tag[1].isdigit()), container["image"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])


def test_a_generated_object_names_the_file_that_makes_it(desired: Desired, target: Target) -> None:
    miniflux = next(app for app in argocd_render.render(desired, target) if app.name == "miniflux")
    paths = {one.manifest["kind"]: one.path for one in miniflux.objects}
    assert paths["ConfigMap"].endswith("overlays/homelab/kustomization.yaml")
    assert paths["StatefulSet"].endswith("base/database.yaml")
    assert not any("origin" in str(one.manifest["metadata"].get("annotations")) for one in miniflux.objects)


def test_a_duplicate_key_is_refused_with_both_lines(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "kind: A\nspec:\n  replicas: 1\n  replicas: 2\n")
    with pytest.raises(BadInput, match=r"one.yaml:4:3: duplicate key 'replicas' \(first in line 3\)"):
        argocd_yaml.read(path, "one.yaml")


def test_values_are_read_as_kubernetes_reads_them(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "day: 2026-01-31\nports: 22:22\nmode: 0644\ncount: 1_000\nnot: 08\n")
    [read] = argocd_yaml.read(path, "one.yaml")
    assert read == {"day": "2026-01-31", "ports": "22:22", "mode": 0o644, "count": 1000, "not": "08"}


def test_a_yaml_bomb_is_refused_before_it_expands(tmp_path: Path) -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    with pytest.raises(BadInput, match="aliases are expanded"):
        argocd_yaml.read(yaml_file(tmp_path, f"a0: &a0 [x]\n{levels}"), "one.yaml")


def test_the_line_of_a_field_is_found_by_index_and_by_key(tmp_path: Path) -> None:
    head = "kind: A\nmetadata:\n  name: one\nspec:\n  list:\n"
    text = f"{head}  - name: x\n    value: 1\n  - name: y\n    value: 2\n"
    path = yaml_file(tmp_path, text)
    assert argocd_yaml.line_of(path, "A", "one", "spec.list[1].value") == 9
    assert argocd_yaml.line_of(path, "A", "one", '.spec.list[name="x"].value') == 7
    assert argocd_yaml.line_of(path, "A", "one", "spec.absent") == 4
    assert argocd_yaml.line_of(path, "A", "two", "spec") == 0


@pytest.mark.parametrize(
    "remote",
    [
        "https://example.org/base",
        "github.com/someone/base?ref=v1",
        "git@example.org:someone/base",
        "ssh://git@example.org/base",
    ],
)
def test_a_remote_base_is_refused(desired: Desired, target: Target, remote: str) -> None:
    file = desired.folder / "argocd/apps/kustomization.yaml"
    file.write_text(file.read_text() + f"  - {remote}\n")
    with pytest.raises(BadInput, match=r"kustomization.yaml:\d+: resources: .* is fetched from elsewhere"):
        argocd_lint.lint(desired, target)


def test_a_link_out_of_the_tree_is_refused_and_not_read(desired: Desired, target: Target) -> None:
    canary = secrets.token_hex(8)
    outside = desired.folder.parent / "outside.yaml"
    outside.write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  key: {canary}\n")
    (desired.folder / "argocd/workloads/grafana/leak.yaml").symlink_to(outside)
    with pytest.raises(BadInput, match=r"leak.yaml: a symbolic link to .* outside") as caught:
        argocd_lint.lint(desired, target)
    assert canary not in str(caught.value)


def test_a_missing_folder_and_a_broken_kustomization_are_both_named(desired: Desired, target: Target) -> None:
    app = desired.folder / "argocd/apps/grafana.yaml"
    app.write_text(app.read_text().replace("workloads/grafana", "workloads/grafna"))
    broken = desired.folder / "argocd/workloads/gatus/kustomization.yaml"
    broken.write_text(broken.read_text().replace("  - service.yaml", "  - servce.yaml"))
    with pytest.raises(BadInput) as caught:
        argocd_lint.lint(desired, target)
    text = str(caught.value)
    assert "homelab/argocd/apps/grafana.yaml: grafana: there is no folder" in text
    assert "workloads/gatus/kustomization.yaml: kustomize: " in text and "servce.yaml" in text
    assert str(desired.folder) not in text


def test_an_object_in_two_applications_is_refused(desired: Desired, target: Target) -> None:
    source = desired.folder / "argocd/workloads/grafana/service.yaml"
    copy = desired.folder / "argocd/workloads/paperless/grafana.yaml"
    copy.write_text(
        source.read_text().replace(
            "  name: grafana\n  labels", "  name: grafana\n  namespace: grafana\n  labels"
        )
    )
    with pytest.raises(
        BadInput, match="Service grafana/grafana is in two Applications, grafana and paperless"
    ):
        argocd_lint.lint(desired, target)


def test_a_chart_is_reported_as_not_compared(desired: Desired, target: Target) -> None:
    app = desired.folder / "argocd/apps/paperless.yaml"
    app.write_text(
        app.read_text().replace("    path: homelab", "    helm: {releaseName: p}\n    path: homelab")
    )
    paperless = next(app for app in argocd_lint.lint(desired, target) if app.name == "paperless")
    assert not paperless.objects
    assert paperless.notes == ("paperless: not compared: its source is of the kind 'helm'",)


def test_every_source_of_a_multi_source_application_is_rendered(desired: Desired, target: Target) -> None:
    app = desired.folder / "argocd/apps/paperless.yaml"
    text = app.read_text()
    begin, end = text.index("  source:"), text.index("  destination:")
    base = "repoURL: {0}, targetRevision: main, path: homelab/argocd/workloads/{1}"
    sources = [f"    - {{{base.format(URL, name)}}}\n" for name in ("paperless", "grafana")]
    app.write_text(text[:begin] + "  sources:\n" + "".join(sources) + text[end:])
    root = desired.folder / "argocd/root.yaml"
    root.write_text(
        root.read_text().replace(
            "kind: Application\n          patch",
            "kind: Application\n            name: g.*|m.*\n          patch",
        )
    )
    paperless = next(app for app in argocd_render.render(desired, target) if app.name == "paperless")
    assert {one.manifest["metadata"]["name"] for one in paperless.objects} >= {
        "paperless",
        "broker",
        "grafana",
    }


def test_values_of_secrets_are_marks_equal_for_equal_values() -> None:
    value, other = secrets.token_hex(8), secrets.token_hex(8)

    def secret(**data: str) -> dict:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": data}

    text = diff(secret(a=value, b=value), secret(a=value, b=other))
    assert value not in text and other not in text
    assert "-  b: '[secret 1]'" in text and "+  b: '[secret 2]'" in text


def test_status_and_bookkeeping_are_no_difference() -> None:
    bare = {"kind": "A", "metadata": {"name": "x"}, "spec": {"replicas": 1}}
    kept = {"resourceVersion": "7", "uid": "u", "generation": 3, "managedFields": []}
    note = {"deployment.kubernetes.io/revision": "2"}
    live = {**bare, "metadata": {"name": "x", **kept, "annotations": note}, "status": {"ready": 1}}
    assert essence(live) == essence(bare)


@pytest.mark.parametrize(
    "key",
    [Key("apps", "Deployment", "a", "b"), Key("", "Service", "a", "b"), Key("", "Namespace", "", "b")],
)
def test_an_address_names_application_and_object_and_can_be_read_back(key: Key) -> None:
    assert parse_address(address("app", key)) == ("app", key)


def live_object(fields: dict, manager: str = "kubectl-edit", **spec: object) -> dict:
    entry = {"manager": manager, "operation": "Update", "fieldsV1": fields}
    return {"metadata": {"name": "x", "resourceVersion": "7", "managedFields": [entry]}, "spec": spec}


def test_what_hands_added_is_told_apart_from_what_controllers_and_git_set() -> None:
    """Field paths as the API server writes them (structured-merge-diff's FieldsV1)."""
    item = {".": {}, "f:name": {}, "f:value": {}}
    fields = {"f:spec": {"f:replicas": {}, "f:env": {'k:{"name":"B"}': item}, "f:paused": {}}}
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    live = live_object(fields, replicas=1, env=env, paused=True)
    wanted = {"metadata": {"name": "x"}, "spec": {"replicas": 1, "env": env[:1]}}
    found = strays(live, wanted)
    assert set(found) == {("spec", "env", 1), ("spec", "paused")}
    assert without(live, found)["spec"] == {"replicas": 1, "env": env[:1]}
    assert {one["path"] for one in removal(live, found)[1:]} == {"/spec/env/1", "/spec/paused"}
    by_controller = live_object(fields, "kube-controller-manager", replicas=1, env=env, paused=True)
    assert strays(by_controller, wanted) == ()


def test_several_added_items_are_removed_last_first() -> None:
    fields = {"f:spec": {"f:list": {f'k:{{"name":"{n}"}}': {".": {}, "f:name": {}} for n in range(12)}}}
    live = live_object(fields, list=[{"name": str(n)} for n in range(12)])
    found = strays(live, {"spec": {"list": [{"name": "0"}]}})
    assert [place for *_, place in found] == list(range(11, 0, -1))
    assert without(live, found)["spec"] == {"list": [{"name": "0"}]}


def test_a_restart_by_hand_is_no_change_of_state() -> None:
    note = {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}
    live = live_object({"f:spec": note}, annotations={"kubectl.kubernetes.io/restartedAt": "now"})
    assert strays(live, {"spec": {}}) == ()

"""The scheduled run of runbooks, as a cluster would get it: nothing in it can do more than it should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "homelab/argocd/workloads/runbooks"


@pytest.fixture(scope="module")
def cronjob() -> dict:
    return yaml.safe_load((FOLDER / "cronjob.yaml").read_text())


def unknown(value: object, kind: str, where: str = "") -> Iterator[str]:
    """The keys of a manifest that Kubernetes' own model of its kind does not have."""
    from kubernetes.client import models

    if kind.startswith("list["):
        for number, one in enumerate(value if isinstance(value, list) else [value]):
            yield from unknown(one, kind[5:-1], f"{where}[{number}]")
    elif hasattr(models, kind):
        model = getattr(models, kind)
        names = {name: attribute for attribute, name in model.attribute_map.items()}
        if not isinstance(value, Mapping):
            yield f"{where}: not a {kind}"
            return
        for key, inner in value.items():
            if key not in names:
                yield f"{where}.{key}"
            else:
                yield from unknown(inner, model.openapi_types[names[key]], f"{where}.{key}")
    elif kind in ("int", "bool") and not isinstance(value, {"int": int, "bool": bool}[kind]):
        yield f"{where}: not of type {kind}"


def test_every_field_of_the_cronjob_is_one_that_kubernetes_knows(cronjob: dict) -> None:
    assert list(unknown(cronjob, "V1CronJob")) == []
    account = yaml.safe_load((FOLDER / "service-account.yaml").read_text())
    assert list(unknown(account, "V1ServiceAccount")) == []


def test_a_field_that_is_misspelt_or_of_another_type_is_found() -> None:
    wrong = {"spec": {"suspended": True, "jobTemplate": {"spec": {"backoffLimit": "none"}}}}
    found = [".spec.suspended", ".spec.jobTemplate.spec.backoffLimit: not of type int"]
    assert list(unknown(wrong, "V1CronJob")) == found


def test_two_runs_never_meet_and_a_failed_one_is_not_repeated(cronjob: dict) -> None:
    spec = cronjob["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert spec["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_a_scheduled_run_may_only_look(cronjob: dict) -> None:
    """The command looks only, and the pod can write nowhere but to folders that end with it."""
    pod = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    run = pod["containers"][0]
    assert "--dry-run" in run["args"][0] and "--no-input" in run["args"][0]
    assert pod["automountServiceAccountToken"] is False and pod["securityContext"]["runAsNonRoot"]
    empty = {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}
    for container in (*pod["initContainers"], run):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        for mount in container["volumeMounts"]:
            assert mount.get("readOnly") or mount["name"] in empty


def test_no_credential_stands_in_the_manifests() -> None:
    text = "".join(path.read_text() for path in sorted(FOLDER.iterdir()))
    assert "kind: Secret" not in text and "secretGenerator" not in text
    assert "secretName: runbook-credentials" in text


def test_it_is_shipped_suspended_because_nobody_has_its_image(cronjob: dict) -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    assert cronjob["spec"]["suspend"] is True
    assert [image["newName"] for image in kustomization["images"]] == [
        "registry.example.org/homelab/runbooks"
    ]

"""A version on a card is the one that the manifests pin, wherever they pin it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.facts.conftest import checked, page, problems

HEAD = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: loki\nspec:\n"
WAYS = {
    "plain": {
        "cd/loki.yaml": HEAD + "  source:\n    path: k8s/loki\n",
        "k8s/loki/d.yaml": "kind: StatefulSet\nspec:\n  template:\n    spec:\n      containers:\n"
        "        - image: grafana/loki:3.4.1\n",
    },
    "kustomize with a base": {
        "cd/loki.yaml": HEAD + "  source:\n    path: k8s/loki/prod\n",
        "k8s/loki/prod/kustomization.yaml": "resources: [../base]\nimages:\n"
        "  - name: grafana/loki\n    newTag: 3.4.1\n",
        "k8s/loki/base/kustomization.yaml": "resources: [d.yaml]\n",
        "k8s/loki/base/d.yaml": "kind: Deployment\nspec:\n  containers:\n    - image: grafana/loki:0.0.1\n",
    },
    "a chart": {"cd/loki.yaml": HEAD + "  source:\n    chart: loki\n    targetRevision: 3.4.1\n"},
    "values in the Application": {
        "cd/loki.yaml": HEAD + "  source:\n    helm:\n      valuesObject:\n"
        "        image: {repository: grafana/loki, tag: 3.4.1}\n",
    },
    "values in a file, several sources": {
        "cd/loki.yaml": HEAD + "  sources:\n    - chart: loki\n      targetRevision: 3.4.1\n"
        "      helm:\n        valueFiles: [$values/v/loki.yaml]\n",
        "v/loki.yaml": "loki:\n  image:\n    tag: 3.4.1\n",
    },
    "a role": {"ansible/roles/loki/defaults/main.yml": "loki_version: 3.4.1\n"},
}
CARD = (
    "---\ntitle: Loki\n---\n# Loki\n\n| Property | Value |\n|---|---|\n"
    "| **URL** | http://loki.lan |\n| {} | {} |\n"
)


@pytest.fixture(params=WAYS)
def loki(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A homelab with Loki 3.4.1, pinned in one of the ways there are."""
    for path, text in WAYS[request.param].items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@pytest.mark.parametrize("value", ["3.4.0", "v3.5.1", "`3.3`", "`loki:3.3.9`"])
def test_a_version_that_differs_names_both_places(loki: Path, value: str) -> None:
    page(
        loki,
        CARD.format("**Chart version**" if "/" not in value else "Image", value),
        "docs/services/loki.md",
    )
    (found,) = problems(loki)
    assert found.startswith("docs/services/loki.md:9:")
    assert "says '3.4.1'" in found


@pytest.mark.parametrize(
    "value", ["3.4.1", "v3.4.1", "3.4", "`3.4.1`", "`grafana/loki:3.4.1`", "3.4.1 (since May)"]
)
def test_a_version_that_agrees_is_left_alone(loki: Path, value: str) -> None:
    page(loki, CARD.format("Version", value), "docs/services/loki.md")
    assert problems(loki) == []


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("API version", "1.2.3"),
        ("Config version", "11.0.0"),
        ("Address", "10.0.0.3"),
        ("Version", "at least 2.9.0"),
        ("Version", "before 3.0.0 it was another"),
        ("Version", "see `values.yaml`"),
        ("Schema", "13.0.0"),
    ],
)
def test_another_version_is_not_the_one_that_runs(loki: Path, label: str, value: str) -> None:
    page(loki, CARD.format(label, value), "docs/services/loki.md")
    assert problems(loki) == []


def test_a_page_about_something_else_may_have_its_own_versions(loki: Path) -> None:
    page(loki, CARD.replace("Loki", "Router").format("Version", "9.9.9"), "docs/router.md")
    assert problems(loki) == []


def test_a_version_in_the_front_matter_and_in_a_line_counts(loki: Path) -> None:
    page(
        loki,
        "---\ntitle: Loki\nversion: 3.3.0\n---\n# Loki\n\n- **Version:** 3.2.0\n",
        "docs/services/logs.md",
    )
    assert [one.problem.line for one in checked(loki).findings] == [3, 7]


def test_of_a_chart_alone_the_version_of_the_program_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "cd").mkdir()
    (tmp_path / "cd/loki.yaml").write_text(WAYS["a chart"]["cd/loki.yaml"])
    page(tmp_path, CARD.format("Version", "9.9.9"), "docs/services/loki.md")
    assert problems(tmp_path) == []
    assert len(checked(tmp_path).warnings) == 1


@pytest.mark.parametrize("text", ["It runs `grafana/loki:3.3.9`.", "- `docker.io/grafana/loki:latest`"])
def test_an_image_with_another_tag_is_found_on_any_page(tmp_path: Path, text: str) -> None:
    for path, manifest in WAYS["plain"].items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(manifest)
    page(tmp_path, f"# Logs\n\n{text}\n")
    assert len(problems(tmp_path)) == 1
    page(
        tmp_path,
        "# Logs\n\nWe upgraded from `grafana/loki:3.3.9`; now `grafana/loki:3.4.1`, `grafana/loki`.\n",
    )
    assert problems(tmp_path) == []

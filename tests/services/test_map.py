"""The laws of the service map: every fact has its place, and what is missing is said where it is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from blumeops.services import cluster, manifests, map
from blumeops.services.model import Cover, Layer
from tests.services.conftest import ROOT, Copy

PROXIES = "homelab/ansible/inventory/group_vars/proxies.yaml"
GATUS = "homelab/argocd/workloads/gatus/config.yaml"
WORKLOADS = "homelab/argocd/workloads"


def said(copy: Copy) -> list[str]:
    """Every problem of a repository, as its first line."""
    return [str(problem).splitlines()[0] for problem in map.problems(copy.root)]


def test_the_homelab_has_no_hole_that_its_cards_do_not_explain() -> None:
    assert [str(problem) for problem in map.problems(ROOT)] == []


def test_every_application_and_every_role_that_keeps_a_unit_running_is_a_service() -> None:
    made = {fact.value for service in map.read(ROOT).services for fact in service.made_by}
    applications = {path.stem for path in (ROOT / "homelab/argocd/apps").glob("*.yaml")} - {"kustomization"}
    running = {
        path.parents[1].name
        for path in (ROOT / "homelab/ansible/roles").glob("*/tasks/main.yaml")
        if any("ansible.builtin.systemd_service" in task for task in yaml.safe_load(path.read_text()))
    }
    assert made >= applications | running


def test_every_fact_stands_where_it_says() -> None:
    """A version, a unit, a tag or a path is in the line that the map names."""
    checked = 0
    for service in map.read(ROOT).services:
        facts = [*service.units, *service.tags, *([service.version] if service.version else [])]
        facts += [
            fact for fact in service.aspect("backup").facts if service.aspect("backup").cover is Cover.THERE
        ]
        for fact in facts:
            lines = (ROOT / fact.path).read_text().splitlines()
            around = " ".join(lines[fact.line - 1 : fact.line + 1])
            word = fact.value.removesuffix(".service").removesuffix(".timer").partition("@")[0].lstrip("/")
            assert word in around, (service.name, fact)
            checked += 1
    assert checked > 15


def test_a_service_is_one_over_all_layers() -> None:
    grafana = map.read(ROOT)["grafana"]
    assert grafana.layer is Layer.CLUSTER and grafana.card is not None
    assert grafana.image is not None and grafana.image.value.startswith("docker.io/grafana/grafana:")
    assert [str(host) for host in grafana.hosts] == ["indri"]
    assert [str(tag) for tag in grafana.tags] == ["tag:homelab"]
    assert [route.upstream for route in grafana.routes] == ["127.0.0.1:30300"]
    assert grafana.aspect("probe").cover is Cover.THERE


def test_a_card_gathers_the_roles_that_it_names() -> None:
    borg = map.read(ROOT)["borg"]
    assert {role.name for role in borg.roles} == {"borg_client", "borg_server"}
    assert [str(host) for host in borg.hosts] == ["indri", "sifaka"]


def test_a_service_without_a_card_is_reported_at_its_application(copy: Copy) -> None:
    (copy.root / "docs/reference/services/miniflux.md").unlink()
    assert "homelab/argocd/apps/miniflux.yaml:4: miniflux: no card" in said(copy)


def test_the_card_of_a_service_that_is_gone_is_reported_with_its_line_D11(copy: Copy) -> None:
    (copy.root / "homelab/argocd/apps/paperless.yaml").unlink()
    copy.replace("homelab/argocd/apps/kustomization.yaml", "  - paperless.yaml\n", "")
    found = said(copy)
    assert any(
        line.startswith("docs/reference/services/paperless.md:7: the card of paperless") for line in found
    )
    assert any("the probe 'documents' looks at" in line and GATUS in line for line in found)
    assert any("the route papers.homelab.test leads to" in line for line in found)


def test_a_misspelt_service_of_a_card_is_guessed(copy: Copy) -> None:
    copy.replace("docs/reference/services/miniflux.md", "service: miniflux", "service: minifluks")
    [problem] = [one for one in map.problems(copy.root) if "minifluks" in one.what]
    assert problem.hint == "did you mean miniflux?"


def test_two_cards_of_one_service_are_refused_with_both_places(copy: Copy) -> None:
    copy.write("docs/reference/other.md", "---\ntitle: Other\nservice: miniflux\n---\n")
    found = said(copy)
    assert any("a second card of the service miniflux" in line and "other.md" in line for line in found)


def test_a_route_to_a_port_where_nothing_listens_is_reported(copy: Copy) -> None:
    copy.replace(PROXIES, "127.0.0.1:30080", "127.0.0.1:30081")
    where = f"{PROXIES}:20: the route feeds.homelab.test leads to 127.0.0.1:30081, where nothing listens"
    assert where in said(copy)
    assert any("miniflux: no route leads to it" in line for line in said(copy))


def test_a_probe_of_a_service_that_is_gone_is_reported(copy: Copy) -> None:
    copy.replace(GATUS, "http://miniflux.miniflux.svc:8080", "http://freshrss.freshrss.svc:80")
    found = said(copy)
    assert any("'feed reader' looks at http://freshrss.freshrss.svc:80" in line for line in found)
    assert "homelab/argocd/apps/miniflux.yaml:4: miniflux: no health probe" in found


def test_a_source_of_data_that_is_not_there_is_reported(copy: Copy) -> None:
    copy.replace(f"{WORKLOADS}/grafana/datasources.yaml", "http://prometheus:9090", "http://indri:9090")
    assert any(
        "'Prometheus' looks at http://indri:9090, where nothing listens" in line for line in said(copy)
    )


def test_a_path_that_no_backup_takes_is_reported_where_it_is_kept(copy: Copy) -> None:
    copy.replace("homelab/ansible/inventory/group_vars/borg_clients.yaml", "  - srv/paperless\n", "")
    where = f"{WORKLOADS}/paperless/paperless.yaml"
    assert any(line.startswith(where) and "/srv/paperless is not backed up" in line for line in said(copy))


def test_what_is_excluded_from_the_backup_is_not_covered(copy: Copy) -> None:
    script = "homelab/ansible/roles/borg_client/templates/borg-backup.j2"
    copy.replace(script, "--exclude etc/borg ", "--exclude etc/borg --exclude srv/paperless ")
    assert any("/srv/paperless is not backed up" in line for line in said(copy))


def test_a_hole_that_the_card_explains_is_intended_and_shown_with_its_reason(copy: Copy) -> None:
    card = "docs/reference/services/grafana.md"
    backup = map.read(copy.root)["grafana"].aspect("backup")
    assert backup.cover is Cover.INTENDED and backup.why == "dashboards and sources of data come from Git"
    copy.replace(card, "backup: none, because dashboards and sources of data come from Git\n", "")
    assert map.read(copy.root)["grafana"].aspect("backup").cover is Cover.HOLE


def test_a_reason_does_not_hide_what_is_there(copy: Copy) -> None:
    copy.replace(
        "docs/reference/services/paperless.md",
        "service: paperless\n",
        "service: paperless\nbackup: none, x\n",
    )
    assert map.read(copy.root)["paperless"].aspect("backup").cover is Cover.THERE


def test_a_dashboard_belongs_to_the_service_of_its_tag(copy: Copy) -> None:
    copy.replace(f"{WORKLOADS}/grafana/dashboards.yaml", '"node-exporter"', '"something-else"')
    assert any("node-exporter: no dashboard" in line for line in said(copy))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("homelab/argocd/apps/bomb.yaml", "a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(
            f"{chr(99 + n)}: &{chr(99 + n)} [{', '.join([f'*{chr(98 + n)}'] * 12)}]\n" for n in range(8)
        ) + "kind: Application\n"),
        ("homelab/argocd/apps/deep.yaml", "kind: Application\na: " + "[" * 5000),
        ("homelab/argocd/apps/twice.yaml", "kind: Application\nspec: {}\nspec: {}\n"),
        ("homelab/argocd/apps/half.yaml", "kind: Application\nmetadata: {name: x\n"),
        ("homelab/ansible/inventory/broken.yaml", "all:\n  hosts: [\n"),
    ],
    ids=["a bomb", "deep nesting", "a key given twice", "half a file", "an inventory"],
)  # fmt: skip
def test_yaml_that_cannot_be_read_is_a_problem_with_its_file_and_no_crash_D5(
    copy: Copy, path: str, text: str
) -> None:
    copy.write(path, text)
    assert any(line.startswith(path) for line in said(copy))
    assert "grafana" in {service.name for service in map.read(copy.root).services}


def test_versions_stay_the_text_that_was_written_D6(copy: Copy) -> None:
    path = f"{WORKLOADS}/miniflux/overlays/homelab/kustomization.yaml"
    copy.replace(path, "newTag: 2.2.9", "newTag: 1.10")
    assert str(map.read(copy.root)["miniflux"].version) == "1.10"


def test_a_source_outside_of_the_repository_is_not_read_D1(copy: Copy) -> None:
    outside = copy.root.parent / "outside"
    outside.mkdir()
    (outside / "d.yaml").write_text("kind: Deployment\nmetadata: {name: canary}\n")
    copy.replace(
        "homelab/argocd/apps/paperless.yaml", "path: homelab/argocd/workloads/paperless", "path: ../outside"
    )
    found = map.read(copy.root)
    assert "canary" not in str(found)


def test_a_foreign_homelab_is_read_without_any_annotation(foreign: Copy) -> None:
    found = map.read(foreign.root)
    assert [service.name for service in found.services] == [
        "caddy",
        "cert-manager",
        "jellyfin",
        "photos",
        "teslamate",
    ]
    assert str(found["teslamate"].version) == "1.32.0"
    assert str(found["cert-manager"].version) == "v1.16.2"
    assert str(found["jellyfin"].version) == "10.10.3"
    assert [unit.value for unit in found["jellyfin"].units] == ["org.example.jellyfin.plist"]
    assert str(found["photos"].version) == "4.2.0"
    assert [route.host for route in found["jellyfin"].routes] == ["jellyfin.lab.example"]
    assert [route.host for route in found["teslamate"].routes] == ["tesla.lab.example"]
    assert found["jellyfin"].card is not None and not found["jellyfin"].card.declared


def test_a_port_of_a_service_that_is_no_mapping_is_passed_over(foreign: Copy) -> None:
    """Kubernetes takes no such manifest; a map of everything else can still be made."""
    path = "argocd/manifests/teslamate/deployment.yaml"
    foreign.replace(path, "ports: [{port: 4000}]", "ports: [4000, {port: 4001}]")
    found = cluster.applications(manifests.files(foreign.root), [])
    assert [port.value for one in found for port in one.services] == ["teslamate:4001"]


def test_a_foreign_homelab_gets_no_alarm_for_what_it_does_not_say(foreign: Copy) -> None:
    """Nothing is watched there and no page says what it is about: that is its way, and no list of holes."""
    found = map.read(foreign.root)
    assert [str(problem) for problem in found.problems] == []
    assert found["teslamate"].aspect("probe").cover is Cover.UNKNOWN
    assert found["cert-manager"].aspect("backup").cover is Cover.UNKNOWN


def test_a_folder_without_any_desired_state_has_no_services(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("# A note\n")
    assert map.read(tmp_path).services == ()

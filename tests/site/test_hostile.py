"""A repository that means harm: whatever its manifests, inventories and pages say stays text on the site."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from blumeops.errors import BadInput
from blumeops.facts import check
from blumeops.services import map, page
from blumeops.site import build, staging

SCRIPT = "<script>alert('canary')</script>"
HARM = f"x\\\" '><canary onclick=alert(1)></canary>{SCRIPT} [y](javascript:alert(1)) | ` ``"
"""As it stands between the double quotes of YAML."""
QUIET = "z\\\" '> [y](javascript:alert(1)) | ` {: onclick=alert(1) } ![a](javascript:alert(1))"
"""The same for the front matter of pages, where a tag is an error of its own."""
FILES = {
    "homelab/argocd/apps/evil.yaml": f"""
        apiVersion: argoproj.io/v1alpha1
        kind: Application
        metadata: {{name: "{HARM}", namespace: argocd}}
        spec:
          source: {{path: homelab/argocd/evil}}
          destination: {{namespace: "{HARM}"}}
        """,
    "homelab/argocd/evil/all.yaml": f"""
        apiVersion: apps/v1
        kind: Deployment
        metadata: {{name: "{HARM}"}}
        spec:
          template:
            spec:
              containers:
                - name: a
                  image: "{HARM}:1{HARM}"
                  ports: [{{containerPort: "{HARM}"}}]
              volumes: [{{name: v, hostPath: {{path: "/srv/{HARM}"}}}}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {{name: "{HARM}"}}
        spec: {{ports: [{{port: "{HARM}", nodePort: "{HARM}"}}]}}
        """,
    "homelab/ansible/inventory/hosts.yaml": f"""
        all:
          children:
            proxies: {{hosts: {{"{HARM}": {{}}}}}}
        """,
    "homelab/ansible/site.yaml": """
        - hosts: proxies
          roles: [caddy]
        """,
    "homelab/ansible/roles/caddy/tasks/main.yaml": f"""
        - name: install
          ansible.builtin.apt: {{name: "{HARM}"}}
        - name: start
          ansible.builtin.systemd_service: {{name: "{HARM}", enabled: true}}
        """,
    "homelab/ansible/inventory/group_vars/proxies.yaml": f"""
        caddy_sites:
          - name: "{HARM}"
            upstream: "{HARM}:30080"
        """,
    "docs/index.md": f"""
        ---
        title: "{QUIET}"
        description: "{QUIET}"
        tags: ["{QUIET}"]
        ---
        # Home

        Read [[page]] about {QUIET.replace("|", "/")}

        <!-- blumeops:begin applications -->
        <!-- blumeops:end -->

        <!-- blumeops:begin ports -->
        <!-- blumeops:end -->

        <!-- blumeops:begin services -->
        <!-- blumeops:end -->
        """,
    "docs/page.md": f"""
        ---
        title: "Page {QUIET}"
        description: "{QUIET}"
        aliases: ['"><u onclick=alert(1)', "{QUIET}"]
        tags: ["{QUIET}", other]
        service: caddy
        backup: "none, because {QUIET}"
        ---
        # Page

        Back to [[index]].
        """,
}


class _Reader(HTMLParser):
    """Everything in a page that a hostile text put there as something else than text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name.startswith("on") or address.startswith(("javascript:", "data:text")):
                self.found.append(f"<{tag} {name}={value}>")
        self.found += [f"<{tag}>"] if tag == "canary" else []
        self._script = tag == "script"

    def handle_data(self, data: str) -> None:
        if getattr(self, "_script", False) and "alert('canary')" in data and "blumeopsGraph" not in data:
            self.found.append("a script")
        self._script = False


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, its blocks written, its site built."""
    root = tmp_path_factory.mktemp("hostile")
    for path, text in FILES.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(re.sub(r"^ {8}", "", text.removeprefix("\n"), flags=re.MULTILINE))
    check.check(root, fix=True)
    build.build(root, strict=False, links=False)
    return root


def _acting(site: Path) -> list[str]:
    found = []
    for file in sorted(site.rglob("*.html")):
        reader = _Reader()
        reader.feed(file.read_text())
        reader.close()
        found += [f"{file.relative_to(site)}: {one}" for one in reader.found]
    return found


def test_nothing_that_a_repository_says_acts_on_any_page_D2(hostile: Path) -> None:
    """Service map, registers, tags, redirects, backlinks, navigation, front page: all of it stays text."""
    site = hostile / "site"
    assert (site / "reference/service-map/index.html").is_file()
    assert "canary onclick" in (site / "reference/service-map/index.html").read_text()
    assert "canary onclick" in (site / "index.html").read_text(), "the registers are on the front page"
    assert _acting(site) == []


def test_the_reader_of_these_tests_sees_what_acts(tmp_path: Path) -> None:
    for n, text in enumerate(("<a onclick=x>", '<a href="java\tscript:x">', "<canary>", SCRIPT)):
        (tmp_path / f"{n}.html").write_text(f"<p>{text}</p>")
    assert len(_acting(tmp_path)) == 4


def test_names_end_no_row_and_no_folded_block_D2(hostile: Path) -> None:
    """A quote, a pipe, a backtick or a line break in a name does not change the shape of the page."""
    shown = map.read(hostile)
    rows = [line for line in page.table(shown, page.PATH).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(shown.services)
    pipes = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert pipes == {len(page.COLUMNS) + 1}
    folded = [line for line in page.text(shown).splitlines() if line.startswith("???")]
    assert len(folded) == len(shown.services)
    assert all(line.count('"') == 2 for line in folded)


def test_the_data_of_graph_and_feed_stay_data_D2(hostile: Path) -> None:
    graph = json.loads((hostile / "site/assets/graph/graph.json").read_text())
    assert any("onclick" in node["title"] for node in graph["nodes"])
    ElementTree.parse(hostile / "site/feed.xml")


def test_what_would_act_in_a_block_on_a_page_is_refused_with_its_line_D2(hostile: Path) -> None:
    """A strict build takes no such page, and says where it is."""
    with pytest.raises(BadInput, match=r"docs/index\.md:8:\d+: onclick="):
        staging.stage(hostile)

"""The cards are true: what a reference page says of the homelab is what `homelab/` and the code say.

`blumeops docs check` proves registers, versions, ports, addresses; here is what no place in a file says.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import yaml

from blumeops import records, target
from blumeops.plan import Action, Outcome, State
from blumeops.tailnet import access, hujson, policy

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
ANSIBLE = ROOT / "homelab" / "ansible"
POLICY = ROOT / "homelab" / "pulumi" / "policy.hujson"
WHO = {"admins": "group:admins", "family": "group:family", "indri": "tag:homelab", "sifaka": "tag:nas"}
MARKS = re.compile(r"<!--.*?-->|[`*]|\[\[|\]\]")


def table(page: str, heading: str = "") -> dict[str, list[str]]:
    """The rows under one heading of a reference page, or above the first: first cell to the others."""
    text = next(REFERENCE.rglob(f"{page}.md")).read_text()
    return _rows((text.partition(f"\n## {heading}\n")[2] if heading else text).partition("\n## ")[0])


def words(page: str) -> set[str]:
    """The first cells of all rows of a reference page."""
    return set(_rows((REFERENCE / f"{page}.md").read_text()))


def _rows(text: str) -> dict[str, list[str]]:
    lines = [line.replace("\\|", "/") for line in text.splitlines() if line.startswith("| ")]
    cells = ([MARKS.sub("", cell).strip() for cell in line.split("|")[1:-1]] for line in lines)
    return {first: rest for first, *rest in cells}


def load(path: Path) -> object:
    return yaml.safe_load(path.read_text())


def hosts_of_groups() -> dict[str, list[str]]:
    """The inventory: each group with its hosts, and `all`."""
    groups = {name: list(group["hosts"]) for name, group in load(ANSIBLE / "inventory/hosts.yaml").items()}
    return {**groups, "all": sorted({host for hosts in groups.values() for host in hosts})}


def role_variables() -> set[str]:
    """The variables that the roles declare."""
    return {name for path in ANSIBLE.glob("roles/*/defaults/main.yaml") for name in load(path) or {}}


def test_every_role_variable_has_its_row() -> None:
    assert set(table("roles", "Variables")) - {"variable"} == role_variables()


def test_every_file_that_a_role_writes_is_named() -> None:
    values = load(ANSIBLE / "inventory/group_vars/all.yaml")
    for role, (said, *_) in table("roles", "Files they own").items():
        owned = [path.rstrip(",") for path in re.findall(r"/\S+", said)]
        for task in load(ANSIBLE / f"roles/{role}/tasks/main.yaml") if role != "role" else ():
            words = [module for module in task.values() if isinstance(module, dict)]
            for path in filter(None, (module.get("dest") for module in words)):
                path = path.replace("{{ admin_user }}", values["admin_user"])
                named = [path.replace("{{ item }}", item) for item in task.get("loop", [""])]
                assert all(any(name == o or name.startswith(f"{o}/") for o in owned) for name in named), named


@pytest.mark.parametrize("host", hosts_of_groups()["all"])
def test_a_host_has_its_card_with_its_groups_and_roles(host: str) -> None:
    groups = [name for name, hosts in hosts_of_groups().items() if host in hosts]
    plays = [play for play in load(ANSIBLE / "site.yaml") if play["hosts"] in groups]
    card = table(host)
    assert set(card["inventory groups"][0].split(", ")) == set(groups) - {"all"}
    assert card["Ansible roles"][0].split(", ") == [role for play in plays for role in play["roles"]]


def test_every_site_of_the_proxy_leads_where_its_row_says() -> None:
    domain = load(ANSIBLE / "inventory/group_vars/all.yaml")["tailnet_domain"]
    rows = table("caddy", "Sites").items()
    said = {name.split(",")[0].removesuffix(f".{domain}"): cells[0] for name, cells in rows}
    sites = load(ANSIBLE / "inventory/group_vars/proxies.yaml")["caddy_sites"]
    assert set(said) - {"name"} == {site["name"] for site in sites}
    for site in sites:
        assert (site.get("upstream") or f"/srv/www/{site['name']}") in said[site["name"]]


def test_every_tag_and_group_of_the_policy_has_its_row() -> None:
    policy_words = hujson.loads(POLICY.read_text(), str(POLICY)).value
    named = {row for row in words("policy") if row.startswith(("tag:", "group:"))}
    assert named == {*policy_words["tagOwners"], *policy_words["groups"]}


def test_the_policy_opens_exactly_the_ports_of_its_table() -> None:
    said = table("policy", "May reach")
    ports = {int(port) for cells in said.values() for port in re.findall(r"\d+", " ".join(cells[:2]))}
    for source, (column, host) in product(WHO, enumerate(("indri", "sifaka"))):
        if source != host:
            found = {port for port in ports | {445, 3000} if reaches(WHO[source], WHO[host], port)}
            assert found == {int(port) for port in re.findall(r"\d+", said[source][column])}, (source, host)
    assert not any(cells[2] for source, cells in said.items() if source in WHO)
    laptops = product(WHO.values(), ("group:admins", "group:family"), ports)
    assert not any(reaches(source, group, port) for source, group, port in laptops if source != group)


def reaches(source: str, destination: str, port: int) -> bool:
    """Whether the homelab's policy opens a port, with a laptop for each group and a machine for each tag."""
    checked, groups = checked_policy()
    people = {members[0]: f"100.64.1.{n}" for n, members in enumerate(groups.values())}
    machines = {tag: f"100.64.2.{n}" for n, tag in enumerate(WHO.values()) if tag.startswith("tag:")}
    nodes = [access.Node(login, (address,), user=login) for login, address in people.items()]
    nodes += [
        access.Node(tag.removeprefix("tag:"), (address,), tags=(tag,)) for tag, address in machines.items()
    ]
    topology = access.Topology(tuple(people), tuple(nodes))
    return access.allowed(checked, topology, source, destination, port)


@cache
def checked_policy() -> tuple[policy.Policy, dict[str, list[str]]]:
    """The homelab's policy, which passes its own tests, and its groups."""
    text = POLICY.read_text()
    return policy.check(text, str(POLICY)), hujson.loads(text, str(POLICY)).value["groups"]


def test_the_tailnet_card_has_the_names_and_the_tags_of_the_program() -> None:
    declared = tomllib.loads((ROOT / "homelab/pulumi/tailnet.toml").read_text())
    dns, said = declared["dns"], {name: cells[0] for name, cells in table("tailscale", "DNS").items()}
    assert said["name servers"].split(", ") == dns["nameservers"]
    assert said["MagicDNS"] == ("on" if dns["magic_dns"] else "off")
    assert said["search paths"].split(", ") == dns["search_paths"]
    assert said["split DNS"] == ", ".join(f"{domain} → {' '.join(to)}" for domain, to in dns["split"].items())
    for device, tags in declared["devices"].items():
        assert table(device)["tailnet tag"][0].partition(";")[0].split(", ") == tags, device


def test_every_task_and_target_has_its_row_with_what_it_stands_for() -> None:
    tasks = tomllib.loads((ROOT / "mise.toml").read_text())["tasks"]
    said = {name: cells[0] for name, cells in table("tasks").items()}
    assert {name: said.get(name) for name in tasks} == {name: task["run"] for name, task in tasks.items()}
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(table("tasks", "make")) - {"target"} == {f"make {name}" for name in targets}


def test_the_pages_on_states_and_records_have_every_word_of_the_code() -> None:
    states = {word.value for word in (*State, *Action, *Outcome)}
    assert states - words("exit-codes-and-states") == set()
    pages = {"runbook-records": (records.RunRecord, records.CellRecord, records.Output)}
    pages["targets"] = (target.GitRemote, target.Hosts, target.Cluster)
    for page, types in pages.items():
        assert {field.name for kind in types for field in fields(kind)} - words(page) == set(), page


def sed_commands() -> Iterator[tuple[str, str]]:
    """Each `sed -i 's/OLD/NEW/' FILE` of the pages on a file of the repository: OLD and FILE."""
    for page in (ROOT / "docs").rglob("*.md"):
        yield from re.findall(r"sed -i '?s/([^/]+)/[^/]*/'?[\s\\]+(homelab/\S+)", page.read_text())


def test_what_a_page_tells_to_replace_is_there() -> None:
    found = list(sed_commands())
    assert found
    plain = [(re.sub(r"\\(.)", r"\1", old), path) for old, path in found]
    assert [(old, path) for old, path in plain if old not in (ROOT / path).read_text()] == []

"""Why somebody reaches something: the rules that say so, and their lines."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from blumeops.cli import cli
from blumeops.errors import BadInput, BlumeOpsError
from blumeops.tailnet import access, explain, policy
from blumeops.tailnet.reach import Topology, completed

ROOT = Path(__file__).parents[2]
FILE = ROOT / "homelab" / "pulumi" / "policy.hujson"


@pytest.fixture(scope="module")
def homelab() -> tuple[policy.Policy, Topology]:
    return explain.read(ROOT)


def test_a_yes_names_the_rule_and_its_lines(homelab: tuple[policy.Policy, Topology]) -> None:
    said = explain.explain(*homelab, src="mia@homelab.test", dst="indri", port=80)
    assert said.allowed is True
    [rule] = said.rules
    lines = FILE.read_text().split("\n")[rule.line - 1 : rule.last]
    assert "group:family" in "\n".join(lines)
    assert "tag:homelab:80,443" in "\n".join(lines)
    assert said.src is not None
    assert "group:family" in said.src.because[0]
    assert said.dst is not None
    assert "tag:homelab" in said.dst.because[0]


def test_a_no_names_no_rule(homelab: tuple[policy.Policy, Topology]) -> None:
    said = explain.explain(*homelab, src="mia@homelab.test", dst="indri", port=22)
    assert said.allowed is False
    assert said.rules == ()


def test_a_login_over_ssh_is_a_rule_of_its_own(homelab: tuple[policy.Policy, Topology]) -> None:
    said = explain.explain(*homelab, src="group:admins", dst="tag:homelab", port=22)
    assert {rule.section for rule in said.rules} == {"acls", "ssh"}
    assert any("autogroup:nonroot" in rule.what for rule in said.rules)


def test_the_answer_is_that_of_the_evaluator_for_everybody(homelab: tuple[policy.Policy, Topology]) -> None:
    """Yes or no as `access.allowed`, and a yes has a rule: for all names that the policy has."""
    rules, topology = homelab
    names = [*topology.users, *rules.groups, *rules.tag_owners, *(node.name for node in topology.nodes)]
    for src, dst, port in itertools.product(names, names, (22, 80, 443, 9100)):
        said = explain.explain(rules, topology, src=src, dst=dst, port=port)
        if src != dst:
            assert said.allowed == access.allowed(rules, topology, src, dst, port), (src, dst, port)
            assert bool([r for r in said.rules if r.section == "acls"]) or not said.allowed


def test_an_open_question_gives_every_rule_of_one_end(homelab: tuple[policy.Policy, Topology]) -> None:
    said = explain.explain(*homelab, dst="sifaka")
    assert said.allowed is None
    assert {rule.src for rule in said.rules} == {"group:admins", "tag:homelab"}
    assert explain.explain(*homelab).rules


def test_a_policy_without_rules_lets_everything_through_and_says_so() -> None:
    open_to_all = policy.load('{"tagOwners": {"tag:a": [], "tag:b": []}}')
    topology = completed(Topology((), ()), open_to_all)
    said = explain.explain(open_to_all, topology, src="tag:a", dst="tag:b", port=22)
    assert said.allowed is True
    assert said.rules[0].section == "no rules at all"


def test_a_grant_is_a_rule_as_well() -> None:
    rules = policy.load(
        '{"tagOwners": {"tag:a": [], "tag:b": []},\n"grants": [\n'
        '{"src": ["tag:a"], "dst": ["tag:b"], "ip": ["53"]}]}'
    )
    topology = completed(Topology((), ()), rules)
    [rule] = explain.explain(rules, topology, src="tag:a", dst="tag:b", port=53, proto="udp").rules
    assert (rule.section, rule.line) == ("grants", 3)


def test_d9_a_name_that_nobody_has_is_refused_with_the_likely_one(
    homelab: tuple[policy.Policy, Topology],
) -> None:
    with pytest.raises(BadInput, match=r"(?s)indry.*did you mean indri"):
        explain.explain(*homelab, src="indry", proto="tpc")
    with pytest.raises(BadInput, match="no protocol"):
        explain.explain(*homelab, src="indri", proto="tpc")


def test_a_repository_without_a_policy_says_so(tmp_path: Path) -> None:
    with pytest.raises(BlumeOpsError, match="no tailnet policy"):
        explain.read(tmp_path)


def test_the_command_says_it_to_people_and_to_programs() -> None:
    said = CliRunner().invoke(cli, ["policy", "explain", "group:family", "sifaka", "--port", "22"])
    assert "not allowed" in said.output
    asked = CliRunner().invoke(cli, ["policy", "explain", "*", "sifaka", "--json"])
    told = json.loads(asked.output)
    assert {rule["dst"] for rule in told["rules"]} == {"tag:nas"}

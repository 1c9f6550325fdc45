"""The laws of the translation to headscale: nothing is lost, and what would be is refused."""

from __future__ import annotations

import pytest

from blumeops.tailnet import headscale
from blumeops.tailnet.client import Dns

GRANT = {"src": ["group:family"], "dst": ["tag:homelab"]}


def _rules(**policy: object) -> list[dict]:
    return headscale.policy(policy)["acls"]


def test_a_grant_of_ports_is_one_rule_for_each_protocol() -> None:
    rules = _rules(grants=[{**GRANT, "ip": ["tcp:80", "tcp:443", "udp:53"]}])
    assert [(rule["proto"], rule["dst"]) for rule in rules] == [
        ("tcp", ["tag:homelab:80,443"]),
        ("udp", ["tag:homelab:53"]),
    ]


def test_a_rule_without_a_protocol_lets_ping_through_too() -> None:
    """Tailscale means ICMP as well by that; headscale does not."""
    acl = {"action": "accept", "src": ["*"], "dst": ["tag:nas:22"]}
    assert [rule.get("proto") for rule in _rules(acls=[acl])] == [None, "icmp"]
    assert _rules(acls=[acl])[1]["dst"] == ["tag:nas:*"]


def test_no_rules_is_open_and_an_empty_list_is_closed() -> None:
    assert "acls" not in headscale.policy({"groups": {}})
    assert _rules(acls=[]) == []
    assert _rules(grants=[]) == []


def test_ssh_rules_stay_here_because_a_node_that_gets_one_gets_no_policy_at_all() -> None:
    rule = {"action": "accept", "src": ["*"], "dst": ["tag:nas"], "users": ["root"]}
    assert headscale.policy({"acls": [], "ssh": [rule]}) == {"acls": []}


def test_tests_stay_here() -> None:
    assert headscale.policy({"acls": [], "tests": [{"src": "a@b"}], "sshTests": []}) == {"acls": []}


@pytest.mark.parametrize(
    ("policy", "word"),
    [
        ({"grants": [{**GRANT, "app": {"example.com/cap": [{}]}}]}, "application capabilities"),
        ({"grants": [{**GRANT, "ip": ["*"], "via": ["tag:exit"]}]}, "via"),
        ({"acls": [{"src": ["*"], "dst": ["*:*"], "srcPosture": ["posture:x"]}]}, "posture"),
        ({"ssh": [{"action": "check", "src": ["*"], "dst": ["tag:nas"], "users": ["root"]}]}, "check"),
        ({"nodeAttrs": [{"target": ["*"], "attr": ["funnel"]}]}, "nodeAttrs"),
        ({"somethingNew": {"a": 1}}, "somethingNew"),
    ],
)
def test_what_headscale_cannot_enforce_is_refused_with_its_name(policy: dict, word: str) -> None:
    with pytest.raises(headscale.NotTranslatable, match=word):
        headscale.policy(policy)


def test_everyone_a_policy_names_becomes_a_user() -> None:
    policy = {
        "groups": {"group:admins": ["erik@homelab.test"]},
        "acls": [{"src": ["mia@homelab.test"], "dst": ["sam@homelab.test:22", "autogroup:self:*"]}],
    }
    assert headscale.users(policy) == ("erik@homelab.test", "mia@homelab.test", "sam@homelab.test")


def test_devices_keep_their_own_resolvers() -> None:
    settings = headscale.dns(Dns(("9.9.9.9",), True, ("a.test",), {"b.test": ("10.0.0.1",)}), "homelab.test")
    assert settings["override_local_dns"] is False
    assert settings["nameservers"] == {"global": ["9.9.9.9"], "split": {"b.test": ["10.0.0.1"]}}


def test_a_tagged_device_belongs_to_nobody() -> None:
    node = {"id": "1", "name": "indri", "givenName": "indri", "user": {"email": "erik@homelab.test"}}
    assert headscale.device(node, "homelab.test")["user"] == "erik@homelab.test"
    tagged = headscale.device({**node, "tags": ["tag:homelab"]}, "homelab.test")
    assert (tagged["user"], tagged["name"]) == ("tagged-devices", "indri.homelab.test")

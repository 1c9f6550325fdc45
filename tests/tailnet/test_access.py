"""Who reaches whom: the rules on a tailnet of the homelab's shape, and what a change of them changes."""

from pathlib import Path

import pytest

from blumeops.tailnet import access, policy
from blumeops.tailnet.access import Node, Topology

HOMELAB = Path(__file__).parents[2] / "homelab" / "pulumi" / "policy.hujson"
TOPOLOGY = Topology(
    users=("erik@homelab.test", "mia@homelab.test"),
    nodes=(
        Node("indri", ("100.64.0.1", "fd7a:115c:a1e0::1"), tags=("tag:homelab",)),
        Node("sifaka", ("100.64.0.2", "fd7a:115c:a1e0::2"), tags=("tag:nas",)),
        Node("gilbert", ("100.64.0.3", "fd7a:115c:a1e0::3"), user="erik@homelab.test"),
        Node("phone", ("100.64.0.4", "fd7a:115c:a1e0::4"), user="mia@homelab.test"),
    ),
)


def homelab(*changes: tuple[str, str]) -> policy.Policy:
    text = HOMELAB.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return policy.load(text)


def rules(*acls: str, **sections: str) -> policy.Policy:
    """A policy of `SRC > DST` rules; further sections as JSON."""
    listed = [acl.split(" > ") for acl in acls]
    lines = [f'{{"action": "accept", "src": ["{src}"], "dst": ["{dst}"]}}' for src, dst in listed]
    more = "".join(f', "{name}": {value}' for name, value in sections.items())
    tags = '"tagOwners": {"tag:homelab": [], "tag:nas": []}'
    groups = '"groups": {"group:family": ["mia@homelab.test"], "group:none": []}'
    return policy.load(f'{{{tags}, {groups}, "acls": [{", ".join(lines)}]{more}}}')


@pytest.mark.parametrize(
    ("src", "dst", "port", "reached"),
    [
        ("gilbert", "indri", 22, True),
        ("gilbert", "indri", 443, True),
        ("gilbert", "sifaka", 22, True),
        ("gilbert", "sifaka", 9100, False),
        ("phone", "indri", 443, True),
        ("phone", "indri", 22, False),
        ("phone", "sifaka", 22, False),
        ("indri", "sifaka", 22, True),
        ("indri", "sifaka", 9100, True),
        ("sifaka", "indri", 22, False),
        ("sifaka", "indri", 443, False),
        ("gilbert", "phone", 22, False),
        ("phone", "gilbert", 22, False),
    ],
)
def test_the_homelab_is_open_where_it_must_be_and_closed_everywhere_else(src, dst, port, reached) -> None:
    assert access.allowed(homelab(), TOPOLOGY, src, dst, port, "tcp") is reached
    assert not access.allowed(homelab(), TOPOLOGY, src, dst, port, "udp")


@pytest.mark.parametrize(
    "src", ["erik@homelab.test", "group:admins", "100.64.0.3", "fd7a:115c:a1e0::3", "gilbert"]
)
def test_a_device_is_known_by_its_user_group_address_and_name(src) -> None:
    assert access.allowed(homelab(), TOPOLOGY, src, "tag:nas", 22)


def test_an_empty_policy_lets_everything_through_and_an_empty_list_nothing() -> None:
    assert access.allowed(policy.load("{}"), TOPOLOGY, "phone", "indri", 22)
    assert not access.allowed(policy.load('{"acls": []}'), TOPOLOGY, "phone", "indri", 22)


def test_nobody_reaches_nothing() -> None:
    assert not access.allowed(rules("* > *:*"), TOPOLOGY, "group:none", "indri", 22)
    assert not access.allowed(rules("* > *:*"), TOPOLOGY, "phone", "no-such-device", 22)


def test_a_tagged_device_has_no_user() -> None:
    tagged = Topology(("mia@homelab.test",), (Node("tv", ("100.64.0.9",), "mia@homelab.test", ("tag:nas",)),))
    assert not access.allowed(rules("mia@homelab.test > *:*"), tagged, "tv", "tv", 22)
    assert access.allowed(rules("tag:nas > *:*"), tagged, "tv", "tv", 22)


def test_self_means_the_other_devices_of_the_same_person() -> None:
    two = Topology(
        TOPOLOGY.users, (*TOPOLOGY.nodes, Node("tablet", ("100.64.0.5",), user="mia@homelab.test"))
    )
    own = rules("autogroup:member > autogroup:self:22")
    assert access.allowed(own, two, "phone", "tablet", 22)
    assert not access.allowed(own, two, "gilbert", "tablet", 22)
    assert not access.allowed(own, two, "phone", "indri", 22)


def test_allowed_means_every_device_to_every_device() -> None:
    """One phone that may and a tablet that may not is not "the family may"."""
    two = Topology(
        TOPOLOGY.users, (*TOPOLOGY.nodes, Node("tablet", ("100.64.0.5",), user="mia@homelab.test"))
    )
    one = rules("100.64.0.4 > tag:nas:22")
    assert access.allowed(one, two, "phone", "sifaka", 22)
    assert not access.allowed(one, two, "group:family", "sifaka", 22)


def test_a_network_holds_its_addresses_and_no_others() -> None:
    some = rules("100.64.0.0/30 > 10.0.0.0/8:80-90")
    assert access.allowed(some, TOPOLOGY, "indri", "10.1.2.3", 85)
    assert not access.allowed(some, TOPOLOGY, "phone", "10.1.2.3", 85)
    assert not access.allowed(some, TOPOLOGY, "indri", "11.1.2.3", 85)
    assert not access.allowed(some, TOPOLOGY, "indri", "10.1.2.3", 91)


def test_a_rule_without_protocol_lets_pings_through_whatever_its_ports() -> None:
    some = rules("* > tag:nas:22")
    assert access.allowed(some, TOPOLOGY, "phone", "sifaka", 0, "icmp")
    assert not access.allowed(some, TOPOLOGY, "phone", "sifaka", 0, "gre")


def test_a_grant_is_as_good_as_a_rule() -> None:
    grant = policy.load(
        '{"tagOwners": {"tag:nas": []}, "grants": [{"src": ["*"], "dst": ["tag:nas"], "ip": ["udp:53"]}]}'
    )
    assert access.allowed(grant, TOPOLOGY, "phone", "sifaka", 53, "udp")
    assert not access.allowed(grant, TOPOLOGY, "phone", "sifaka", 53, "tcp")


def test_an_unknown_protocol_is_an_error_not_a_no() -> None:
    with pytest.raises(ValueError, match="smoke"):
        access.allowed(homelab(), TOPOLOGY, "phone", "indri", 1, "smoke")


def test_a_failed_test_says_what_was_wanted_and_what_is() -> None:
    broken = homelab(('["tag:homelab:80,443"]', '["tag:homelab:443"]'))
    assert [str(failure) for failure in access.failures(broken, TOPOLOGY)] == [
        "group:family → tag:homelab:80: want Accept, got Drop"
    ]


def test_a_test_that_only_some_devices_pass_fails_either_way() -> None:
    tests = (
        '[{"src": "group:family", "accept": ["tag:nas:22"]}, {"src": "group:family", "deny": ["tag:nas:22"]}]'
    )
    two = Topology(
        TOPOLOGY.users, (*TOPOLOGY.nodes, Node("tablet", ("100.64.0.5",), user="mia@homelab.test"))
    )
    found = access.failures(rules("100.64.0.4 > tag:nas:22", tests=tests), two)
    assert [failure.got for failure in found] == ["Accept for some of them only"] * 2


def test_a_test_about_people_who_are_not_there_fails() -> None:
    tests = '[{"src": "ghost@homelab.test", "deny": ["tag:nas:22"]}]'
    (failure,) = access.failures(rules(tests=tests), TOPOLOGY)
    assert "nobody" in failure.got


def test_the_same_policy_makes_no_difference() -> None:
    assert access.difference(homelab(), homelab(), TOPOLOGY) == ()


def test_a_lost_port_is_reported_for_the_group_that_loses_it() -> None:
    changed = homelab(('["tag:homelab:80,443"]', '["tag:homelab:80"]'))
    assert [str(change) for change in access.difference(homelab(), changed, TOPOLOGY)] == [
        "group:family loses tag:homelab:443/tcp"
    ]
    assert [str(change) for change in access.difference(changed, homelab(), TOPOLOGY)] == [
        "group:family gains tag:homelab:443/tcp"
    ]


def test_a_change_of_the_words_alone_is_no_change_of_access() -> None:
    changed = homelab(
        ('["tag:homelab:22,80,443"]', '["tag:homelab:443,80", "tag:homelab:22-22"]'),
        ('"src":    ["group:family"]', '"src":    ["mia@homelab.test"]'),
    )
    assert access.difference(homelab(), changed, TOPOLOGY) == ()


def test_someone_who_joins_a_group_gains_what_it_has() -> None:
    changed = homelab(('["mia@homelab.test"]', '["mia@homelab.test", "ben@homelab.test"]'))
    assert [str(change) for change in access.difference(homelab(), changed)] == [
        "ben@homelab.test gains tag:homelab:80/tcp,443/tcp"
    ]


def test_a_login_that_opens_is_reported() -> None:
    changed = homelab(('["autogroup:nonroot"]', '["autogroup:nonroot", "root"]'))
    assert [str(change) for change in access.difference(homelab(), changed)] == [
        "group:admins gains ssh to tag:homelab as root"
    ]


def test_a_change_for_one_device_of_several_is_reported_for_that_device() -> None:
    two = Topology(
        TOPOLOGY.users, (*TOPOLOGY.nodes, Node("tablet", ("100.64.0.5",), user="mia@homelab.test"))
    )
    phone, tablet = rules("100.64.0.4 > tag:nas:22"), rules("100.64.0.5 > tag:nas:22")
    assert [str(change) for change in access.difference(phone, tablet, two)] == [
        "phone loses tag:nas:22",
        "tablet gains tag:nas:22",
    ]


def test_a_host_that_moves_is_a_change_of_access() -> None:
    old = rules("* > printer:631", hosts='{"printer": "192.168.1.3"}')
    new = rules("* > printer:631", hosts='{"printer": "192.168.1.4"}')
    changes = [str(change) for change in access.difference(old, new, TOPOLOGY)]
    assert "group:family loses 192.168.1.3:631" in changes
    assert "group:family gains 192.168.1.4:631" in changes


def test_a_difference_is_empty_exactly_when_access_is_the_same() -> None:
    """On all pairs of policies of up to two small rules: no change reported means no answer changed."""
    words = ["* > tag:nas:22", "group:family > tag:nas:22-23", "tag:homelab > tag:nas:*", "* > *:*"]
    policies = [rules(*{a, b}) for a in words for b in words]
    asked = [
        ("phone", "sifaka", 22),
        ("phone", "sifaka", 23),
        ("indri", "sifaka", 80),
        ("sifaka", "phone", 5),
    ]
    asked += [("gilbert", "sifaka", 22), ("gilbert", "indri", 22), ("indri", "phone", 22)]
    for old in policies:
        for new in policies:
            changed = any(
                access.allowed(old, TOPOLOGY, *q) != access.allowed(new, TOPOLOGY, *q) for q in asked
            )
            assert bool(access.difference(old, new, TOPOLOGY)) == changed

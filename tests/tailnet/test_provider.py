"""The laws of our Pulumi plugin, against a real control plane; the protocol's own requests go in."""

from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path

import pulumi_tailscale
import pytest
from pulumi.provider.experimental import provider as protocol

from blumeops.errors import BlumeOpsError, EngineError
from blumeops.tailnet import hujson
from blumeops.tailnet.client import DEFAULT_POLICY
from blumeops.tailnet.provider import FUNCTIONS, RESOURCES, Tailscale, plain, wrapped
from tests.tailnet_plane import Plane

SCHEMA = Path(__file__).parents[3] / "shared" / "tailscale" / "pulumi-schema.json"
ACL = "tailscale:index/acl:Acl"
KEY = "tailscale:index/tailnetKey:TailnetKey"
SPLIT = "tailscale:index/dnsSplitNameservers:DnsSplitNameservers"
POLICY = '// why\n{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:22"]}]}\n'
OTHER = POLICY.replace(":22", ":443")


class Plugin:
    """Our plugin, asked as Pulumi's engine asks it, with plain values in and out."""

    def __init__(self, plane: Plane) -> None:
        self.provider = Tailscale()
        settings = {"apiKey": plane.key, "baseUrl": plane.url}
        asyncio.run(self.provider.configure(protocol.ConfigureRequest({}, _values(settings), True, True)))

    def check(self, token: str, inputs: dict) -> protocol.CheckResponse:
        return asyncio.run(self.provider.check(protocol.CheckRequest(_urn(token), {}, _values(inputs), b"")))

    def diff(self, token: str, old: dict, new: dict) -> dict[str, str]:
        request = protocol.DiffRequest(_urn(token), "id", _values(old), _values(new), [])
        found = asyncio.run(self.provider.diff(request))
        return {name: diff.kind.name for name, diff in found.detailed_diff.items()}

    def create(self, token: str, inputs: dict) -> protocol.CreateResponse:
        checked = self.check(token, inputs)
        assert not checked.failures
        return asyncio.run(
            self.provider.create(protocol.CreateRequest(_urn(token), checked.inputs, 0, False))
        )

    def read(self, token: str, identity: str, state: dict) -> protocol.ReadResponse:
        request = protocol.ReadRequest(_urn(token), identity, _values(state), {})
        return asyncio.run(self.provider.read(request))

    def update(self, token: str, identity: str, old: dict, new: dict) -> dict:
        request = protocol.UpdateRequest(_urn(token), identity, _values(old), _values(new), 0, [], False)
        return plain(asyncio.run(self.provider.update(request)).properties)

    def delete(self, token: str, identity: str, state: dict) -> None:
        request = protocol.DeleteRequest(_urn(token), identity, _values(state), 0)
        asyncio.run(self.provider.delete(request))


def _urn(token: str) -> str:
    return f"urn:pulumi:sandbox::homelab::{token}::a-name"


def _values(plain_values: dict) -> dict:
    return {name: wrapped(value) for name, value in plain_values.items()}


@pytest.fixture
def plugin(plane: Plane) -> Plugin:
    return Plugin(plane)


@pytest.mark.parametrize("token", RESOURCES)
def test_a_resource_has_the_names_of_the_package(token: str) -> None:
    """Every input is an argument of the SDK's class, so a program cannot tell the plugins apart."""
    module, name = token.split(":")[1].split("/")[1], token.split(":")[2]
    arguments = getattr(pulumi_tailscale, f"{name}Args")
    known = {member.lower().replace("_", "") for member, _ in inspect.getmembers(arguments)}
    assert module.lower() == name.lower()
    assert {input.lower() for input in RESOURCES[token].inputs} <= known


@pytest.mark.skipif(not SCHEMA.exists(), reason=f"the official schema is not at {SCHEMA}")
@pytest.mark.parametrize("token", RESOURCES)
def test_a_resource_has_the_types_of_the_official_schema(token: str) -> None:
    types = {"string": str, "boolean": bool, "integer": int, "array": list}
    official = json.loads(SCHEMA.read_text())["resources"][token]
    for name, rule in RESOURCES[token].inputs.items():
        assert rule.type is types[official["inputProperties"][name]["type"]]
        assert rule.required == (name in official.get("requiredInputs", ()))
    secret = {name for name, value in official["properties"].items() if value.get("secret")}
    assert RESOURCES[token].secrets == secret


@pytest.mark.skipif(not SCHEMA.exists(), reason=f"the official schema is not at {SCHEMA}")
def test_the_functions_are_those_of_the_official_schema() -> None:
    assert set(FUNCTIONS) <= set(json.loads(SCHEMA.read_text())["functions"])


def test_a_property_that_is_missing_unknown_or_of_another_type_is_refused(plugin: Plugin) -> None:
    failures = plugin.check(SPLIT, {"nameservers": "10.0.0.1", "colour": "blue"}).failures
    assert {failure.property: failure.reason for failure in failures} == {
        "domain": "is required",
        "nameservers": "is not of type list",
        "colour": f"{SPLIT} has no such property",
    }


def test_a_policy_of_someone_elses_is_not_adopted_silently(plane: Plane, plugin: Plugin) -> None:
    plane.client.set_policy(OTHER)
    with pytest.raises(EngineError, match="nobody adopted") as refused:
        plugin.create(ACL, {"acl": POLICY})
    assert "pulumi import" in refused.value.hint
    assert plane.client.policy()[0] == OTHER


def test_a_policy_that_an_interrupted_run_has_set_counts_as_created(plane: Plane, plugin: Plugin) -> None:
    plane.client.set_policy(POLICY, if_match=DEFAULT_POLICY)
    assert plugin.create(ACL, {"acl": POLICY}).resource_id == "acl"


def test_a_policy_is_not_overwritten_by_one_who_has_not_seen_it(plane: Plane, plugin: Plugin) -> None:
    plugin.create(ACL, {"acl": POLICY})
    by_hand = POLICY.replace("why", "by hand")
    plane.client.set_policy(by_hand)
    with pytest.raises(EngineError, match="changed by someone else"):
        plugin.update(ACL, "acl", {"acl": POLICY}, {"acl": OTHER})
    assert plane.client.policy()[0] == by_hand


def test_layout_is_no_change_and_a_comment_is_one(plugin: Plugin) -> None:
    assert plugin.diff(ACL, {"acl": POLICY}, {"acl": hujson.format(POLICY)}) == {}
    assert plugin.diff(ACL, {"acl": POLICY}, {"acl": POLICY.replace("why", "because")}) == {"acl": "UPDATE"}


def test_deleting_a_policy_leaves_it_unless_a_reset_is_wanted(plane: Plane, plugin: Plugin) -> None:
    plugin.create(ACL, {"acl": POLICY})
    plugin.delete(ACL, "acl", {"acl": POLICY})
    assert plane.client.policy()[0] == POLICY
    plugin.delete(ACL, "acl", {"acl": POLICY, "resetAclOnDestroy": True})
    assert plane.client.policy()[0] != POLICY


def test_what_is_gone_is_dropped_from_the_state(plane: Plane, plugin: Plugin) -> None:
    inputs = {"domain": "lan.test", "nameservers": ["10.0.0.1"]}
    identity = plugin.create(SPLIT, inputs).resource_id
    assert plain(plugin.read(SPLIT, identity, inputs).inputs) == inputs
    plane.api("PATCH", "/tailnet/-/dns/split-dns", json={"lan.test": None})
    assert plugin.read(SPLIT, identity, inputs).resource_id is None


def test_another_domain_is_another_resource(plugin: Plugin) -> None:
    old = {"domain": "a.test", "nameservers": ["10.0.0.1", "10.0.0.2"]}
    assert plugin.diff(SPLIT, old, {**old, "domain": "b.test"}) == {"domain": "UPDATE_REPLACE"}
    assert plugin.diff(SPLIT, old, {**old, "nameservers": old["nameservers"][::-1]}) == {}


def test_a_setting_follows_its_resource(plane: Plane, plugin: Plugin) -> None:
    token = "tailscale:index/dnsNameservers:DnsNameservers"
    identity = plugin.create(token, {"nameservers": ["9.9.9.9"]}).resource_id
    plugin.update(token, identity, {"nameservers": ["9.9.9.9"]}, {"nameservers": ["1.1.1.1"]})
    assert plane.client.dns().nameservers == ("1.1.1.1",)
    plugin.delete(token, identity, {"nameservers": ["1.1.1.1"]})
    assert plane.client.dns().nameservers == ()


def test_a_keys_value_is_a_secret_and_survives_a_refresh(plugin: Plugin) -> None:
    made = plugin.create(KEY, {"description": "for a test", "reusable": True})
    assert made.properties["key"].is_secret
    again = plugin.read(KEY, made.resource_id, plain(made.properties))
    assert again.properties["key"] == made.properties["key"]


def test_a_revoked_key_is_made_anew_if_it_is_reusable_or_so_wanted(plane: Plane, plugin: Plugin) -> None:
    inputs = {"description": "for a test", "reusable": True}
    made = plugin.create(KEY, inputs)
    plane.api("DELETE", f"/tailnet/-/keys/{made.resource_id}")
    live = plain(plugin.read(KEY, made.resource_id, plain(made.properties)).properties)
    checked = plain(plugin.check(KEY, inputs).inputs)
    assert plugin.diff(KEY, live, checked) == {"invalid": "UPDATE_REPLACE"}
    assert "invalid" not in plugin.diff(KEY, live, {**checked, "recreateIfInvalid": "never"})
    assert "invalid" not in plugin.diff(KEY, {**live, "reusable": False}, {**checked, "reusable": False})


def test_a_device_that_is_gone_is_dropped_and_needs_no_untagging(plugin: Plugin) -> None:
    token = "tailscale:index/deviceTags:DeviceTags"
    state = {"deviceId": "99", "tags": ["tag:nas"]}
    assert plugin.read(token, "99", state).resource_id is None
    plugin.delete(token, "99", state)


def test_what_we_do_not_serve_asks_for_the_official_plugin(plugin: Plugin) -> None:
    with pytest.raises(BlumeOpsError, match="needs the official plugin"):
        plugin.create("tailscale:index/webhook:Webhook", {})


def test_without_a_key_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAILSCALE_API_KEY", raising=False)
    with pytest.raises(BlumeOpsError, match="no API key"):
        asyncio.run(Tailscale().configure(protocol.ConfigureRequest({}, {}, True, True)))

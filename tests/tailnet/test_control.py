"""The laws of the sandbox's control plane: it answers as Tailscale does, and headscale does what it says."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from blumeops import process
from blumeops.errors import AccessDenied
from blumeops.tailnet import hujson
from blumeops.tailnet.client import ApiError
from tests.tailnet_plane import OWNER, Plane, children, running, wait_ready

ACL = "/tailnet/-/acl"
DNS = "/tailnet/-/dns"
POLICY = """\
// Why: a comment that must survive.
{
	"tagOwners": {"tag:nas": ["erik@homelab.test"]},
	"acls": [{"action": "accept", "src": ["erik@homelab.test"], "dst": ["tag:nas:22"]}],
}
"""


def test_a_request_without_a_known_key_is_refused_in_tailscales_error_shape(plane: Plane) -> None:
    for auth in (None, ("another-key", "")):
        answer = plane.api("GET", ACL, auth=auth)
        assert (answer.status_code, answer.json()) == (401, {"message": "API token invalid"})


def test_a_key_is_taken_as_basic_user_and_as_bearer_token(plane: Plane) -> None:
    assert plane.api("GET", ACL).status_code == 200
    bearer = {"Authorization": f"Bearer {plane.key}"}
    assert plane.api("GET", ACL, auth=None, headers=bearer).status_code == 200


def test_a_key_whose_file_is_gone_is_revoked(plane: Plane) -> None:
    console = plane.folder / "console-key"
    console.write_text("a-second-key")
    assert plane.api("GET", ACL, auth=("a-second-key", "")).status_code == 200
    console.unlink()
    assert plane.api("GET", ACL, auth=("a-second-key", "")).status_code == 401


@pytest.mark.parametrize(
    "path", ["/nowhere", "/tailnet/another.example/acl", "/device/99", "/tailnet/-/keys/k9"]
)
def test_what_does_not_exist_is_not_found(plane: Plane, path: str) -> None:
    answer = plane.api("GET", path)
    assert answer.status_code == 404
    assert answer.json()["message"]


def test_a_policy_is_given_back_as_it_was_written(plane: Plane) -> None:
    plane.client.set_policy(POLICY)
    text, etag = plane.client.policy()
    assert text == POLICY
    assert etag == hujson.etag(POLICY)
    as_json = plane.api("GET", ACL, headers={"Accept": "application/json"})
    assert as_json.json() == hujson.loads(POLICY).value


def test_the_etag_does_not_depend_on_layout(plane: Plane) -> None:
    before = plane.client.set_policy(POLICY)
    assert plane.client.set_policy(hujson.format(POLICY)) == before
    assert plane.client.set_policy(POLICY.replace("Why", "Because")) != before


def test_only_an_untouched_policy_is_the_default_one(plane: Plane) -> None:
    plane.client.set_policy(POLICY, if_match="ts-default")
    with pytest.raises(ApiError) as refused:
        plane.client.set_policy(POLICY, if_match="ts-default")
    assert refused.value.status == 412
    plane.client.set_policy("")
    plane.client.set_policy(POLICY, if_match="ts-default")


def test_a_policy_that_nobody_has_seen_is_not_overwritten(plane: Plane) -> None:
    seen = plane.client.policy()[1]
    plane.client.set_policy(POLICY)
    with pytest.raises(ApiError, match="precondition failed, invalid old hash"):
        plane.client.set_policy("{}", if_match=seen)
    assert plane.client.policy()[0] == POLICY


def test_a_policy_that_fails_its_own_tests_is_refused_and_changes_nothing(plane: Plane) -> None:
    before = plane.client.policy()
    failing = POLICY.replace(
        '"acls"', '"tests": [{"src": "erik@homelab.test", "deny": ["tag:nas:22"]}], "acls"'
    )
    answer = plane.api("POST", ACL, content=failing)
    assert answer.status_code == 400
    assert answer.json()["message"] == "test(s) failed"
    assert answer.json()["data"][0]["user"] == OWNER
    assert plane.client.policy() == before


def test_what_headscale_cannot_enforce_is_refused_not_dropped(plane: Plane) -> None:
    before = plane.client.policy()
    grant = '{"grants": [{"src": ["*"], "dst": ["*"], "app": {"example.com/cap/x": [{}]}}]}'
    answer = plane.api("POST", ACL, content=grant)
    assert answer.status_code == 501
    assert "application capabilities" in answer.json()["message"]
    assert plane.client.policy() == before


def test_validating_judges_and_changes_nothing(plane: Plane) -> None:
    before = plane.client.policy()
    assert plane.client.validate(POLICY) == ()
    said = plane.client.validate(POLICY.replace('"tag:nas:22"', '"tag:none:22"'))
    assert "tag:none" in said[0]
    assert plane.client.policy() == before


def test_tests_alone_run_against_the_live_policy(plane: Plane) -> None:
    plane.client.set_policy(POLICY)
    assert plane.client.validate('[{"src": "erik@homelab.test", "accept": ["tag:nas:22"]}]') == ()
    assert plane.client.validate('[{"src": "erik@homelab.test", "deny": ["tag:nas:22"]}]') != ()


def test_magic_dns_needs_a_nameserver_and_goes_with_the_last_one(plane: Plane) -> None:
    refused = plane.api("POST", f"{DNS}/preferences", json={"magicDNS": True})
    assert refused.json() == {"message": "need at least one nameserver to enable MagicDNS"}
    plane.api("POST", f"{DNS}/nameservers", json={"dns": ["9.9.9.9"]})
    plane.api("POST", f"{DNS}/preferences", json={"magicDNS": True})
    assert plane.client.dns().magic_dns
    answer = plane.api("POST", f"{DNS}/nameservers", json={"dns": []})
    assert answer.json() == {"dns": [], "magicDNS": False}


def test_clearing_one_domain_of_split_dns_leaves_the_others(plane: Plane) -> None:
    plane.api("PATCH", f"{DNS}/split-dns", json={"a.test": ["10.0.0.1"], "b.test": ["10.0.0.2"]})
    plane.api("PATCH", f"{DNS}/split-dns", json={"a.test": []})
    assert plane.client.dns().split == {"b.test": ("10.0.0.2",)}


def test_a_nameserver_that_is_no_address_is_refused(plane: Plane) -> None:
    answer = plane.api("POST", f"{DNS}/nameservers", json={"dns": ["dns.example"]})
    assert answer.status_code == 400
    assert plane.client.dns().nameservers == ()


def test_headscale_runs_with_new_dns_when_the_change_is_answered(plane: Plane) -> None:
    before = children(plane.child.pid)
    plane.api("POST", f"{DNS}/searchpaths", json={"searchPaths": ["apps.homelab.test"]})
    assert children(plane.child.pid) != before
    assert plane.client.devices() == []


def test_a_keys_secret_is_told_once_and_a_revoked_key_is_invalid(plane: Plane) -> None:
    made = plane.api(
        "POST", "/tailnet/-/keys", json={"description": "for a test", "expirySeconds": 60}
    ).json()
    path = f"/tailnet/-/keys/{made['id']}"
    read = plane.api("GET", path)
    assert made["key"]
    assert made["key"] not in read.text + plane.api("GET", "/tailnet/-/keys").text
    assert read.json()["invalid"] is False
    assert plane.api("DELETE", path).status_code == 200
    assert plane.api("GET", path).json()["invalid"] is True


def test_a_key_may_only_carry_tags_that_somebody_owns(plane: Plane) -> None:
    with pytest.raises(ApiError, match=r"requested tags \[tag:nas\] are invalid or not permitted"):
        plane.client.create_key(tags=["tag:nas"])
    plane.client.set_policy(POLICY)
    assert plane.client.create_key(tags=["tag:nas"]).reveal()


def test_a_killed_headscale_comes_back_with_the_same_policy(plane: Plane) -> None:
    plane.client.set_policy(POLICY)
    _leash, headscale = children(plane.child.pid)
    os.kill(headscale, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while headscale in children(plane.child.pid) or len(children(plane.child.pid)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    wait_ready(plane)
    assert plane.client.policy()[0] == POLICY
    assert plane.client.devices() == []


def _end(plane: Plane, number: signal.Signals) -> None:
    below = children(plane.child.pid)
    assert len(below) == 2
    os.kill(plane.child.pid, number)
    plane.child.wait(timeout=10)
    deadline = time.monotonic() + 5
    while left := [pid for pid in below if process.start_time(pid) is not None]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_an_end_leaves_no_process_and_keeps_what_was_set(tmp_path: Path) -> None:
    with running(tmp_path) as plane:
        plane.client.set_policy(POLICY)
        plane.api("POST", f"{DNS}/nameservers", json={"dns": ["9.9.9.9"]})
        _end(plane, signal.SIGKILL)
    with running(tmp_path) as plane:
        assert plane.client.policy()[0] == POLICY
        assert plane.client.dns().nameservers == ("9.9.9.9",)
        _end(plane, signal.SIGTERM)


def test_an_error_about_a_key_never_shows_it(plane: Plane) -> None:
    (plane.folder / "api-key").rename(plane.folder / "hidden")
    try:
        with pytest.raises(AccessDenied) as refused:
            plane.client.policy()
        assert plane.key not in str(refused.value) + repr(plane.client)
    finally:
        (plane.folder / "hidden").rename(plane.folder / "api-key")

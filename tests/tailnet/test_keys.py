"""Auth keys against the real control plane: listed without secrets, made like an old one, revoked."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops.errors import ReadOnly
from blumeops.tailnet import keys
from blumeops.tailnet.keys import AuthKey
from tests.tailnet_plane import Plane

POLICY = '{"groups": {"group:a": ["erik@homelab.test"]}, "tagOwners": {"tag:nas": ["group:a"]}, "acls": []}'


def test_a_new_key_does_what_the_old_one_did(plane: Plane) -> None:
    plane.client.set_policy(POLICY)
    wanted = AuthKey("", "for the storage", tags=("tag:nas",), reusable=True, ephemeral=True)
    old, _ = keys.make(plane.client, wanted, days=1)
    new, secret = keys.make(plane.client, old, days=2)
    assert new.id != old.id
    assert (new.tags, new.reusable, new.ephemeral) == (("tag:nas",), True, True)
    assert new.description == "for the storage"
    assert new.expires > old.expires
    assert len(secret.reveal()) > 20


def test_a_list_of_keys_tells_no_secret(plane: Plane) -> None:
    made, secret = keys.make(plane.client, AuthKey("", "one"), days=1)
    found = keys.keys(plane.client)
    assert made in found
    assert secret.reveal() not in repr(found) + str(keys.table(found)) + keys.table(found).to_markdown()


def test_a_revoked_key_is_not_valid_and_revoking_it_again_is_no_error(plane: Plane) -> None:
    made, _ = keys.make(plane.client, AuthKey("", "one"), days=1)
    assert keys.read(plane.client, made.id).valid
    keys.revoke(plane.client, made.id)
    keys.revoke(plane.client, made.id)
    assert not keys.read(plane.client, made.id).valid
    keys.revoke(plane.client, "k999999CNTRL")


def test_a_key_that_is_not_there_is_none_and_not_an_error(plane: Plane) -> None:
    assert keys.read(plane.client, "k999999CNTRL") is None


def test_r8_where_only_looking_is_allowed_no_key_is_made_or_revoked(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = keys.make(plane.client, AuthKey("", "one"), days=1)
    monkeypatch.setenv("BLUMEOPS_MODE", "read")
    with pytest.raises(ReadOnly):
        keys.make(plane.client, made, days=1)
    with pytest.raises(ReadOnly):
        keys.revoke(plane.client, made.id)
    assert keys.read(plane.client, made.id).valid


def test_a_device_that_is_gone_needs_no_deleting(plane: Plane, tmp_path: Path) -> None:
    plane.client.delete_device("999999")
    assert plane.client.devices() == []

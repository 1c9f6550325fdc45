"""Doors are tried with real connections, from this machine to itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from blumeops import doors
from blumeops.errors import BlumeOpsError
from blumeops.probe import Reach
from blumeops.target import GitRemote, Target

DEVICES = (
    {"hostname": "ana-phone", "addresses": ["100.64.0.9"], "user": "ana@homelab.test", "tags": []},
    {"hostname": "indri", "addresses": ["100.64.0.1"], "user": "tagged-devices", "tags": ["tag:homelab"]},
)
POLICY = """{
"groups": {"group:family": ["ana@homelab.test"]}, "tagOwners": {"tag:homelab": []},
"acls": [{"action": "accept", "src": ["group:family"], "proto": "tcp", "dst": ["tag:homelab:80"]}],
}"""


@pytest.fixture
def here(tmp_path: Path) -> Target:
    """A target whose one device is this machine."""
    return Target("sandbox", "here", tmp_path, GitRemote("unused"), vantage={"here": ()})


@pytest.fixture
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def unused() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_a_door_that_should_be_open_and_is_holds(here: Target, listening: str) -> None:
    seen = doors.look(here, "here", {listening: True}, seconds=0)
    assert seen.hold
    assert seen.doors[0].answer.reach is Reach.OPEN


def test_a_door_that_should_be_closed_and_opens_does_not_hold(here: Target, listening: str) -> None:
    seen = doors.look(here, "here", {listening: False}, seconds=0)
    assert not seen.hold
    assert "WRONG" in str(seen)


def test_a_host_that_refuses_was_reached_so_a_closed_door_does_not_hold(here: Target, unused: str) -> None:
    assert not doors.look(here, "here", {unused: False}, seconds=0).hold
    assert doors.look(here, "here", {unused: True}, seconds=0).hold


def test_a_name_that_the_device_cannot_see_is_closed(here: Target) -> None:
    seen = doors.look(here, "here", {"nobody.invalid:22": False}, seconds=0)
    assert seen.hold
    assert seen.doors[0].answer.reach is Reach.NO_NAME


def test_no_doors_prove_nothing(here: Target) -> None:
    assert not doors.look(here, "here", {}, seconds=0).hold


def test_doors_come_in_the_order_asked_and_a_table_says_them_all(
    here: Target, listening: str, unused: str
) -> None:
    seen = doors.look(here, "here", {"nobody.invalid:22": False, listening: True, unused: True}, seconds=0)
    table = seen._repr_markdown_()
    assert table.count("✓") == 3
    assert table.index("nobody") < table.index(listening) < table.index(unused)


def test_what_a_policy_says_of_a_door_is_what_is_expected() -> None:
    said = doors.expected(POLICY, DEVICES, "ana-phone", ["indri:80", "indri:22"])
    assert said == {"indri:80": True, "indri:22": False}
    assert doors.expected(POLICY, DEVICES, "nobody", ["indri:80"]) == {"indri:80": False}


@pytest.mark.parametrize("word", ["indri", ":80", "indri:", "indri:http", "indri:0", "indri:70000"])
def test_a_word_that_is_no_door_is_refused(here: Target, word: str) -> None:
    with pytest.raises(BlumeOpsError, match="is not a door"):
        doors.look(here, "here", {word: True})

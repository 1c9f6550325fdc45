"""Probes: what a real connection says, from where a person would be."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from blumeops import probe
from blumeops.errors import BlumeOpsError, Unreachable
from blumeops.probe import Reach
from blumeops.target import GitRemote, Hosts, Target

Serve = Callable[[bytes], int]


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A target whose nodes are this machine, one that is broken, and none else."""
    vantage = {"here": (), "broken": ("sh", "-c", "echo no such machine >&2; exit 1")}
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    return Target("sandbox", "x", tmp_path, GitRemote("x"), env=env, vantage=vantage)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that answers every guest with the same bytes; gives its port."""
    doors: list[socket.socket] = []

    def start(answer: bytes) -> int:
        door = socket.create_server(("127.0.0.1", 0))
        doors.append(door)

        def loop() -> None:
            while True:
                try:
                    guest = door.accept()[0]
                except OSError:
                    return
                said = guest.recv(4096) if answer else b""
                guest.sendall(answer.replace(b"HOST", said.partition(b"Host: ")[2].partition(b"\r\n")[0]))
                guest.close()

        threading.Thread(target=loop, daemon=True).start()
        return door.getsockname()[1]

    yield start
    for door in doors:
        door.close()


def test_an_open_port_opens(target: Target, serve: Serve) -> None:
    port = serve(b"")
    answer = probe.connect(target, "here", "localhost", port)
    assert answer.reach is Reach.OPEN
    assert str(answer) == f"here → localhost:{port}: open"


def test_a_closed_port_is_refused_and_a_wrong_name_is_not_found(target: Target) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    assert probe.connect(target, "here", "127.0.0.1", port).reach is Reach.REFUSED
    for name in ("no-such-host.invalid", "a" * 70 + ".invalid", "a..b"):
        assert probe.connect(target, "here", name, port).reach is Reach.NO_NAME, name


def test_a_page_is_asked_for_by_the_name_of_its_site(target: Target, serve: Serve) -> None:
    port = serve(b"HTTP/1.0 404 No\r\n\r\nyou asked for HOST")
    answer = probe.get(target, "here", "127.0.0.1", "/a", port=port, name="docs.homelab.test")
    assert (answer.reach, answer.status, answer.body) == (Reach.OPEN, 404, "you asked for docs.homelab.test")
    assert str(answer) == f"here → http://docs.homelab.test:{port}/a: open, HTTP 404"


def test_an_open_port_that_speaks_no_http_is_open_all_the_same(target: Target, serve: Serve) -> None:
    answer = probe.get(target, "here", "127.0.0.1", port=serve(b"SSH-2.0-x\r\n"))
    assert (answer.reach, answer.status, answer.body) == (Reach.OPEN, 0, "")


def test_no_word_of_a_probe_meets_a_shell(target: Target, tmp_path: Path) -> None:
    answer = probe.get(target, "here", f"$(touch {tmp_path}/x)", f"/;touch {tmp_path}/x", name="`id`")
    assert answer.reach is Reach.NO_NAME
    assert not (tmp_path / "x").exists()


def test_a_node_that_cannot_look_is_no_answer_about_the_network(target: Target) -> None:
    with pytest.raises(Unreachable, match="no such machine") as caught:
        probe.connect(target, "broken", "127.0.0.1", 80)
    assert caught.value.where == "broken"
    with pytest.raises(BlumeOpsError, match="no way to look from 'laptop'") as unknown:
        probe.connect(target, "laptop", "127.0.0.1", 80)
    assert unknown.value.hint == "known: here, broken"


def test_a_word_that_goes_over_ssh_is_one_word_over_there_too(target: Target) -> None:
    words = ["echo", "two words", "$(id)"]
    assert probe.way(target, "here", words) == ("echo", "two words", "$(id)")
    config = target.state / "ssh_config"
    far = replace(target, hosts=Hosts(config), vantage={"laptop": ("/usr/bin/ssh", "laptop")})
    assert probe.way(far, "indri", words)[-3:] == ("--", "indri", "echo 'two words' '$(id)'")
    assert probe.way(far, "laptop", words) == ("/usr/bin/ssh", "laptop", "echo 'two words' '$(id)'")


def test_a_target_without_a_cluster_has_no_workloads(target: Target) -> None:
    with pytest.raises(BlumeOpsError, match="has no cluster"):
        probe.workload(target, "miniflux", "miniflux")


def test_asking_again_ends_with_the_first_right_answer_or_the_last_wrong_one() -> None:
    numbers = iter(range(100))
    assert probe.until(lambda: next(numbers), lambda number: number == 2, seconds=5) == 2
    assert probe.until(lambda: "no", lambda answer: answer == "yes", seconds=0.1) == "no"

"""The layout: two checkouts on one machine never meet."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from blumeops.errors import BadInput, BlumeOpsError
from blumeops.sandbox.layout import FIRST_PORT, LAST_PORT, NODES, PORTS, Layout, keep, layout


def ports(one: Layout) -> set[int]:
    return {one.port(name) for name in PORTS}


def test_two_checkouts_share_no_name_address_or_port(tmp_path: Path) -> None:
    one, other = layout(tmp_path / "one"), layout(tmp_path / "other")
    assert one.key != other.key and one.bridge != other.bridge
    assert not one.network.overlaps(other.network)
    assert not ports(one) & ports(other)
    assert not {one.machine(n) for n in NODES} & {other.machine(n) for n in NODES}


def test_a_layout_is_the_same_every_time_and_by_every_path(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    root.mkdir()
    (tmp_path / "link").symlink_to(root)
    chosen = layout(root)
    assert layout(root) == chosen == layout(tmp_path / "link")
    keep(chosen)
    with socket.create_server(("127.0.0.1", chosen.port("control"))):
        assert layout(root) == chosen, "what was kept stays, even when its ports are in use"


def test_ports_are_free_and_below_those_of_outgoing_connections(tmp_path: Path) -> None:
    before = layout(tmp_path)
    assert min(ports(before)) >= FIRST_PORT and max(ports(before)) < LAST_PORT
    with socket.create_server(("127.0.0.1", before.port("redis"))):
        after = layout(tmp_path)
    assert before.port("redis") not in ports(after)
    assert len(ports(after)) == len(PORTS)


def test_the_subnet_is_no_one_elses(tmp_path: Path) -> None:
    routes = json.loads(
        subprocess.run(
            ["ip", "-json", "-4", "route", "show", "table", "all"], capture_output=True, check=True
        ).stdout
    )
    taken = [ipaddress.IPv4Network(r["dst"], strict=False) for r in routes if r["dst"][0].isdigit()]
    for number in range(20):
        network = layout(tmp_path / str(number)).network
        assert network.is_private and network.prefixlen == 24
        assert not [route for route in taken if network.overlaps(route)]


def test_a_subnet_that_a_route_covers_is_avoided(tmp_path: Path) -> None:
    """In a network namespace of its own, where a route takes exactly what we would choose."""
    wanted = layout(tmp_path).subnet
    code = (
        "import pathlib, sys; from blumeops.sandbox.layout import layout;"
        f"print(layout(pathlib.Path({str(tmp_path)!r})).subnet)"
    )
    script = f"ip link set lo up; ip route add {wanted} dev lo; exec $PYTHON -c {json.dumps(code)}"
    env = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], env=env, capture_output=True, text=True)
    if "unshare failed" in done.stderr:
        pytest.skip("needs the right to make a network namespace")
    assert done.returncode == 0, done.stderr
    assert not ipaddress.IPv4Network(done.stdout.strip()).overlaps(ipaddress.IPv4Network(wanted))


def test_names_fit_what_the_kernel_allows(tmp_path: Path) -> None:
    one = layout(tmp_path)
    assert len(one.bridge) <= 15
    assert all(len(f"vb-{one.machine(node)}") <= 15 for node in NODES)
    assert one.gateway not in {one.address(node) for node in NODES}
    assert len({one.address(node) for node in NODES}) == len(NODES)


def test_a_copied_checkout_does_not_take_the_originals_sandbox_for_its_own(tmp_path: Path) -> None:
    keep(layout(tmp_path / "original"))
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    with pytest.raises(BlumeOpsError, match=f"belongs to the checkout {tmp_path}/original") as caught:
        layout(tmp_path / "copy")
    assert f"remove {tmp_path}/copy/.sandbox" in caught.value.hint
    shutil.rmtree(tmp_path / "copy" / ".sandbox")
    assert layout(tmp_path / "copy").key != layout(tmp_path / "original").key


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"key": "abc"}', '{"key": 1, "subnet": "x", "first_port": 2}']
)
def test_a_damaged_layout_is_named_and_not_replaced_silently(tmp_path: Path, text: str) -> None:
    """A new one would have other names, and what runs under the old ones would be lost sight of."""
    path = tmp_path / ".sandbox" / "layout.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(BadInput, match="not a sandbox's layout") as caught:
        layout(tmp_path)
    assert str(path) in caught.value.where
    assert path.read_text() == text

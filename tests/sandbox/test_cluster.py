"""The laws of the sandbox's cluster: loopback only, credentials kept and private, everything said."""

from __future__ import annotations

import json
import os
import ssl
import stat
import sys
from pathlib import Path

import pytest

from blumeops import process
from blumeops.sandbox import cluster, cluster_credentials, engines
from blumeops.sandbox.component import Component, Http, Step, Tcp
from blumeops.sandbox.layout import Layout
from blumeops.sandbox.sandbox import Sandbox

LISTEN = """
import socket
for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"), (socket.AF_INET, "127.0.0.2")):
    with socket.socket(family) as one:
        one.bind((address, 0))
        one.listen()
        print(one.getsockname()[0])
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, "abcdef", "10.112.0.0/24", 29_000)


@pytest.fixture
def parts(layout: Layout) -> tuple[Component | Step, ...]:
    if any(engine.layer == "cluster" for engine in engines.missing()):
        pytest.skip("the cluster's engines are not built yet: `blumeops engines build`")
    return cluster.components(layout)


def test_every_component_is_ready_on_loopback_and_holds_its_own_ports(
    parts: tuple[Component | Step, ...],
) -> None:
    components = [part for part in parts if isinstance(part, Component)]
    ports = [port for one in components for port in one.ports]
    assert len(components) == 8 and len(set(ports)) == len(ports)
    for one in components:
        match one.ready:
            case Tcp(host=host):
                assert host == "127.0.0.1"
            case Http(url=url):
                assert "://127.0.0.1:" in url
            case _:
                pytest.fail(f"{one.name} has no probe of its own")


def test_making_the_parts_starts_and_writes_nothing(
    parts: tuple[Component | Step, ...], layout: Layout
) -> None:
    assert parts and not layout.folder.exists()


def test_no_secret_is_in_what_a_dry_run_prints(parts: tuple[Component | Step, ...], layout: Layout) -> None:
    cluster_credentials.make(layout)
    held = cluster_credentials.credentials(layout)
    printed = repr(parts)
    for path in (held.token, held.redis / "auth"):
        assert path.read_text() not in printed


def test_credentials_are_private_and_kept_for_the_next_start(layout: Layout) -> None:
    cluster_credentials.make(layout)
    folder = layout.folder / "cluster"
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(first) == 9
    assert {stat.S_IMODE(path.stat().st_mode) for path in first} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    cluster_credentials.make(layout)
    assert {path: path.read_bytes() for path in first} == first


def test_two_sandboxes_share_no_credential(tmp_path: Path) -> None:
    layouts = [Layout(tmp_path / name, name, "10.112.0.0/24", 29_000) for name in ("aaaaaa", "bbbbbb")]
    for one in layouts:
        cluster_credentials.make(one)
    a, b = (cluster_credentials.credentials(one) for one in layouts)
    assert a.ca.read_text() != b.ca.read_text() and a.token.read_text() != b.token.read_text()


def test_the_certificate_is_signed_by_the_sandboxs_own_authority(layout: Layout) -> None:
    cluster_credentials.make(layout)
    held = cluster_credentials.credentials(layout)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(held.ca))
    server.load_cert_chain(held.certificate, held.key)
    ends = [ssl.MemoryBIO() for _ in range(2)]
    here = client.wrap_bio(ends[0], ends[1], server_hostname="127.0.0.1")
    there = server.wrap_bio(ends[1], ends[0], server_side=True)
    waiting = {here, there}
    while waiting:
        for one in list(waiting):
            try:
                one.do_handshake()
                waiting.discard(one)
            except ssl.SSLWantReadError:
                continue
    assert here.getpeercert()


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's; elsewhere there is no sandbox")
def test_a_program_that_listens_everywhere_is_kept_on_loopback(tmp_path: Path) -> None:
    script = tmp_path / "listen.py"
    script.write_text(LISTEN)
    argv = [sys.executable, "-m", "blumeops.sandbox.cluster_loopback", sys.executable, str(script)]
    done = process.run(argv, env=dict(os.environ), timeout=20).check()
    assert done.stdout.split() == ["127.0.0.1", "::ffff:127.0.0.1", "127.0.0.2"]


@pytest.mark.sandbox
def test_nothing_of_the_cluster_listens_beyond_loopback(sandbox: Sandbox) -> None:
    ports = {part.ports for part in cluster.components(sandbox.layout) if isinstance(part, Component)}
    ours = {port for group in ports for port in group}
    lines = [line.split() for line in process.run(["ss", "-Hltn"], timeout=10).check().stdout.splitlines()]
    listening = {int(fields[3].rpartition(":")[2]): fields[3].rpartition(":")[0] for fields in lines}
    assert ours <= set(listening)
    assert {listening[port] for port in ours} <= {"127.0.0.1", "[::ffff:127.0.0.1]"}


@pytest.mark.sandbox
def test_etcd_redis_and_the_api_server_ask_for_a_credential(sandbox: Sandbox) -> None:
    import httpx

    held = cluster_credentials.credentials(sandbox.layout)
    trusted = ssl.create_default_context(cafile=str(held.ca))
    base = f"https://127.0.0.1:{sandbox.layout.port('apiserver')}"
    assert httpx.get(f"{base}/api/v1/secrets", verify=trusted).status_code in (401, 403)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"https://127.0.0.1:{sandbox.layout.port('etcd')}/version", verify=trusted)
    ping = ["redis-cli", "-h", "127.0.0.1", "-p", str(sandbox.layout.port("redis")), "ping"]
    assert "NOAUTH" in process.run(ping, timeout=10).stdout


@pytest.mark.sandbox
def test_kubectl_of_the_same_version_talks_to_it(sandbox: Sandbox) -> None:
    held = cluster_credentials.credentials(sandbox.layout)
    argv = [engines.require("kubectl"), f"--kubeconfig={held.kubeconfig}", "get", "nodes", "-o", "json"]
    [node] = json.loads(process.run(argv, timeout=20).check().stdout)["items"]
    ready = {one["type"]: one["status"] for one in node["status"]["conditions"]}
    assert ready["Ready"] == "True"

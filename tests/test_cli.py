"""The command line, run as people run it: in a process of its own, where that can make a difference."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from blumeops.cli import cli
from blumeops.repository import Repository
from tests.conftest import BLUMEOPS, ROOT, run_blumeops, run_here

HEAVY = (
    "pulumi", "kubernetes", "ansible_runner", "mkdocs", "jupytext", "papermill", "nbclient", "nbformat",
    "rich",
    "httpx", "starlette", "uvicorn", "yaml", "filelock", "concurrent.futures.thread", "blumeops.homelab",
    "blumeops.sandbox", "blumeops.layers",
)  # fmt: skip
ANSI = "\x1b["


def commands(command: click.Command = cli, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group of the command line, as words."""
    yield words
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*words, name))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose sandbox is not up; its target `home` has a cluster that is not there."""
    root = tmp_path / "checkout"
    (root / "homelab").mkdir(parents=True)
    (root / "homelab" / "targets.toml").write_text(
        '[home]\nidentity = "in the cellar"\n[home.git]\nurl = "file:///nowhere"\n'
        '[broken]\nidentity = 5\n[broken.gti]\nurl = "x"\n'
    )
    git = Repository(root).git
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    return root


def test_every_command_has_help_that_fits_the_terminal() -> None:
    """In this process, as click renders it on a wide terminal."""
    for words in commands():
        done = CliRunner(env={"COLUMNS": "200"}).invoke(cli, [*words, "--help"])
        assert done.exit_code == 0, words
        lines = done.output.splitlines()
        assert lines[0].startswith("Usage:"), words
        assert max(map(len, lines)) <= 100, (words, max(lines, key=len))
        described = [line.strip() for line in lines[1:] if line.strip()]
        assert described and not described[0].startswith("Options"), f"{words} does not say what it does"


def test_the_exit_codes_stand_in_the_help() -> None:
    done = run_blumeops("--help")
    assert done.code == 0 and done.err == ""
    for line in (
        "0    nothing to do",
        "1    changes",
        "2    error",
        "3    stale",
        "4    partial",
        "130  inter",
    ):
        assert line in done.out


def test_the_command_line_loads_nothing_heavy() -> None:
    """So that --help and completion are there at once."""
    code = f"import sys, blumeops.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "words", [["plan", "clutser"], ["aply"], ["plan", "--jsn"], ["rollback"]], ids=" ".join
)
def test_a_word_that_is_not_known_is_an_error_and_is_named(words: list[str], checkout: Path) -> None:
    done = run_here(*words, cwd=checkout)
    assert done.code == 2 and done.out == ""
    assert words[-1] in done.err or "REVISION" in done.err
    assert "Traceback" not in done.err


def test_an_error_says_what_where_and_hint(checkout: Path) -> None:
    done = run_blumeops("plan", cwd=checkout)
    assert (done.code, done.out) == (2, "")
    first, hint = done.err.splitlines()
    assert first == f"error: {checkout}/.sandbox/target.toml: the sandbox is not up"
    assert hint == "hint: run `blumeops sandbox up`"
    unknown = run_here("plan", "--target", "hme", cwd=checkout)
    assert unknown.code == 2 and "known targets: sandbox, home, broken" in unknown.err


def test_errors_are_json_where_json_was_asked_for(checkout: Path) -> None:
    error = json.loads(run_here("status", "--json", cwd=checkout).out)["error"]
    assert error["what"] == "the sandbox is not up" and error["exit_code"] == 2
    assert error["where"].endswith("target.toml") and error["hint"]
    usage = run_here("plan", "clutser", "--json", cwd=checkout)
    assert usage.code == 2 and "clutser" in json.loads(usage.out)["error"]["what"]
    bad = json.loads(run_here("plan", "--json", "--target", "broken", cwd=checkout).out)["error"]
    assert any("did you mean 'git'?" in problem["hint"] for problem in bad["problems"])


def test_a_report_is_data_on_standard_output_and_progress_is_not(checkout: Path) -> None:
    done = run_blumeops("plan", "--json", "--target", "home", cwd=checkout)
    report = json.loads(done.out)
    assert done.code == report["exit_code"] == 4
    assert [layer["state"] for layer in report["layers"]] == ["unknown"] * 3
    loud = run_here("plan", "--target", "home", cwd=checkout)
    assert loud.code == 4 and "in sync" not in loud.out and "has no cluster layer" in loud.err


def test_outside_of_a_homelab_the_way_in_is_said(tmp_path: Path) -> None:
    done = run_here("plan", cwd=tmp_path)
    assert done.code == 2 and "no Git repository with a homelab/ folder" in done.err and "hint:" in done.err


def test_a_mistake_of_ours_is_no_change_found(checkout: Path) -> None:
    """Python would exit with 1, which a script reads as "there are changes"."""
    (checkout / ".sandbox" / "layout.json").mkdir(parents=True)
    done = run_blumeops("sandbox", "status", cwd=checkout)
    assert done.code == 2 and "IsADirectoryError" in done.err


def test_a_reader_that_leaves_gets_no_traceback_G12(checkout: Path) -> None:
    (checkout / ".sandbox").mkdir()
    journal = checkout / ".sandbox/state/journal"
    journal.mkdir(parents=True)
    (checkout / ".sandbox/target.toml").write_text('identity = "x"\nstate = "state"\n[git]\nurl = "x"\n')
    event = json.dumps({"at": "2024", "event": "start", "verb": "apply", "revision": "f" * 40})
    for number in range(3000):
        (journal / f"{number:05}-apply.jsonl").write_text(event + "\n")
    whole = run_here("journal", "-n", "9999", cwd=checkout)
    assert whole.code == 0 and len(whole.out) > 70_000
    line = f"'{BLUMEOPS}' journal -n 9999; echo $? >&2"
    done = subprocess.run(["sh", "-c", f"({line}) | head -1"], cwd=checkout, capture_output=True, text=True)
    assert done.stdout.count("\n") == 1
    assert done.stderr == "141\n", "neither a traceback, nor a code that speaks of the homelab"


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
    ],
)  # fmt: skip
def test_a_locale_without_our_signs_is_fine(checkout: Path, env: dict[str, str]) -> None:
    done = run_blumeops("status", "--target", "home", cwd=checkout, **env)
    assert done.code == 4 and "Traceback" not in done.err
    assert "tailnet" in done.out and "unknown" in done.out


def test_changes_are_not_made_without_a_yes_where_nobody_can_be_asked() -> None:
    """Without a terminal `_agree` must refuse; what is refused is a real plan with one change."""
    code = (
        "from blumeops.cli import homelab, _say; from blumeops.errors import BlumeOpsError\n"
        "from blumeops.plan import *\n"
        "plan = Plan('hosts', 'f', 'x', (Change(Action.CREATE, 'a'),), Coverage(1, 1))\n"
        "report = Report('plan', 'home', (plan,))\n"
        "print(homelab._agree('in the cellar', 'home', yes=True, as_json=False)(report))\n"
        "homelab._agree('in the cellar', 'home', yes=False, as_json=False)(report)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert "True" in done.stdout and "target home: in the cellar" in done.stderr
    assert "1 changes would be made" in done.stderr and "say --yes" in done.stderr


def test_forgetting_the_sandbox_needs_a_yes(checkout: Path) -> None:
    done = run_blumeops("sandbox", "reset", cwd=checkout)
    assert done.code == 2 and "hint: say --yes" in done.err


def on_a_terminal(*words: str, cwd: Path, **env: str) -> str:
    """What a command shows on a terminal."""
    leader, follower = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    run = subprocess.Popen(
        [BLUMEOPS, *words], cwd=cwd, env={**clean, "TERM": "xterm-256color", **env},
        stdin=follower, stdout=follower, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while select.select([leader], [], [], 30)[0]:
        try:
            shown += os.read(leader, 4096)
        except OSError:
            break
    run.wait()
    os.close(leader)
    return shown.decode()


def test_colour_is_for_terminals_that_want_it(checkout: Path) -> None:
    words = ("status", "--target", "home")
    with ThreadPoolExecutor() as pool:
        coloured = pool.submit(on_a_terminal, *words, cwd=checkout)
        plain = pool.submit(on_a_terminal, *words, cwd=checkout, NO_COLOR="1")
        error = pool.submit(on_a_terminal, "plan", cwd=checkout)
        plain_error = pool.submit(on_a_terminal, "plan", cwd=checkout, NO_COLOR="1")
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]")
    assert colour.search(coloured.result()) and colour.search(error.result())
    assert not colour.search(plain.result()) and ANSI not in plain_error.result()
    assert "unknown" in coloured.result() and "unknown" in plain.result(), "the word says it, not the colour"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_completion(shell: str) -> None:
    done = run_here("completion", shell)
    assert done.code == 0 and "_BLUMEOPS_COMPLETE" in done.out and done.err == ""


def test_bash_completes_verbs_and_layers() -> None:
    def complete(line: str) -> list[str]:
        words = line.split(" ")
        env = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_BLUMEOPS_COMPLETE": "bash_complete"}
        return [row.partition(",")[2] for row in run_blumeops(**env).out.splitlines()]

    assert set(complete("blumeops pl")) == {"plan"}
    assert set(complete("blumeops plan ")) >= {"tailnet", "hosts", "cluster"}


LOOK = """
import sys
from pathlib import Path
import click
from blumeops import cli, repository
from blumeops.target import GitRemote

@cli.cli.command()
def look():
    repository.find(Path.cwd()).published(GitRemote(sys.stdin.readline().strip()))

sys.argv[1:] = ["look"]
cli.main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_signal_ends_a_command_with_130(checkout: Path, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C alike; here while Git waits for a remote that takes the call and never speaks."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(30)
        run = subprocess.Popen(
            [sys.executable, "-c", LOOK],
            cwd=checkout,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert run.stdin
        run.stdin.write(f"http://127.0.0.1:{door.getsockname()[1]}/x\n")
        run.stdin.flush()
        guest = door.accept()[0]
        begun = time.monotonic()
        run.send_signal(number)
        said = run.communicate(timeout=20)[1]
        guest.close()
        assert run.returncode == 130, said
        assert said.strip().endswith("interrupted") and "Traceback" not in said
        assert time.monotonic() - begun < 8


def test_a_package_that_is_not_installed_is_named_with_the_way_to_it(tmp_path: Path) -> None:
    """Python's own way to say that a module is not there; no traceback, and what to do."""
    code = "import sys; sys.modules['nh3'] = None; from blumeops.cli import main; main()"
    (tmp_path / "page.md").write_text("# Page\n\nA <u onclick=go()>word</u>.\n")
    argv = [sys.executable, "-c", code, "docs", "check", "--root", str(tmp_path)]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert "the Python package nh3 is missing" in ran.stderr and "hint: make setup" in ran.stderr
    assert "Traceback" not in ran.stderr and ran.returncode != 0

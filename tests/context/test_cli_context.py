"""`blumeops context` as a person and a tool meet it: what it prints, what it refuses, how it ends."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from blumeops.cli import context as verb
from blumeops.context import asked, tokens
from tests.conftest import Ran, run_blumeops, run_here
from tests.context import small


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.write(tmp_path_factory.mktemp("homelab"))


def ask(root: Path, *words: str) -> Ran:
    return run_here("context", *words, cwd=root)


def test_a_pack_is_plain_markdown_when_piped(root: Path) -> None:
    done = run_blumeops("context", "caddy answers with 502", "--budget", "1200", cwd=root)
    assert done.code == 0, str(done)
    assert done.out.startswith("# Context: caddy answers with 502\n")
    assert "\x1b" not in done.out
    assert "systemctl status caddy" in done.out
    assert tokens.count(done.out) <= 1200
    assert done.err == ""


def test_json_is_one_document_with_the_same_places(root: Path) -> None:
    plain = json.loads(ask(root, "caddy 502", "--json").out)
    text = ask(root, "caddy 502").out
    assert plain["entries"]
    assert all(f"{one['path']}:{one['line']}" in text for one in plain["entries"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("",), "no words"),
        (("   \n\t ",), "no words"),
        (("?!…",), "no words"),
        (("\x1b[31m\u200b\u202e",), "no words"),
        (("a" * 1_000_000,), "1,000,000 characters"),
        (("caddy", "--budget", "0"), "too small"),
        (("caddy", "--budget", "-5"), "too small"),
        (("caddy", "--budget", "99"), "too small"),
        (("caddy", "--budget", "999999999999"), "too large"),
        (("caddy", "--for", "cady"), "did you mean caddy"),
        (("caddy", "--for", "cluser"), "did you mean cluster"),
        (("caddy", "--for", "../../etc/passwd"), "there is no layer, page or runbook"),
    ],
)
def test_d9_what_cannot_be_meant_is_refused_in_a_line_or_two(
    root: Path, words: tuple[str, ...], said: str
) -> None:
    done = ask(root, *words)
    assert done.code == 2
    assert said in done.err
    assert len(done.err) < 400
    assert done.out == ""
    told = json.loads(ask(root, *words, "--json").out)["error"]
    assert told["hint"]


def test_the_smallest_budget_still_says_what_was_left_out(root: Path) -> None:
    done = ask(root, "caddy backup restore", "--budget", str(asked.LEAST))
    assert done.code == 0
    assert "Left out for want of room" in done.out
    assert tokens.count(done.out) <= asked.LEAST


def test_nothing_found_is_said_and_is_no_success(root: Path) -> None:
    done = ask(root, "xyzzy plugh")
    assert done.code == 2
    assert "Nothing in this repository answers" in done.out
    assert "nothing was found" in done.err
    assert json.loads(ask(root, "xyzzy plugh", "--json").out)["found"] is False


def test_control_characters_of_a_question_are_not_printed_again(root: Path) -> None:
    done = ask(root, "caddy \x1b[2J\x07 \u202ebackup\x00")
    assert done.code == 0
    assert not set(done.out.splitlines()[0]) & set("\x1b\x07\x00\u202e")


def test_without_a_sandbox_live_says_unknown_and_never_in_sync(root: Path) -> None:
    done = ask(root, "caddy", "--live", "-q")
    assert done.code == 4
    for layer in ("tailnet", "hosts", "cluster"):
        assert f"{layer}: unknown" in done.out
    assert "in_sync" not in done.out


def test_a_dead_control_plane_is_unknown_and_the_pack_is_printed(tmp_path: Path) -> None:
    root = small.write(tmp_path)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        (root / "key").write_text("k" * 20)
        (root / "homelab/targets.toml").write_text(
            f'[dead]\nidentity = "nobody"\ngit.url = "{root}"\n'
            f'tailnet.base_url = "http://127.0.0.1:{closed.getsockname()[1]}"\n'
            f'tailnet.api_key_file = "../key"\ntailnet.passphrase_file = "../key"\n'
            f'tailnet.backend = "file://{tmp_path}"\n'
        )
        plain = json.loads(
            ask(root, "caddy", "--live", "--target", "dead", "--for", "tailnet", "--json", "-q").out
        )
    (layer,) = plain["live"]["layers"]
    assert (layer["layer"], layer["state"]) == ("tailnet", "unknown")
    assert layer["reason"]
    assert plain["entries"]


def test_another_repository_is_asked_by_its_root(root: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Zebra\n\nA zebra has stripes.\n")
    done = ask(root, "zebra", "--root", str(tmp_path))
    assert done.code == 0
    assert "notes.md:1" in done.out
    assert "sandbox" not in done.out


def test_the_default_budget_is_told_as_it_is() -> None:
    assert verb.DEFAULT == asked.DEFAULT


def test_the_shell_completes_layers_and_pages(root: Path) -> None:
    done = run_blumeops(
        cwd=root, _BLUMEOPS_COMPLETE="bash_complete", COMP_WORDS="blumeops context x --for c", COMP_CWORD="4"
    )
    assert "plain,cluster" in done.out
    assert "plain,caddy" in done.out

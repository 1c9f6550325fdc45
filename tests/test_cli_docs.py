"""The verbs over the docs, each run once as people run it: in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import BLUMEOPS, Ran, run_blumeops, run_here
from tests.site.conftest import ROOT, VAULT


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """A copy of the fixture vault with the project's own site configuration."""
    root = tmp_path / "vault"
    shutil.copytree(VAULT, root)
    config = root / "mkdocs.yml"
    config.write_text(config.read_text().replace("../../../mkdocs.yml", str(ROOT / "mkdocs.yml")))
    return root


def docs(*words: str, root: Path) -> Ran:
    """A docs verb on another vault, from a folder that is none."""
    return run_here("docs", *words, "--root", str(root), cwd=root.parent)


def docs_process(*words: str, root: Path) -> Ran:
    """The same in a process of its own."""
    return run_blumeops("docs", *words, "--root", str(root), cwd=root.parent)


def test_a_new_page_can_be_checked_linked_and_found(vault: Path) -> None:
    made = docs_process("new", "how-to", "Water the plants", "--json", root=vault)
    assert made.code == 0, str(made)
    said = json.loads(made.out)
    assert said == {
        "path": "docs/how-to/water-the-plants.md", "name": "water-the-plants", "title": "Water the plants",
        "kind": "how-to",
    }  # fmt: skip
    with (vault / "docs/reference/caddy.md").open("a") as page:
        page.write("\n\n[[Water the plants]]\n")
    found = json.loads(docs_process("links", "water the plants", "--json", root=vault).out)
    assert [(link["origin"], link["written"]) for link in found["incoming"]] == [
        ("docs/reference/caddy.md", "[[Water the plants]]")
    ]
    assert docs_process("check", root=vault).code == 0


def test_a_page_is_written_once(vault: Path) -> None:
    first = docs("new", "host", "kiwi", root=vault)
    assert (first.code, first.out) == (0, "docs/reference/kiwi.md\n") and "[[kiwi]]" in first.err
    again = docs("new", "host", "Kiwi", root=vault)
    assert again.code == 2 and again.out == "" and "leads to this page already" in again.err
    wrong = docs("new", "howto", "x", root=vault)
    assert wrong.code == 2 and "how-to" in wrong.err, "the kinds that there are"


@pytest.mark.parametrize("name", ["indri", "docs/reference/indri.md", "[[indri#Services]]", "INDRI"])
def test_the_links_of_a_page_are_asked_for_by_any_name(name: str, vault: Path) -> None:
    found = docs("links", name, root=vault)
    assert found.code == 0, str(found)
    assert "docs/reference/caddy.md:3  [[indri]]" in found.out
    assert "broken: none" in found.out


def test_the_lines_of_links_are_those_of_the_files(vault: Path) -> None:
    """Every line that is named holds the link, and links in code are none."""
    found = json.loads(docs("links", "indri", "--json", root=vault).out)
    assert len(found["incoming"]) >= 3
    for link in (*found["incoming"], *found["outgoing"]):
        line = (vault / link["origin"]).read_text().splitlines()[link["line"] - 1]
        assert link["written"] in line
    assert not [link for link in found["incoming"] if link["line"] in (6, 7, 8) and "caddy" in link["origin"]]


def test_a_broken_link_of_the_page_is_exit_code_2(vault: Path) -> None:
    with (vault / "docs/reference/caddy.md").open("a") as page:
        page.write("\n\n[[indry]]\n")
    found = docs("links", "caddy", root=vault)
    assert found.code == 2 and "[[indry]] is no page of this site" in found.out
    unknown = docs("links", "cady", root=vault)
    assert unknown.code == 2 and "did you mean [[Caddy]]" in unknown.err.replace("[[caddy]]", "[[Caddy]]")


def test_an_export_says_what_it_wrote(vault: Path, tmp_path: Path) -> None:
    first = json.loads(docs_process("export", str(tmp_path / "out"), "--json", root=vault).out)
    assert "reference/caddy.md" in first["written"] and first["unchanged"] == 0
    again = docs("export", str(tmp_path / "out"), root=vault)
    assert again.code == 0 and again.err.startswith("0 written, 0 removed")
    (tmp_path / "out/index.md").write_text("mine")
    (vault / "docs/index.md").write_text("# Theirs\n")
    refused = docs("export", str(tmp_path / "out"), root=vault)
    assert refused.code == 2 and "was edited since it was exported" in refused.err and "hint:" in refused.err


def test_outside_of_a_homelab_the_option_is_named(tmp_path: Path) -> None:
    done = run_here("docs", "links", "x", cwd=tmp_path)
    assert done.code == 2 and "--root DIR" in done.err
    missing = run_here("docs", "links", "x", "--root", str(tmp_path / "nowhere"), cwd=tmp_path)
    assert missing.code == 2 and "does not exist" in missing.err


def test_the_shell_completes_kinds_and_page_names(vault: Path) -> None:
    """As bash asks: the words so far, and which one is being typed."""

    def asked(words: str, position: int) -> list[str]:
        env = {"_BLUMEOPS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(position)}
        done = subprocess.run(
            [BLUMEOPS], cwd=vault, env={**os.environ, **env}, capture_output=True, text=True, check=True
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert asked("blumeops docs new ho", 3) == ["how-to", "host"]
    assert asked(f"blumeops docs links --root {vault} first", 5) == ["first-hour"]


def test_a_served_site_ends_with_ctrl_c_and_leaves_nothing_behind(vault: Path) -> None:
    argv = [BLUMEOPS, "docs", "serve", "--port", "0", "--root", str(vault)]
    run = subprocess.Popen(argv, cwd=vault.parent, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert run.stderr
    try:
        url = next(line.strip() for line in run.stderr if line.startswith("http://127.0.0.1:"))
        assert b"BlumeOps" in urllib.request.urlopen(url, timeout=10).read()
    finally:
        begun = time.monotonic()
        run.send_signal(signal.SIGINT)
        code = run.wait(timeout=20)
    assert code in (0, 130) and "Traceback" not in run.stderr.read()
    assert time.monotonic() - begun < 10


def test_a_bare_vault_is_built_and_a_broken_link_ends_it_unless_told_otherwise_D3(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "index.md").write_text("# Notes\n\n[[bread]]\n")
    (notes / "bread.md").write_text("# Bread\n\n[[nothing]] [[index]]\n")
    refused = docs_process("build", "--out", str(tmp_path / "site"), root=notes)
    assert refused.code == 2 and refused.out == "" and "bread.md:3:1: [[nothing]]" in refused.err
    assert not (tmp_path / "site").exists()
    built = docs("build", "--out", str(tmp_path / "site"), "--no-strict", root=notes)
    assert (built.code, built.out) == (0, f"{tmp_path / 'site'}\n") and "warning: bread.md:3:1" in built.err
    assert "[[nothing]]" in (tmp_path / "site/bread/index.html").read_text()
    assert sorted(file.name for file in notes.rglob("*")) == ["bread.md", "index.md"]

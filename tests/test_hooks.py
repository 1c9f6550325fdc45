"""The hooks, run by pre-commit itself on a real commit: what is wrong does not get into Git."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import string
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.site.conftest import VAULT

ROOT = Path(__file__).resolve().parents[1]
PRE_COMMIT = Path(sys.executable).with_name("pre-commit")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A repository with our hooks installed."""

    root: Path
    env: dict[str, str]

    def git(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A git command as a person runs it."""
        return subprocess.run(["git", *words], cwd=self.root, env=self.env, capture_output=True, text=True)

    def commit(self) -> str:
        """Commit everything; what the hooks said, empty when the commit was made."""
        before = self.git("rev-parse", "--verify", "HEAD").stdout
        self.git("add", ".")
        done = self.git("commit", "-m", "x")
        made = self.git("rev-parse", "--verify", "HEAD").stdout != before
        assert made == (done.returncode == 0)
        return "" if made else done.stdout + done.stderr


def environment(home: Path) -> dict[str, str]:
    """Ours, with a home of its own, a name for commits, and no network to go to."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
    person = {
        f"GIT_{role}_{what}": "x@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "UV_OFFLINE": "1"}
    return {
        **clean, **person, **nowhere, "HOME": str(home), "PRE_COMMIT_HOME": str(home / "hooks"),
        "NO_COLOR": "1", "PATH": f"{PRE_COMMIT.parent}:{clean['PATH']}",
    }  # fmt: skip


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A small homelab with our configuration of hooks, installed, and a first commit that passed them."""
    home = tmp_path_factory.mktemp("hooks")
    root = home / "start"
    shutil.copytree(VAULT, root)
    for name in (".pre-commit-config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    (root / "mkdocs.yml").write_text("site_name: Small\nplugins: [blumeops]\n")
    (root / ".venv/bin").mkdir(parents=True)
    for program in ("blumeops", "ruff"):
        (root / ".venv/bin" / program).symlink_to(PRE_COMMIT.parent / program)
    (root / ".gitignore").write_text("/.venv/\n/build/\n")
    checkout = Checkout(root, environment(home))
    checkout.git("init", "--quiet")
    subprocess.run([PRE_COMMIT, "install"], cwd=root, env=checkout.env, check=True, capture_output=True)
    assert checkout.commit() == ""
    return checkout


@pytest.fixture
def checkout(start: Checkout, tmp_path: Path) -> Checkout:
    """A copy of it that a test may change."""
    shutil.copytree(start.root, tmp_path / "checkout", symlinks=True)
    return Checkout(tmp_path / "checkout", start.env)


def canary() -> str:
    """Something with the shape of a Tailscale key, made now, so that no file here holds one."""
    letters = string.ascii_letters + string.digits
    return "-".join(("tskey", "auth", "k" + "".join(secrets.choice(letters) for _ in range(11)),
                     "".join(secrets.choice(letters) for _ in range(32))))  # fmt: skip


def test_a_good_page_is_committed(checkout: Checkout) -> None:
    (checkout.root / "docs/tutorials/second.md").write_text("# Second\n\nSee [[indri]], [[first-hour]].\n")
    with (checkout.root / "docs/tutorials/first-hour.md").open("a") as page:
        page.write("\nThen [[second]].\n")
    assert checkout.commit() == ""


def test_a_broken_link_is_refused_with_its_place(checkout: Checkout) -> None:
    with (checkout.root / "docs/tutorials/first-hour.md").open("a") as page:
        page.write("\n[[indry]]\n")
    said = checkout.commit()
    assert "[[indry]] is no page of this site" in said and "docs/tutorials/first-hour.md" in said
    assert "did you mean [[indri]]" in said


def test_a_key_is_refused_wherever_it_stands_and_is_not_shown_D13(checkout: Checkout) -> None:
    keys = {path: canary() for path in ("docs/reference/caddy.md", "homelab/pulumi/notes.txt", "script.sh")}
    for path, key in keys.items():
        (checkout.root / path).parent.mkdir(parents=True, exist_ok=True)
        with (checkout.root / path).open("a") as file:
            file.write(f"\nexport TS_AUTHKEY={key}\n")
    said = checkout.commit()
    assert said.count("a Tailscale key") == len(keys)
    for path, key in keys.items():
        assert path in said and key not in said


def test_code_that_is_not_in_form_is_refused(checkout: Checkout) -> None:
    (checkout.root / "tool.py").write_text("import os\nx = {  'a':1 }\n")
    said = checkout.commit()
    assert "ruff check" in said and "ruff format" in said and "F401" in said


def test_a_notebook_with_outputs_is_refused(checkout: Checkout) -> None:
    """With the filter of a checkout that was set up there are none; this is one that was not."""
    said = {"output_type": "stream", "name": "stdout", "text": ["what a host said"]}
    cell = {"cell_type": "code", "id": "a", "source": [], "metadata": {}, "execution_count": 1}
    path = checkout.root / "tried.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": [{**cell, "outputs": [said]}]}))
    refused = checkout.commit()
    assert "tried.ipynb: outputs in 1 of 1 cells" in refused and "what a host said" not in refused
    clean = {**cell, "execution_count": None, "outputs": []}
    path.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": [clean]}))
    assert checkout.commit() == ""


def test_the_hooks_ask_for_nothing_but_what_setup_installed() -> None:
    """Local, by path into `.venv`, so that pre-commit builds no environment of its own."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        program = hook["entry"].split()[0]
        assert hook["language"] == "system" and program.startswith(".venv/bin/")
        assert Path(program).name in {*scripts, "ruff"}


def test_another_repository_may_use_our_hook(tmp_path: Path) -> None:
    """Our manifest from a repository of its own, on somebody's vault that is no repository of ours."""
    env = environment(tmp_path)
    ours = Checkout(tmp_path / "blumeops", env)
    theirs = Checkout(tmp_path / "notes", env)
    for one in (ours, theirs):
        one.root.mkdir()
        one.git("init", "--quiet")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", ours.root)
    validated = [PRE_COMMIT, "validate-manifest", ".pre-commit-hooks.yaml"]
    subprocess.run(validated, cwd=ours.root, env=env, check=True)
    assert ours.commit() == ""
    hook = {"id": "blumeops-docs-check", "language": "system"}
    used = {"repo": str(ours.root), "rev": ours.git("rev-parse", "HEAD").stdout.strip(), "hooks": [hook]}
    (theirs.root / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [used]}))
    (theirs.root / "index.md").write_text("# Notes\n\n[[bread]]\n")
    (theirs.root / "bread.md").write_text("# Bread\n\nBack to [[index]].\n")
    subprocess.run([PRE_COMMIT, "install"], cwd=theirs.root, env=env, check=True, capture_output=True)
    assert theirs.commit() == ""
    (theirs.root / "bread.md").write_text("# Bread\n\nBack to [[indx]].\n")
    said = theirs.commit()
    assert "bread.md" in said and "[[indx]] is no page" in said

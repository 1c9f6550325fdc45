"""A homelab as a repository of its own, which the tests of this folder read, and some of them spoil."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def made(root: Path) -> Path:
    """A repository with the homelab, its cards and two of its runbooks in one commit."""
    shutil.copytree(ROOT / "homelab", root / "homelab")
    shutil.copytree(ROOT / "docs" / "reference" / "services", root / "docs" / "reference" / "services")
    (root / "runbooks").mkdir()
    for name in ("find-and-undo-drift", "add-a-service-behind-caddy"):
        shutil.copy(ROOT / "runbooks" / f"{name}.md", root / "runbooks")
    for name in ("mkdocs.yml", ".gitignore", "AGENTS.md"):
        shutil.copy(ROOT / name, root)
    (root / "docs" / "index.md").write_text("---\ntitle: Home\ndescription: The homelab.\n---\n\n# Home\n")
    (root / "build").mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root)
    return root


def git(root: Path, *words: str) -> str:
    """Run Git in a repository and return what it says."""
    identity = ("-c", "user.name=Tess", "-c", "user.email=tess@homelab.test")
    done = subprocess.run(["git", "-C", root, *identity, *words], capture_output=True, text=True, check=True)
    return done.stdout


def commit(root: Path) -> None:
    """Commit everything."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "all")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A homelab that the tests of a module only read."""
    return made(tmp_path_factory.mktemp("homelab") / "repo")


@pytest.fixture
def homelab(tmp_path: Path) -> Path:
    """A homelab that a test may change."""
    return made(tmp_path / "repo")

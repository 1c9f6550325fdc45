"""A copy of the homelab and its cards that a test may break, and a small foreign one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent


class Copy:
    """A repository that a test may change: `replace` one passage, `write` a file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace a passage that stands there exactly once."""
        file = self.root / path
        text = file.read_text()
        assert text.count(old) == 1, (path, old, text.count(old))
        file.write_text(text.replace(old, new))

    def write(self, path: str, text: str) -> None:
        """Write a file, with its folders."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    shutil.copytree(ROOT / "homelab", tmp_path / "homelab")
    shutil.copytree(ROOT / "docs" / "reference", tmp_path / "docs" / "reference")
    return Copy(tmp_path)


@pytest.fixture
def foreign(tmp_path: Path) -> Copy:
    """A homelab with other names in other folders, without a single annotation."""
    shutil.copytree(HERE / "foreign", tmp_path / "foreign")
    return Copy(tmp_path / "foreign")

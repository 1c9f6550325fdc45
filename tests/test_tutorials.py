"""The edits that the lessons ask for, made by the lessons' own commands on a copy of the homelab."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from blumeops.errors import BadInput
from blumeops.tailnet import policy

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"
POLICY = "homelab/pulumi/policy.hujson"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The desired state and the docs, to be edited."""
    for name in ("homelab", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def edits(page: Path) -> Iterator[str]:
    """Every command of a lesson that changes a file in place, in order."""
    yield from re.findall(r"^sed -i (?:.*\\\n)*.*$", page.read_text(), re.MULTILINE)


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("page", sorted(TUTORIALS.glob("first-*.md")), ids=lambda page: page.stem)
def test_every_edit_of_a_lesson_changes_one_file(page: Path, copy: Path) -> None:
    commands = list(edits(page))
    assert commands
    for command in commands:
        before = contents(copy)
        subprocess.run(["bash", "-euc", command], cwd=copy, check=True)
        changed = [file for file, text in contents(copy).items() if before[file] != text]
        assert len(changed) == 1, command


def test_the_first_change_fails_a_test_of_the_policy_until_that_is_changed_too(copy: Path) -> None:
    """As the lesson says: one rule, an error with file and line; then rule and test, and it passes."""
    rule, *rest = [command for command in edits(TUTORIALS / "first-change.md") if POLICY in command]
    subprocess.run(["bash", "-euc", rule], cwd=copy, check=True)
    with pytest.raises(BadInput, match=r"policy\.hujson:\d+:\d+: .*tag:nas:9100"):
        policy.check((copy / POLICY).read_text(), POLICY)
    for command in rest:
        subprocess.run(["bash", "-euc", command], cwd=copy, check=True)
    policy.check((copy / POLICY).read_text(), POLICY)

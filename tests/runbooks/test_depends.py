"""A page turns stale by itself: what a run looked at is known by its digests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from blumeops.runbooks import depends


@dataclass(frozen=True)
class Ran:
    """As much of a record as staleness needs."""

    depends: Mapping[str, str]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a file at the top and a folder of two."""
    for name in ("one.py", "state/a.yaml", "state/deep/b.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    return tmp_path


def git(root: Path, *words: str) -> None:
    """One Git command in a folder."""
    subprocess.run(["git", *words], cwd=root, check=True)


def ran(root: Path, *paths: str) -> Ran:
    """A run that looked at these paths just now."""
    return Ran(depends.digests(root, paths))


def test_nothing_changed_is_not_stale(checkout: Path) -> None:
    """Asked twice, and after a file was touched without another content."""
    record = ran(checkout, "one.py", "state", "state/a.yaml")
    os.utime(checkout / "one.py", (1, 1))
    assert depends.changed_since(checkout, record) == ()
    assert list(record.depends) == ["one.py", "state", "state/a.yaml"]


def test_a_changed_file_is_named_with_every_folder_that_counted(checkout: Path) -> None:
    """The same length and the same second do not hide it."""
    record = ran(checkout, "one.py", "state", "state/a.yaml", "state/deep/b.yaml")
    (checkout / "state/a.yaml").write_text("state/b.yaml\n")
    assert depends.changed_since(checkout, record) == ("state", "state/a.yaml")


def test_a_file_that_is_added_removed_or_renamed_changes_its_folder(checkout: Path) -> None:
    """Each of them alone; and what Git does not know in a folder was made there."""
    record = ran(checkout, "state")
    (checkout / "state/made.log").write_text("noise")
    assert depends.changed_since(checkout, record) == ()
    git(checkout, "add", "state/made.log")
    assert depends.changed_since(checkout, record) == ("state",)
    git(checkout, "rm", "-q", "--cached", "state/made.log")
    assert depends.changed_since(checkout, record) == ()
    git(checkout, "mv", "state/a.yaml", "state/c.yaml")
    assert depends.changed_since(checkout, record) == ("state",)


def test_what_is_gone_is_a_change_and_so_is_what_came(checkout: Path) -> None:
    """A file that a run asked for and did not find may change what it does once it is there."""
    record = ran(checkout, "one.py", "later.py")
    assert record.depends["later.py"] == depends.GONE
    (checkout / "one.py").unlink()
    (checkout / "later.py").write_text("")
    assert depends.changed_since(checkout, record) == ("later.py", "one.py")


def test_a_record_never_makes_itself_stale(checkout: Path) -> None:
    """Nor does a path that is none."""
    assert depends.digests(checkout, ["runbooks/records/x.json", "", "/"]) == {}


def test_a_folder_without_git_is_known_by_all_its_files(tmp_path: Path) -> None:
    """A downloaded archive of the repository has pages, too."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state/a").write_text("a")
    record = ran(tmp_path, "state")
    assert depends.changed_since(tmp_path, record) == ()
    (tmp_path / "state/b").write_text("b")
    assert depends.changed_since(tmp_path, record) == ("state",)


def test_the_order_in_which_files_are_listed_does_not_matter(checkout: Path) -> None:
    """Two machines that looked at the same say the same."""
    one = depends.digests(checkout, ["state/", "one.py", "state"])
    assert one == depends.digests(checkout, ["one.py", "state"])
    assert list(one) == ["one.py", "state"]

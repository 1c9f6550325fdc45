"""On a repository that was not written for it, every lie is found, and nothing that is true is called one."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest

from blumeops.facts import check
from blumeops.facts.check import Checked
from tests.facts import foreign
from tests.facts.foreign import Lie


@pytest.fixture(scope="module", params=[1, 2, 3])
def looked_at(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Checked, list[Lie]]:
    """A foreign homelab as a Git repository, checked, with the lies that are in it."""
    root = tmp_path_factory.mktemp("foreign")
    lies = foreign.write(root, seed=request.param)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "add", "-A"], check=True)
    return check.check(root), lies


def test_every_lie_is_found_where_it_stands(looked_at: tuple[Checked, list[Lie]]) -> None:
    checked, lies = looked_at
    said = {(p.path, p.line): f"{p.what} {p.hint}" for p in checked.problems}
    all_said = "\n".join(f"{p.path}:{p.line} {p.what}" for p in checked.problems)
    missed = [lie for lie in lies if (lie.path, lie.line) not in said]
    assert missed == [], all_said
    assert all(
        any(lie.word in p.what for p in checked.problems if p.path == lie.path)
        for lie in lies
        if lie.kind != "context"
    )


def test_nothing_that_is_true_is_called_a_lie(looked_at: tuple[Checked, list[Lie]]) -> None:
    checked, lies = looked_at
    places = {(lie.path, lie.line) for lie in lies}
    assert [str(p) for p in checked.problems if (p.path, p.line) not in places] == []


def test_there_are_few_warnings(looked_at: tuple[Checked, list[Lie]]) -> None:
    """What tells of the past, and a path that is only like one of ours, is at most something to look at."""
    checked, _ = looked_at
    assert len(checked.warnings) <= 6, [str(p) for p in checked.warnings]


def test_the_homelab_is_as_large_as_it_says_and_has_lies_of_every_kind(
    looked_at: tuple[Checked, list[Lie]],
) -> None:
    checked, lies = looked_at
    assert checked.pages >= 120
    assert len(foreign.NAMES) == 42
    kinds = Counter(lie.kind for lie in lies)
    assert set(kinds) >= {
        "path",
        "task",
        "missing row",
        "dead row",
        "version",
        "version list",
        "image",
        "playbook",
    }
    assert len(lies) >= 30

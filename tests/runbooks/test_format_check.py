"""Every rule for runbooks has a page that breaks it, named after the rule, and is told with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from blumeops.errors import Problem
from blumeops.runbooks import check
from blumeops.runbooks.blocks import parse
from blumeops.runbooks.canonical import canonical
from tests.conftest import ROOT

CASES = Path(__file__).parent / "cases"
RIGHT = (CASES / "right.md").read_text()
RULES = sorted(path for path in CASES.glob("*.md") if path.name != "right.md")
_SAYS = re.compile(r"^says: (\d+): (.*)$", re.MULTILINE)
_EDIT = re.compile(r"~~~~~ instead of\n(.*?)\n~~~~~ stands\n(.*?)\n(?=~~~~~)", re.DOTALL)


def problems(text: str) -> list[Problem]:
    """What is said of a page, in a homelab with two services and one alert."""
    return check.text_problems(
        text, Path("runbooks/page.md"), services=("caddy", "gatus"), alerts=("CaddyDown",)
    )


def broken(case: Path) -> str:
    """The right page with the edits of a case."""
    text = RIGHT
    for old, new in _EDIT.findall(case.read_text()):
        assert old in text, f"{case.name} edits what is not there: {old!r}"
        text = text.replace(old, new, 1)
    return text


def test_a_page_that_is_right_has_no_problem() -> None:
    """Or every other test here would prove nothing."""
    assert problems(RIGHT) == []


@pytest.mark.parametrize("case", RULES, ids=lambda path: path.stem)
def test_a_page_that_breaks_a_rule_is_told_so_with_the_line(case: Path) -> None:
    """These complaints, and no other."""
    wanted = [(int(line), what) for line, what in _SAYS.findall(case.read_text())]
    assert wanted
    assert sorted((one.line, one.what) for one in problems(broken(case))) == sorted(wanted)


def test_a_secret_is_never_said_again_r4() -> None:
    """A default that is a value is refused, and stands nowhere in the complaint."""
    told = "\n".join(map(str, problems(RIGHT.replace('"env:LOGIN"', '"correct-horse"'))))
    assert "no reference" in told and "horse" not in told


def test_every_problem_of_a_page_is_told_at_once() -> None:
    """Not one after the other."""
    text = RIGHT.replace("layers: [hosts]", "layers: [host]").replace(":tags: [verify]", ":tags: [verfy]")
    assert len(problems(text.replace("assert after", "assert afterwards"))) >= 4


def test_a_function_may_use_what_a_later_cell_binds() -> None:
    """It is looked up when the function is called; what runs at once needs it above."""
    early = "plan = [service, reveal(login)]\n"
    later = "\ndef look():\n    return [after for _ in range(tries)]\n"
    assert problems(RIGHT.replace(early, early + later)) == []
    at_once = problems(RIGHT.replace(early, early + "\nseen = [after for _ in range(tries)]\n"))
    assert [one.what for one in at_once] == ["after is used and never defined"]


def test_the_form_that_is_kept_is_a_fixed_point() -> None:
    """Whoever asked for it once need not ask again."""
    untidy = RIGHT.replace("owner: tests", "owner: tests  # us").replace("## Verify\n\n", "## Verify\n\n\n\n")
    once = canonical(untidy, parse(untidy, "x"))
    assert once != untidy and problems(once) == []
    assert canonical(once, parse(once, "x")) == once


def test_r7_a_notebook_beside_its_runbook_is_a_second_truth(tmp_path: Path) -> None:
    """One that says something else is told with the cell; a copy is one truth too many, too."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "page.md").write_text(RIGHT)
    sources = [block.source for block in parse(RIGHT, "x").blocks]
    beside = tmp_path / "runbooks" / "page.ipynb"
    beside.write_text(notebook(sources))
    assert "a copy, with outputs" in said(tmp_path)
    beside.write_text(notebook([*sources[:2], "assert False", *sources[3:]]))
    assert "disagree from cell 3 on" in said(tmp_path)
    beside.write_text("{")
    assert "not a notebook" in said(tmp_path)
    beside.unlink()
    assert said(tmp_path) == ""


def notebook(sources: list[str]) -> str:
    """A notebook with these cells, each with an output."""
    cells = [
        {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": [{"text": "x"}]}
        for source in sources
    ]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "x"}, *cells]})


def said(root: Path) -> str:
    """All problems of a checkout that has nothing but runbooks."""
    return "\n".join(map(str, check.check(root)))


def test_a_command_in_prose_that_does_not_exist_is_told(tmp_path: Path) -> None:
    """Of our own program; a command that exists is none."""
    from blumeops.cli import cli

    (tmp_path / "runbooks").mkdir()
    page = tmp_path / "runbooks" / "page.md"
    page.write_text(RIGHT.replace("blumeops plan", "blumeops plam --quiet"))
    told = check.check(tmp_path, clis={"blumeops": cli})
    assert [one.line for one in told] == [23] and "plam" in told[0].what
    page.write_text(RIGHT)
    assert check.check(tmp_path, clis={"blumeops": cli}) == []


def test_a_page_with_the_line_ends_of_windows_is_told(tmp_path: Path) -> None:
    """jupytext would write every line anew."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "page.md").write_bytes(RIGHT.replace("\n", "\r\n").encode())
    assert "end as on Windows" in said(tmp_path)


def test_a_secret_in_a_runbook_is_told_and_not_repeated(tmp_path: Path) -> None:
    """By its shape, wherever it stands."""
    (tmp_path / "runbooks").mkdir()
    canary = "-".join(["tskey", "auth", "kQ7wE9rTz2CNTRL", "uV4xYb8nM3kLp6sD1fGhJ"])
    (tmp_path / "runbooks" / "page.md").write_text(RIGHT.replace("Ask tests.", f"Ask with {canary}."))
    told = said(tmp_path)
    assert "a Tailscale key stands here" in told and canary not in told


def test_every_runbook_of_this_repository_is_right() -> None:
    """And what they are compared with is there: cards of services, commands."""
    from blumeops.cli import cli

    assert list(map(str, check.check(ROOT, clis={"blumeops": cli}))) == []

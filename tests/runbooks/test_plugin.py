"""Runbooks as tests of pytest: `pytest runbooks/` rehearses them, and nothing else is touched by it."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from tests.runbooks.places import Place, cell, environment, page, place
from tests.runbooks.test_suite import CHANGES, FAILS

ROOT = Path(__file__).resolve().parents[2]
NO_WAY_BACK = page(
    cell("from pathlib import Path\nPath('x.ran').touch()", "step", "confirm", name="change"),
    cell("raise RuntimeError('half way')", "step", "confirm", name="breaks"),
    cell("Path('x.ran').unlink()\nprint('taken back')", "rollback", name="back", of="change"),
    cell("pass", "verify", name="look"),
)


def run(here: Place, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as a person does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=here.root, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def collected(here: Place, *words: str) -> list[str]:
    """What pytest would run."""
    said = run(here, "--collect-only", "-q", *words).stdout
    return [line for line in said.splitlines() if "::" in line]


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """A checkout with two good runbooks, one that fails, and a page that is none."""
    made = place(tmp_path, good=CHANGES, other=CHANGES, fails=FAILS)
    (tmp_path / "runbooks/README.md").write_text("# Words\n\n```python\nraise SystemExit\n```\n")
    return made


def test_each_runbook_is_one_test(here: Place) -> None:
    expected = [f"runbooks/{name}.md::{name}" for name in ("fails", "good", "other")]
    assert collected(here, "runbooks/") == expected
    assert collected(here, "runbooks", "-k", "good or other") == expected[1:]
    assert collected(here, "runbooks/good.md") == expected[1:2]
    assert collected(here, str(here.root / "runbooks"), "runbooks/good.md") == expected


def test_a_passing_runbook_passes_and_a_failing_one_shows_its_line(here: Place) -> None:
    done = run(here, "runbooks", "--junitxml=result.xml")
    line = FAILS.splitlines().index("raise ValueError('no such thing')") + 1
    assert done.returncode == 1 and "1 failed, 2 passed" in done.stdout, done.stdout
    assert f"runbooks/fails.md:{line}: bad:" in done.stdout
    assert "before" in done.stdout, "what the failing step said"
    assert "rehearsing.py" not in done.stdout, "no traceback through our own code"
    suite = xml.parse(here.root / "result.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    (failure,) = suite.iter("failure")
    assert f"runbooks/fails.md:{line}" in (failure.text or "")


def test_a_failure_says_what_became_of_the_way_back(tmp_path: Path) -> None:
    done = run(place(tmp_path, half=NO_WAY_BACK), "runbooks")
    assert "── rollback back: passed" in done.stdout, done.stdout
    assert not (tmp_path / "x.ran").exists()


def test_a_page_that_cannot_be_read_is_a_failure_with_its_place(here: Place) -> None:
    broken = CHANGES.replace("risk: changes", "risk: chnages")
    (here.root / "runbooks/good.md").write_text(broken)
    done = run(here, "runbooks/good.md")
    assert done.returncode == 1 and "runbooks/good.md:" in done.stdout and "chnages" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_runbook_that_needs_the_sandbox_says_so_when_it_is_not_up(tmp_path: Path) -> None:
    needs = page(cell("1", "step", name="one"), cell("1", "verify", name="look"), requires="tailnet")
    done = run(place(tmp_path, needs=needs), "runbooks")
    assert done.returncode == 1 and "tailnet" in done.stdout and "sandbox up" in done.stdout


def test_a_target_that_is_not_known_is_refused(here: Place) -> None:
    done = run(here, "runbooks/good.md", "--runbook-target", "nowhere")
    assert done.returncode == 1 and "there is no target 'nowhere'" in done.stdout


def test_a_bare_pytest_runs_no_runbook(here: Place) -> None:
    """Who did not name them does not expect a sandbox to be changed."""
    (here.root / "test_x.py").write_text("def test_x(): pass\n")
    assert collected(here) == collected(here, ".") == ["test_x.py::test_x"]
    (here.root / "pytest.ini").write_text("[pytest]\ntestpaths = runbooks .\n")
    assert len(collected(here)) == 4


def test_the_markdown_of_other_projects_is_none_of_our_business(here: Place) -> None:
    inner = here.root / "vendored/runbooks"
    inner.mkdir(parents=True)
    (inner / "good.md").write_text(CHANGES)
    assert collected(here, "vendored/runbooks") == []
    (here.root / "homelab").rmdir()
    assert collected(here, "runbooks") == []


def test_our_own_tests_collect_no_runbook() -> None:
    """Neither those of this repository, nor the ones that lie among the tests."""
    said = run(Place(ROOT), "--collect-only", "-q", "tests/runbooks", "tests/site/vault").stdout
    assert ".md::" not in said and "test_plugin.py::" in said


def test_the_plugin_costs_a_start_of_pytest_nothing_heavy(tmp_path: Path) -> None:
    heavy = ("blumeops.homelab", "blumeops.records", "blumeops.runbooks.running", "yaml", "IPython", "httpx")
    code = f"import sys, blumeops.runbooks.pytest_plugin\nprint([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr

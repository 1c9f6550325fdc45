"""The verbs over runbooks as pages, as people call them: list, show, new, check and its `--fix`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blumeops.repository import Repository
from tests.runbooks.places import Place, cell, page, place

READS = page(
    cell("from pathlib import Path\nprint(Path('homelab/one.txt').read_text())", "step", name="read"),
    cell("assert target == 'sandbox'", "verify", name="look"),
)


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """A checkout with one runbook that reads a file of the desired state."""
    made = place(tmp_path, reads=READS)
    (tmp_path / "homelab/one.txt").write_text("one\n")
    git = Repository(tmp_path).git
    git("add", ".")
    git("commit", "--quiet", "-m", "a file")
    return made


def listed(here: Place) -> dict[str, object]:
    said = here.run("list", "--json")
    assert said.returncode == 0, said.stderr
    return {one["name"]: one["last"] for one in json.loads(said.stdout)}


def test_the_list_says_when_what_a_run_stood_on_has_changed(here: Place, tmp_path: Path) -> None:
    assert listed(here) == {"reads": None}
    assert "never run" in here.run("list").stdout
    assert here.run("run", "reads").returncode == 0
    last = listed(here)["reads"]
    assert (last["status"], last["stale"]) == ("passed", False)
    (tmp_path / "homelab/one.txt").write_text("two\n")
    assert listed(here)["reads"]["stale"] is True
    assert here.run("list").stdout.rstrip().endswith("; stale")


def test_a_new_runbook_passes_the_check_and_is_never_written_twice(here: Place, tmp_path: Path) -> None:
    made = here.run("new", "restart-it", "--title", "Restart it", "--layers", "hosts", "--risk", "changes")
    assert (made.returncode, made.stdout) == (0, "runbooks/restart-it.md\n"), made.stderr
    assert here.run("check", "restart-it").returncode == 0
    shown = json.loads(here.run("show", "restart-it", "--json").stdout)
    assert (shown["title"], shown["layers"], shown["risk"]) == ("Restart it", ["hosts"], "changes")
    assert "target" in here.run("show", "restart-it").stdout
    text = (tmp_path / "runbooks/restart-it.md").read_text()
    again = here.run("new", "restart-it")
    assert again.returncode == 2 and "there already" in again.stderr
    assert (tmp_path / "runbooks/restart-it.md").read_text() == text


def test_check_names_the_line_and_fix_writes_the_form_that_jupytext_keeps(
    here: Place, tmp_path: Path
) -> None:
    here.run("new", "restart-it")
    path = tmp_path / "runbooks/restart-it.md"
    right = path.read_text()
    path.write_text(right.replace("risk: changes", "risk: some", 1))
    wrong = here.run("check", "restart-it")
    line = path.read_text().splitlines().index("risk: some") + 1
    assert wrong.returncode == 2 and f"runbooks/restart-it.md:{line}" in wrong.stdout + wrong.stderr
    path.write_text(right.replace("tags: [runbook, how-to]", "tags:\n- runbook\n- how-to", 1))
    assert path.read_text() != right and here.run("check", "restart-it").returncode == 2
    assert here.run("check", "restart-it", "--fix").returncode == 0
    assert path.read_text() == right


def test_a_name_that_is_nearly_right_is_guessed(here: Place) -> None:
    for verb in ("show", "check", "plan", "run"):
        said = here.run(verb, "raeds")
        assert said.returncode == 2 and "did you mean reads?" in said.stderr, (verb, said.stderr)

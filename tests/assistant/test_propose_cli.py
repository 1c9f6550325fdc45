"""A person's side of proposals: list, show, plan, withdraw, at a terminal and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blumeops.assistant.propose_files import FileChange
from blumeops.errors import GitError
from blumeops.repository import Repository
from tests.assistant.proposing import ask, make, page, proposed, refs
from tests.conftest import run_blumeops, run_here

TARGET = 'identity = "nothing"\nstate = "state"\ngit = {url = "file:///x"}\n'


@pytest.fixture
def place(tmp_path: Path) -> Repository:
    """A homelab with a sandbox that has no layer, so every plan is unknown."""
    made = make(tmp_path / "homelab")
    (made.root / ".sandbox").mkdir()
    (made.root / ".sandbox/target.toml").write_text(TARGET)
    return made


def test_a_proposal_is_listed_shown_and_withdrawn(place: Repository) -> None:
    assert "there are no proposals" in run_blumeops("proposals", "list", cwd=place.root).err
    name = proposed(place).branch.name
    listed = run_here("proposals", "list", cwd=place.root)
    assert listed.code == 0 and name in listed.out and " open " in listed.out
    shown = run_here("proposals", "show", name, cwd=place.root).out
    assert "Proposed-by: a test 1.0, an assistant" in shown and "+It listens on 8443." in shown
    assert "## Checks" in shown and shown.index("8443") < shown.index("## Checks")
    told = json.loads(run_here("proposals", "show", name, "--json", cwd=place.root).out)
    assert told["name"] == name and told["state"] == "open" and "8443" in told["diff"]
    gone = run_here("proposals", "withdraw", name.removeprefix("proposal/"), cwd=place.root)
    assert gone.code == 0 and f"git branch {name}" in gone.out
    assert not [ref for ref in refs(place) if "proposal/" in ref]


def test_a_person_is_told_what_became_of_it(place: Repository) -> None:
    name = proposed(place).branch.name
    place.git("merge", "--quiet", "--no-ff", "-m", "Merge", name)
    assert "merged into main" in run_here("proposals", "list", cwd=place.root).out
    refused = run_here("proposals", "withdraw", name, cwd=place.root)
    assert refused.code == 2 and "merged into main" in refused.err
    missing = run_here("proposals", "show", "none", cwd=place.root)
    assert missing.code == 2 and name in missing.err


def test_d8_no_terminal_is_painted_by_what_an_assistant_wrote(place: Repository) -> None:
    name = proposed(place).branch.name
    place.git("switch", "--quiet", name)
    (place.root / "docs/caddy.md").write_text("# Caddy\n\n\x1b[2J\x1b[8m It listens\u202e on 1.\n")
    place.git("commit", "--quiet", "--all", "--amend", "-m", "\x1b[2Jhidden")
    shown = run_here("proposals", "show", name, cwd=place.root).out
    assert "\x1b" not in shown and "\u202e" not in shown and "not as it was proposed" in shown
    listed = run_here("proposals", "list", cwd=place.root).out
    assert "\x1b" not in listed and "changed" in listed


def test_a_plan_of_a_layer_that_does_not_answer_has_no_token(place: Repository) -> None:
    lines = FileChange("homelab/argocd/lines", content="d\ne\n")
    one, other = (
        proposed(place, ask(lines)).branch.name,
        proposed(place, ask(page(), title="Docs")).branch.name,
    )
    planned = run_here("proposals", "plan", one, "--json", cwd=place.root)
    told = json.loads(planned.out)
    assert (
        planned.code == 4 and told["token"] == "" and [one["layer"] for one in told["layers"]] == ["cluster"]
    )
    nothing = run_here("proposals", "plan", other, cwd=place.root)
    assert nothing.code == 0 and "nothing to plan" in nothing.err
    unknown = run_here("proposals", "plan", one, "--target", "nowhere", cwd=place.root)
    assert unknown.code == 2 and "no target 'nowhere'" in unknown.err
    assert not list((place.root / ".sandbox").rglob("proposal-*"))


def test_a_repository_with_a_branch_called_proposal_is_told_so(place: Repository) -> None:
    place.git("branch", "proposal")
    with pytest.raises(GitError, match="none can be below it"):
        proposed(place)

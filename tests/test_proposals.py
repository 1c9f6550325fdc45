"""From the proposal to the apply, and a rehearsal, on the real layers of the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops.assistant.propose import propose
from blumeops.assistant.propose_files import Edit, FileChange, Request
from blumeops.assistant.propose_server import create_propose_server
from blumeops.homelab import Homelab
from tests.assistant.asked import ask, said
from tests.conftest import run_blumeops
from tests.runbooks.places import cell, page

POLICY = "homelab/pulumi/policy.hujson"
RULE = Edit('"dst":    ["tag:homelab:22,80,443"],', '"dst":    ["tag:homelab:22,80,443,8080"],')


@pytest.mark.sandbox
@pytest.mark.needs("tailnet")
def test_d10_a_proposed_change_is_planned_merged_and_applied_by_its_token_once(homelab: Homelab) -> None:
    change = FileChange(POLICY, edits=(RULE,))
    request = Request("Open 8080", "To try it.", (change,), access="Admins gain 8080.")
    made = propose(homelab.root, request, proposer="a test")
    note = made.branch.note
    assert "| tailnet | pending | 1 to update |" in note
    assert "+ group:admins gains tag:homelab:8080/tcp" in note
    token = note.split("Token: ")[1].split()[0]
    early = run_blumeops("apply", "--yes", "--plan", token, cwd=homelab.root)
    assert early.code == 3 and "not the one" in early.err
    homelab.repository.git("merge", "--quiet", "--no-ff", "-m", "Merge", made.branch.name)
    unasked = run_blumeops("apply", "--plan", token, cwd=homelab.root)
    assert unasked.code == 2 and "1 changes would be made" in unasked.err
    done = run_blumeops("apply", "--yes", "--plan", token, cwd=homelab.root)
    assert done.code == 0, str(done)
    again = run_blumeops("apply", "--yes", "--plan", token, cwd=homelab.root)
    assert again.code == 3 and "not the one" in again.err


@pytest.mark.sandbox
@pytest.mark.needs("tailnet")
def test_an_assistant_rehearses_on_the_sandbox_what_a_person_committed(homelab: Homelab) -> None:
    look = "from blumeops import Homelab\nlab = Homelab.open(target=target)\nlab.plan(['tailnet'])"
    change = "lab.apply(['tailnet'])"
    good = page(cell(look, "setup", name="open"), cell(change, "step", "confirm", name="apply"))
    ungated = page(cell(look, "setup", name="open"), cell(change, "step", name="apply"))
    for name, text in (("good", good), ("ungated", ungated)):
        (homelab.root / f"runbooks/{name}.md").write_text(text)
    git = homelab.repository.git
    git("add", "runbooks")
    git("commit", "--quiet", "-m", "two pages")
    server = create_propose_server(Path(homelab.root))
    went, refused = ask(server, ("run_runbook", {"name": "good"}), ("run_runbook", {"name": "ungated"}))
    assert went.structured_content and went.structured_content["status"] == "passed", said(went)
    assert refused.structured_content and refused.structured_content["status"] == "failed", said(refused)
    assert "may only look" in said(refused)

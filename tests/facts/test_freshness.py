"""The laws of freshness: a page is stale when what it describes changed after it was read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from blumeops.facts import freshness
from blumeops.facts.freshness import Freshness, State
from blumeops.site import staging, vault
from tests.conftest import run_blumeops

ROLE = "homelab/ansible/roles/caddy/tasks/main.yaml"


class Repo:
    """A Git repository whose commits have the days that a test gives them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str, day: str = "2026-01-01") -> str:
        when = f"{day}T12:00:00+00:00"
        who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost", "GIT_CONFIG_GLOBAL": os.devnull}
        who |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@localhost"}
        env = {**os.environ, **who, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        done = subprocess.run(
            ["git", *words], cwd=self.root, env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self, path: str, text: str, *, day: str, subject: str = "a change") -> str:
        """Write a file and commit it on a day; returns the commit."""
        self.write(path, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", subject, day=day)
        return self.git("rev-parse", "HEAD")

    def pages(self) -> list[vault.Page]:
        files = sorted((self.root / "docs").glob("*.md"))
        return [vault.page(file.name, f"docs/{file.name}", file.read_text()) for file in files]

    def only(self) -> Freshness:
        """The freshness of the one page that there is."""
        [found] = freshness.read(self.root, self.pages())
        return found


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path)
    made.commit(ROLE, "- name: one\n", day="2026-01-01")
    return made


def page(reviewed: str, more: str = "", body: str = f"It is in `{ROLE}`.") -> str:
    return f"---\ntitle: Caddy\nreviewed: {reviewed}\n{more}---\n# Caddy\n\n{body}\n"


def test_a_page_is_stale_when_what_it_names_changed_after_its_review_D11(repo: Repo) -> None:
    repo.commit("docs/caddy.md", page("2026-02-01"), day="2026-02-01")
    assert repo.only().state is State.FRESH
    commit = repo.commit(ROLE, "- name: two\n", day="2026-03-01", subject="feat: two")
    found = repo.only()
    assert found.state is State.STALE
    [changed] = found.changed
    assert changed.path == ROLE
    assert [(one.id, one.day, one.subject) for one in changed.commits] == [
        (commit, "2026-03-01", "feat: two")
    ]


def test_a_change_before_the_review_does_not_count(repo: Repo) -> None:
    repo.commit(ROLE, "- name: two\n", day="2026-01-20")
    repo.commit("docs/caddy.md", page("2026-02-01"), day="2026-02-01")
    assert repo.only().state is State.FRESH


def test_a_page_that_was_never_reviewed_is_not_fresh(repo: Repo) -> None:
    repo.commit("docs/caddy.md", f"# Caddy\n\n`{ROLE}`\n", day="2026-02-01")
    assert repo.only().state is State.NEVER


def test_what_a_page_says_it_describes_wins_over_what_it_names(repo: Repo) -> None:
    repo.commit("docs/caddy.md", page("2026-02-01", "describes: [homelab/pulumi]\n"), day="2026-02-01")
    repo.commit(ROLE, "- name: two\n", day="2026-03-01")
    assert repo.only().state is State.FRESH
    repo.commit("homelab/pulumi/policy.hujson", "{}\n", day="2026-03-02")
    assert [changed.path for changed in repo.only().changed] == ["homelab/pulumi/policy.hujson"]


@pytest.mark.parametrize(
    ("described", "stale"),
    [
        ("homelab/ansible/roles/caddy", True),
        ("homelab/ansible/roles/*/tasks/main.yaml", True),
        ("homelab/**/*.yaml", True),
        ("homelab/*.yaml", False),
        ("homelab/ansible/roles/cad", False),
    ],
)
def test_a_folder_counts_with_what_is_below_and_a_star_stays_in_its_folder(
    repo: Repo, described: str, stale: bool
) -> None:
    repo.commit("docs/caddy.md", page("2026-02-01", f'describes: ["{described}"]\n'), day="2026-02-01")
    repo.commit(ROLE, "- name: two\n", day="2026-03-01")
    assert (repo.only().state is State.STALE) == stale


def test_the_file_of_a_bound_value_counts(repo: Repo) -> None:
    body = f"Runs `one`<!-- fact: {ROLE}#[0].name -->."
    repo.commit("docs/caddy.md", page("2026-02-01", body=body), day="2026-02-01")
    repo.commit(ROLE, "- name: two\n", day="2026-03-01")
    assert repo.only().state is State.STALE


def test_a_path_in_a_block_of_code_does_not_count(repo: Repo) -> None:
    repo.commit("docs/caddy.md", page("2026-02-01", body=f"```\n`{ROLE}`\n```"), day="2026-02-01")
    found = repo.only()
    assert found.describes == () and found.state is State.NOTHING


def test_a_described_file_that_was_deleted_makes_its_page_stale(repo: Repo) -> None:
    repo.commit("docs/caddy.md", page("2026-02-01", f"describes: [{ROLE}]\n"), day="2026-02-01")
    repo.git("rm", "--quiet", ROLE)
    repo.git("commit", "--quiet", "-m", "away", day="2026-03-01")
    assert repo.only().state is State.STALE


def test_on_the_day_of_the_review_what_came_after_the_page_counts(repo: Repo) -> None:
    repo.commit(ROLE, "- name: two\n", day="2026-02-01")
    repo.commit("docs/caddy.md", page("2026-02-01"), day="2026-02-01")
    assert repo.only().state is State.FRESH
    repo.commit(ROLE, "- name: three\n", day="2026-02-01")
    assert repo.only().state is State.STALE


def test_a_commit_may_stand_in_place_of_a_date(repo: Repo) -> None:
    commit = repo.commit(ROLE, "- name: two\n", day="2026-02-01")
    repo.commit("docs/caddy.md", page(f'"{commit[:12]}"'), day="2026-02-01")
    assert repo.only().state is State.FRESH
    repo.commit(ROLE, "- name: three\n", day="2026-02-01")
    assert repo.only().state is State.STALE


@pytest.mark.parametrize(
    ("reviewed", "why"),
    [('"0123456789ab"', "is not in this history"), ("last week", "neither a date nor a commit")],
)
def test_a_review_that_cannot_be_placed_is_unknown(repo: Repo, reviewed: str, why: str) -> None:
    repo.commit("docs/caddy.md", page(reviewed), day="2026-02-01")
    found = repo.only()
    assert found.state is State.UNKNOWN and why in found.why


def test_without_git_it_is_unknown_and_never_fresh(tmp_path: Path) -> None:
    file = tmp_path / "docs" / "caddy.md"
    file.parent.mkdir()
    file.write_text(page("2026-02-01", f"describes: [{ROLE}]\n"))
    [found] = freshness.read(tmp_path, [vault.page("caddy.md", "docs/caddy.md", file.read_text())])
    assert (found.state, found.why) == (State.UNKNOWN, "this is no Git repository")


def test_in_a_shallow_clone_it_is_unknown_and_never_fresh(repo: Repo, tmp_path: Path) -> None:
    repo.commit("docs/caddy.md", page("2026-02-01"), day="2026-02-01")
    clone = tmp_path / "clone"
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.root}", str(clone))
    [found] = freshness.read(clone, repo.pages())
    assert found.state is State.UNKNOWN and "shallow" in found.why


def test_the_most_linked_stale_page_comes_first(repo: Repo) -> None:
    for name in ("a", "b", "c"):
        repo.write(f"docs/{name}.md", page("2026-02-01"))
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "-m", "pages", day="2026-02-01")
    repo.commit(ROLE, "- name: two\n", day="2026-03-01")
    links = {"a.md": ["b.md", "a.md"], "c.md": ["b.md", "c.md"], "b.md": ["c.md"]}
    found = freshness.read(repo.root, repo.pages(), links)
    assert [(one.page, one.links) for one in found] == [("b.md", 2), ("c.md", 1), ("a.md", 0)]


def test_a_stale_page_says_so_below_its_title_and_a_fresh_one_at_its_end(repo: Repo) -> None:
    repo.commit("docs/caddy.md", page("2026-02-01"), day="2026-02-01")
    text = (repo.root / "docs/caddy.md").read_text()
    note = freshness.notes(repo.root, repo.pages())["caddy.md"]
    assert freshness.with_note(text, note).endswith("has not changed since.*\n")
    repo.commit(ROLE, "- name: two\n", day="2026-03-01", subject="feat: [[two]] <b>")
    note = freshness.notes(repo.root, repo.pages())["caddy.md"]
    shown = freshness.with_note(text, note)
    assert (
        shown.index("# Caddy") < shown.index("changed after it was last reviewed") < shown.index("It is in")
    )
    assert ROLE in note and "2026-03-01" in note
    assert "[[two]]" not in shown and "<b>" not in shown


def test_the_site_says_it_on_the_page(repo: Repo, tmp_path_factory: pytest.TempPathFactory) -> None:
    repo.commit("docs/index.md", page("2026-02-01"), day="2026-02-01")
    repo.commit(ROLE, "- name: two\n", day="2026-03-01")
    into = tmp_path_factory.mktemp("staged")
    staging.stage(repo.root, into)
    assert "changed after it was last reviewed" in (into / "index.md").read_text()


def test_a_page_that_nobody_reviewed_gets_no_note(repo: Repo) -> None:
    repo.commit("docs/caddy.md", "# Caddy\n", day="2026-02-01")
    assert freshness.notes(repo.root, repo.pages()) == {}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(
    "head", ["", "---\ntitle: X # kept\n---\n", "---\nreviewed: 2025-01-01\ntitle: X\n---\n"]
)  # fmt: skip
def test_marking_changes_one_line_and_nothing_else(tmp_path: Path, head: str, end: str) -> None:
    file = tmp_path / "page.md"
    body = "# X\n\nreviewed: not here\n---\n"
    file.write_bytes((head + body).replace("\n", end).encode())
    assert freshness.mark(file, "2026-02-01") == "2026-02-01"
    text = file.read_bytes().decode()
    assert text.count("reviewed: 2026-02-01") == 1 and text.endswith(body.replace("\n", end))
    assert ("\r\n" in text) == (end == "\r\n")
    kept = [line for line in head.splitlines() if line and not line.startswith(("reviewed", "---"))]
    assert all(line in text for line in kept)


def test_review_lists_what_changed_and_marking_ends_it(repo: Repo) -> None:
    repo.commit("docs/caddy.md", page("2026-02-01"), day="2026-02-01")
    repo.commit(ROLE, "- name: two\n", day="2026-03-01", subject="feat: two")
    ran = run_blumeops("docs", "review", "--root", str(repo.root))
    assert ran.code == 1, str(ran)
    assert (
        "docs/caddy.md  reviewed 2026-02-01" in ran.out and "2026-03-01" in ran.out and "feat: two" in ran.out
    )
    marked = run_blumeops("docs", "review", "--mark", "caddy", "--root", str(repo.root))
    assert marked.code == 0 and "docs/caddy.md: reviewed" in marked.out, str(marked)
    again = run_blumeops("docs", "review", "--json", "--root", str(repo.root))
    assert again.code == 0 and '"state": "fresh"' in again.out, str(again)

"""The repository: real Git, in every state that people leave it in."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from blumeops import repository
from blumeops.errors import BlumeOpsError, DirtyTree, Diverged, GitError, RevertConflict
from blumeops.repository import Repository
from blumeops.target import GitRemote, Publish

Write = Callable[..., str]


def git(root: Path, *words: str) -> str:
    """Git itself, beside the code under test."""
    names = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *words], cwd=root, env={**os.environ, **names}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def snapshot(root: Path) -> tuple[str, str, str, dict[str, str]]:
    """All that a person could notice: HEAD, what status says, unfinished operations, the files."""
    files = {
        str(path.relative_to(root)): path.read_text(errors="replace")
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }
    staged = git(root, "diff", "--cached")
    return git(root, "rev-parse", "HEAD"), git(root, "status", "--porcelain"), staged, files


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A repository with one commit of `homelab/file`."""
    root = tmp_path / "repo"
    (root / "homelab").mkdir(parents=True)
    git(tmp_path, "init", "-q", "-b", "main", str(root))
    (root / "homelab" / "file").write_text("one\n")
    (root / "notes").write_text("mine\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return Repository(root)


def change(repo: Repository, text: str, path: str = "homelab/file") -> str:
    """Commit a text."""
    place = repo.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    git(repo.root, "add", "--", path)
    git(repo.root, "commit", "-q", "-m", f"says {text.strip()[:20]}")
    return repo.head()


def remote_of(repo: Repository, tmp_path: Path, publish: Publish = Publish.REFUSE) -> GitRemote:
    """A bare remote, at the repository's HEAD."""
    bare = tmp_path / "remote.git"
    git(tmp_path, "clone", "-q", "--bare", str(repo.root), str(bare))
    return GitRemote(bare.as_uri(), publish=publish)


# -- dirty ----------------------------------------------------------------------------------------


def test_tracked_staged_untracked_deleted_and_renamed_files_are_dirty(repo: Repository) -> None:
    change(repo, "two\n", "homelab/other")
    change(repo, "three\n", "homelab/third")
    repo.require_clean()
    (repo.root / "homelab/file").write_text("edited\n")
    (repo.root / "homelab/new here").write_text("untracked\n")
    (repo.root / "homelab/third").unlink()
    git(repo.root, "mv", "homelab/other", "homelab/renamed")
    expected = {"file", "new here", "third", "other", "renamed"}
    assert set(repo.dirty_paths()) == {f"homelab/{name}" for name in expected}
    with pytest.raises(DirtyTree, match=r"not committed: .*homelab/file"):
        repo.require_clean()
    assert repo.desired().revision == repo.head() + "+dirty" and repo.desired().dirty


def test_what_is_ignored_or_outside_homelab_is_not_dirty(repo: Repository) -> None:
    change(repo, "*.retry\n", "homelab/.gitignore")
    (repo.root / "homelab/site.retry").write_text("left by a tool\n")
    (repo.root / "notes").write_text("work in progress\n")
    assert repo.dirty_paths() == ()
    assert repo.desired().revision == repo.head()


def test_names_that_look_like_options_or_have_newlines_are_only_names(repo: Repository) -> None:
    for name in ("-rf", "--hard", "two\nlines", "$(touch x)", "ünï", '"quoted"'):
        (repo.root / "homelab" / name).write_text("x\n")
    assert len(repo.dirty_paths()) == 6
    assert "homelab/two\nlines" in repo.dirty_paths()
    commit = repo.commit("--amend")
    assert git(repo.root, "log", "-1", "--format=%s") == "--amend"
    with repo.export(commit) as desired:
        assert (desired.folder / "-rf").read_text() == "x\n"
    assert repo.revert("HEAD") and not (repo.root / "homelab" / "-rf").exists()


# -- revisions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["--all", "-n1", "nothing", "", "HEAD~99", "HEAD; touch x", "$(id)", "a\nb"])
def test_a_word_that_is_no_revision_is_refused_by_name(repo: Repository, word: str) -> None:
    for question in (repo.resolve, repo.revert):
        with pytest.raises(GitError):
            question(word)
    assert not (repo.root / "x").exists()


def test_a_repository_without_a_commit_says_so(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", ".")
    (tmp_path / "homelab").mkdir()
    with pytest.raises(GitError, match="no revision 'HEAD'"):
        repository.find(tmp_path).desired()


def test_a_folder_without_a_homelab_is_no_homelab(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", ".")
    with pytest.raises(BlumeOpsError, match="no Git repository with a homelab/ folder") as caught:
        repository.find(tmp_path)
    assert caught.value.hint


def test_a_detached_head_is_as_good_as_a_branch(repo: Repository) -> None:
    commit = change(repo, "two\n")
    git(repo.root, "checkout", "-q", "--detach")
    assert repo.desired().revision == commit
    reverted = repo.revert("HEAD")
    assert repo.head() == reverted
    assert git(repo.root, "rev-parse", "main") == commit, "the branch stays where it was"


def test_a_hooks_environment_does_not_lead_us_into_its_repository(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a Git hook GIT_DIR names the hook's repository; a clone made there must not touch it."""
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", "-b", "trunk", str(other))
    git(other, "commit", "-q", "--allow-empty", "-m", "theirs")
    theirs = git(other, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    copy = repository.clone(repo.root, tmp_path / "copy")
    assert copy.head() == repo.head() != theirs
    monkeypatch.undo()
    assert git(other, "symbolic-ref", "HEAD") == "refs/heads/trunk"


def test_a_commit_needs_no_identity_of_the_user(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    repo.edit("file", "one", "two")
    assert git(repo.root, "log", "-1", "--format=%an", repo.commit("edit")) == "BlumeOps"


def test_an_edit_that_does_not_meet_its_passage_once_is_refused(repo: Repository) -> None:
    change(repo, "same same\n")
    for old, count in (("same", 2), ("absent", 0)):
        with pytest.raises(GitError, match=f"stands here {count} times"):
            repo.edit("file", old, "new")
    assert repo.dirty_paths() == ()


# -- older revisions ------------------------------------------------------------------------------


def test_an_old_revision_is_given_as_files_and_the_checkout_stays(repo: Repository) -> None:
    first = repo.head()
    change(repo, "two\n")
    (repo.root / "homelab/file").write_text("being edited\n")
    before = snapshot(repo.root)
    with repo.export(first) as then:
        folder = then.folder
        assert (then.revision, (folder / "file").read_text()) == (first, "one\n")
        assert not (folder.parent / "notes").exists(), "only the desired state"
    assert not folder.exists()
    assert snapshot(repo.root) == before


def test_a_file_marked_export_ignore_is_desired_state_too(repo: Repository) -> None:
    change(repo, "file export-ignore\n", "homelab/.gitattributes")
    with repo.export("HEAD") as now:
        assert (now.folder / "file").read_text() == "one\n"


def test_a_symlink_that_leads_out_of_an_export_is_harmless(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (repo.root / "homelab/out").symlink_to(tmp_path / "outside")
    repo.commit("a link")
    with repo.export("HEAD") as now:
        assert (now.folder / "out").is_symlink()
    assert (tmp_path / "outside").is_dir() and list((tmp_path / "outside").iterdir()) == []


def test_a_commit_that_a_shallow_clone_lacks_is_fetched(repo: Repository, tmp_path: Path) -> None:
    first = repo.head()
    change(repo, "two\n")
    remote = remote_of(repo, tmp_path)
    git(Path(remote.url.removeprefix("file://")), "config", "uploadpack.allowAnySHA1InWant", "true")
    git(tmp_path, "clone", "-q", "--depth=1", remote.url, str(tmp_path / "shallow"))
    shallow = Repository(tmp_path / "shallow")
    with pytest.raises(GitError, match="no revision"), shallow.export(first):
        pass
    with shallow.export(first, remote) as then:
        assert (then.folder / "file").read_text() == "one\n"
    assert repository.clone(shallow.root, tmp_path / "copy").head() == shallow.head()


def test_a_folder_is_the_same_only_where_both_revisions_have_it(repo: Repository) -> None:
    first = repo.head()
    outside = change(repo, "elsewhere\n", "notes")
    inside = change(repo, "two\n")
    assert repo.same_tree(first, outside, "homelab")
    assert not repo.same_tree(first, inside, "homelab")
    assert not repo.same_tree("f" * 40, first, "homelab")
    assert not repo.same_tree(first, first, "homelab/none")


# -- publishing -----------------------------------------------------------------------------------


def test_a_real_remote_is_never_pushed_to(repo: Repository, tmp_path: Path) -> None:
    remote = remote_of(repo, tmp_path)
    repo.publish(remote)
    there = repo.published(remote)
    here = change(repo, "two\n")
    with pytest.raises(Diverged, match=f"{there[:12]}, you are at {here[:12]}") as caught:
        repo.publish(remote)
    assert "git push" in caught.value.hint
    assert repo.published(remote) == there


def test_a_mirror_follows_and_keeps_what_it_replaces(repo: Repository, tmp_path: Path) -> None:
    remote = remote_of(repo, tmp_path, Publish.MIRROR)
    theirs = change(repository.clone(repo.root, tmp_path / "theirs"), "theirs\n")
    git(tmp_path / "theirs", "push", "-q", "--force", remote.url, "main")
    ours = change(repo, "ours\n")
    repo.publish(remote)
    assert repo.published(remote) == ours
    bare = Path(remote.url.removeprefix("file://"))
    assert git(bare, "rev-parse", f"refs/blumeops/replaced/{theirs}") == theirs


def test_what_was_applied_stays_to_be_found_and_the_branch_stays(repo: Repository, tmp_path: Path) -> None:
    remote = remote_of(repo, tmp_path, Publish.MIRROR)
    repo.publish(remote)
    branch = repo.published(remote)
    elsewhere = repository.clone(repo.root, tmp_path / "elsewhere")
    applied = change(elsewhere, "applied\n")
    elsewhere.keep(remote)
    assert repo.published(remote) == branch
    with repo.export(applied, remote) as then:
        assert then.revision == applied


def test_a_real_remote_keeps_nothing_of_ours(repo: Repository, tmp_path: Path) -> None:
    remote = remote_of(repo, tmp_path)
    change(repo, "two\n")
    repo.keep(remote)
    bare = Path(remote.url.removeprefix("file://"))
    assert "refs/blumeops" not in git(bare, "for-each-ref")


def test_a_remote_without_the_branch_gets_it(repo: Repository, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "empty.git")
    remote = GitRemote((tmp_path / "empty.git").as_uri(), publish=Publish.MIRROR)
    assert repo.published(remote) is None
    repo.publish(remote)
    assert repo.published(remote) == repo.head()


def test_a_remote_that_is_not_there_is_an_error_and_no_empty_answer(repo: Repository, tmp_path: Path) -> None:
    with pytest.raises(GitError) as caught:
        repo.published(GitRemote((tmp_path / "nowhere.git").as_uri()))
    assert "nowhere" in caught.value.where and caught.value.hint


def test_a_remote_that_looks_like_an_option_runs_nothing(repo: Repository) -> None:
    with pytest.raises(GitError):
        repo.published(GitRemote("--upload-pack=touch hacked;"))
    assert not (repo.root / "hacked").exists()


def test_a_password_in_a_remotes_url_is_not_repeated(repo: Repository) -> None:
    word = os.urandom(12).hex()
    with pytest.raises(GitError) as caught:
        repo.published(GitRemote(f"http://user:{word}@127.0.0.1:9/homelab.git"))
    assert word not in str(caught.value) and "[secret]@127.0.0.1" in str(caught.value)


# -- reverting ------------------------------------------------------------------------------------


def test_a_revert_is_one_commit_that_says_what_it_reverts(repo: Repository) -> None:
    first = repo.head()
    second, third = change(repo, "two\n"), change(repo, "three\n")
    made = repo.revert(f"{first}..{third}")
    assert (repo.root / "homelab/file").read_text() == "one\n"
    said = git(repo.root, "log", "-1", "--format=%B", made)
    assert second in said and third in said
    assert git(repo.root, "rev-parse", f"{made}^") == third
    again = repo.revert(made)
    assert (repo.root / "homelab/file").read_text() == "three\n", "a revert can be reverted"
    assert git(repo.root, "log", "-1", "--format=%s", again).startswith('Revert "Revert 2 commits')
    assert git(repo.root, "worktree", "list").count("\n") == 0


def test_a_revert_keeps_to_the_order_of_commits_and_not_to_their_clocks(repo: Repository) -> None:
    first = repo.head()
    for number in range(4):
        change(repo, f"{number}\n")
        date = f"{1_700_000_000 - number * 5000} +0000"
        env = {
            **os.environ,
            "GIT_COMMITTER_DATE": date,
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@t",
        }
        subprocess.run(["git", "commit", "-q", "--amend", "--no-edit"], cwd=repo.root, env=env, check=True)
    repo.revert(f"{first}..HEAD")
    assert (repo.root / "homelab/file").read_text() == "one\n"


@pytest.mark.parametrize("wanted", ["older", "range"])
def test_a_conflict_leaves_everything_as_it_was(repo: Repository, wanted: str) -> None:
    """Staged and unstaged work outside homelab/ too: it is the user's."""
    older = change(repo, "two\n")
    fine = change(repo, "beside\n", "homelab/beside")
    change(repo, "three\n")
    (repo.root / "notes").write_text("staged\n")
    git(repo.root, "add", "notes")
    (repo.root / "notes").write_text("and edited again\n")
    (repo.root / "homelab").joinpath(".keep").touch()
    git(repo.root, "add", "homelab/.keep")
    git(repo.root, "commit", "-q", "-m", "keep", "--", "homelab/.keep")
    before = snapshot(repo.root)
    with pytest.raises(RevertConflict, match="homelab/file") as caught:
        repo.revert(older if wanted == "older" else f"{older}^..{fine}")
    assert "as it was" in caught.value.hint and caught.value.where == str(repo.root)
    assert snapshot(repo.root) == before
    assert git(repo.root, "worktree", "list").count("\n") == 0


def test_work_in_progress_elsewhere_is_neither_lost_nor_committed(repo: Repository) -> None:
    change(repo, "two\n")
    (repo.root / "notes").write_text("staged\n")
    git(repo.root, "add", "notes")
    made = repo.revert("HEAD")
    assert git(repo.root, "show", "--name-only", "--format=", made) == "homelab/file"
    assert git(repo.root, "diff", "--cached", "--name-only") == "notes"
    assert (repo.root / "notes").read_text() == "staged\n"


def test_uncommitted_desired_state_stops_a_revert(repo: Repository) -> None:
    change(repo, "two\n")
    (repo.root / "homelab/file").write_text("edited\n")
    before = snapshot(repo.root)
    with pytest.raises(DirtyTree):
        repo.revert("HEAD")
    assert snapshot(repo.root) == before


def test_a_merge_in_progress_stays_the_users(repo: Repository) -> None:
    git(repo.root, "checkout", "-q", "-b", "side")
    change(repo, "side\n", "notes")
    git(repo.root, "checkout", "-q", "main")
    change(repo, "main\n", "notes")
    subprocess.run(["git", "merge", "-q", "side"], cwd=repo.root, capture_output=True)
    before = snapshot(repo.root)
    with pytest.raises(GitError):
        repo.revert("HEAD")
    assert snapshot(repo.root) == before
    assert (repo.root / ".git/MERGE_HEAD").exists()


def test_a_merge_commit_is_not_reverted_blindly(repo: Repository) -> None:
    git(repo.root, "checkout", "-q", "-b", "side")
    change(repo, "side\n", "homelab/side")
    git(repo.root, "checkout", "-q", "main")
    change(repo, "main\n", "homelab/main")
    git(repo.root, "merge", "-q", "--no-edit", "side")
    before = snapshot(repo.root)
    with pytest.raises(GitError, match="is a merge commit") as caught:
        repo.revert("HEAD")
    assert "A..B" in caught.value.hint
    assert snapshot(repo.root) == before


def test_a_revert_that_changes_nothing_is_said(repo: Repository) -> None:
    second = change(repo, "two\n")
    repo.revert(second)
    before = snapshot(repo.root)
    with pytest.raises(GitError, match="undone already"):
        repo.revert(second)
    with pytest.raises(GitError, match="is empty"):
        repo.revert("HEAD..HEAD")
    assert snapshot(repo.root) == before


def test_a_hook_that_says_no_leaves_everything_as_it_was(repo: Repository) -> None:
    change(repo, "two\n")
    hook = repo.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not on a Friday >&2\nexit 1\n")
    hook.chmod(0o755)
    before = snapshot(repo.root)
    with pytest.raises(GitError, match="not on a Friday"):
        repo.revert("HEAD")
    assert snapshot(repo.root) == before


def test_a_lock_that_a_killed_git_left_is_named_with_the_way_out(repo: Repository) -> None:
    change(repo, "two\n")
    (repo.root / ".git/index.lock").touch()
    head = repo.head()
    with pytest.raises(GitError, match=r"index\.lock") as caught:
        repo.revert("HEAD")
    assert "remove the named lock file" in caught.value.hint
    assert repo.head() == head
    (repo.root / "homelab/file").write_text("three\n")
    with pytest.raises(GitError, match=r"index\.lock"):
        repo.commit("edit")


def test_a_clone_is_free_of_its_source(repo: Repository, tmp_path: Path) -> None:
    before = snapshot(repo.root)
    copy = repository.clone(repo.root, tmp_path / "copies/one")
    change(copy, "in the copy\n")
    assert snapshot(repo.root) == before
    assert repository.clone(repo.root, tmp_path / "copies/one").head() == repo.head(), "made anew"

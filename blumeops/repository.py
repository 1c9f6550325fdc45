"""The Git repository that holds the desired state: revisions, their files, publishing, reverting.

Git is called with an argument vector and `--` before paths; a name that starts with a dash is refused.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blumeops import process
from blumeops.errors import BlumeOpsError, DirtyTree, Diverged, GitError, RevertConflict
from blumeops.layer import Desired
from blumeops.target import GitRemote, Publish

DESIRED_STATE = "homelab"
GIT_TIMEOUT_SECONDS = 120.0
_AUTHOR = {"GIT_AUTHOR_NAME": "BlumeOps", "GIT_AUTHOR_EMAIL": "blumeops@localhost"}
_COMMITTER = {"GIT_COMMITTER_NAME": "BlumeOps", "GIT_COMMITTER_EMAIL": "blumeops@localhost"}
_NEVER_ASK = {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "LC_ALL": "C.UTF-8"}
_OF_ANOTHER_REPOSITORY = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)  # fmt: skip
"""Set in a Git hook; with them our commands would work on the repository of the hook, wherever they run."""
_SIGNED = ("commit", "revert", "merge", "cherry-pick", "am", "rebase", "tag")
"""The commands that write somebody's name; only for them we look whether Git knows one."""
_CREDENTIALS = re.compile(r"(https?://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Repository:
    """A Git work tree with `homelab/` in it."""

    root: Path

    def git(self, *words: str, check: bool = True, env: Mapping[str, str] | None = None) -> process.Completed:
        """Run one git command here; with `check`, raise `GitError` when it fails."""
        env = {**_environment(), **(env or {})}
        if _verb(words) in _SIGNED and not self._has_identity():
            env |= _AUTHOR | _COMMITTER
        done = process.run(["git", *words], cwd=self.root, env=env, timeout=GIT_TIMEOUT_SECONDS)
        if check and not done.ok:
            said = _masked(done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}")
            raise GitError(f"git {_verb(words)}: {said}", where=str(self.root), hint=_hint(said))
        return done

    def _has_identity(self) -> bool:
        words = ["git", "config", "user.email"]
        done = process.run(words, cwd=self.root, env=_environment(), timeout=GIT_TIMEOUT_SECONDS)
        return done.ok or {"GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"} <= os.environ.keys()

    def head(self) -> str:
        """The full commit id of HEAD. Raises `GitError` when there is no commit yet."""
        return self.resolve("HEAD")

    def resolve(self, revision: str) -> str:
        """The full commit id that a revision names."""
        if revision.startswith("-"):
            raise GitError(f"{revision!r} is not a revision", where=str(self.root))
        done = self.git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", check=False
        )
        if not done.ok:
            raise GitError(
                f"there is no revision {revision!r}", where=str(self.root), hint="`git log --oneline`"
            )
        return done.stdout.strip()

    def dirty_paths(self) -> tuple[str, ...]:
        """The paths under `homelab/` that differ from HEAD, untracked ones too."""
        how = ("--porcelain", "-z", "--untracked-files=all", "--no-renames")
        lines = self.git("status", *how, "--", DESIRED_STATE).stdout
        return tuple(entry[3:] for entry in lines.split("\0") if len(entry) > 3)

    def desired(self) -> Desired:
        """The work tree's own desired state, as it stands now."""
        suffix = "+dirty" if self.dirty_paths() else ""
        return Desired(self.root / DESIRED_STATE, self.head() + suffix)

    def require_clean(self) -> None:
        """Raise `DirtyTree` unless everything under `homelab/` is committed."""
        if paths := self.dirty_paths():
            listed = ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
            raise DirtyTree(
                f"not committed: {listed}",
                where=str(self.root),
                hint="commit or `git stash` them, then plan again",
            )

    def same_tree(self, one: str, other: str, folder: str) -> bool:
        """True when a folder is identical in two revisions."""
        names = [
            self.git("rev-parse", "--verify", "--quiet", f"{r}:{folder}", check=False) for r in (one, other)
        ]
        return all(name.ok for name in names) and names[0].stdout == names[1].stdout

    @contextlib.contextmanager
    def export(self, revision: str, remote: GitRemote | None = None) -> Iterator[Desired]:
        """The desired state of another revision, as files in a folder that lives as long as the context.

        A commit that is not here is fetched from `remote`.
        """
        commit = self._present(revision, remote)
        folder = Path(tempfile.mkdtemp(prefix="blumeops-"))
        try:
            # A checkout and no archive: that leaves out what is marked export-ignore. Its index is its own.
            (folder / "tree").mkdir()
            words = (f"--work-tree={folder / 'tree'}", "checkout", "--quiet", commit, "--", DESIRED_STATE)
            self.git(*words, env={"GIT_INDEX_FILE": str(folder / "index")})
            yield Desired(folder / "tree" / DESIRED_STATE, commit)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _present(self, revision: str, remote: GitRemote | None) -> str:
        try:
            return self.resolve(revision)
        except GitError:
            if remote is None:
                raise
        if revision.startswith("-"):
            raise GitError(f"{revision!r} is not a revision", where=str(self.root))
        # Its objects come, and nothing else is written: whoever only looks may do this too.
        how = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        self.git("fetch", *how, "--end-of-options", remote.url, revision)
        return self.resolve(revision)

    def published(self, remote: GitRemote) -> str | None:
        """The commit that the remote's branch points at, or None when there is no such branch."""
        words = ("ls-remote", "--exit-code", "--end-of-options", remote.url, f"refs/heads/{remote.branch}")
        done = self.git(*words, check=False)
        if done.returncode == 2:
            return None
        if not done.ok:
            said, where = _masked(done.stderr.strip()), _masked(remote.url)
            raise GitError(said, where=where, hint="is the remote there, and may you read it?")
        return done.stdout.split()[0]

    def publish(self, remote: GitRemote) -> None:
        """Make sure that the remote's branch is at our HEAD, so that Argo CD applies what we planned.

        On a real target nothing is pushed: it raises `Diverged`. The sandbox's remote is a mirror, and what
        it held before is kept under `refs/blumeops/replaced/`.
        """
        head, there = self.head(), self.published(remote)
        if there == head:
            return
        if remote.publish is Publish.REFUSE:
            raise Diverged(
                f"Argo CD reads {remote.branch} @ {(there or 'nothing')[:12]}, you are at {head[:12]}",
                where=_masked(remote.url),
                hint="`git push` (or `git pull --rebase` first), then plan again",
            )
        keep = [f"{self._present(there, remote)}:refs/blumeops/replaced/{there}"] if there else []
        # The lease: what arrived there since we looked is not thrown away unseen.
        branch = f"refs/heads/{remote.branch}"
        how = ("--quiet", "--atomic", f"--force-with-lease={branch}:{there or ''}", "--end-of-options")
        self.git("push", *how, remote.url, f"{head}:{branch}", *keep)

    def keep(self, remote: GitRemote) -> None:
        """Let a mirror keep our HEAD beside its branch: drift needs the commit that a layer records."""
        if remote.publish is Publish.MIRROR:
            where = f"{self.head()}:refs/blumeops/applied/{self.head()}"
            self.git("push", "--quiet", "--end-of-options", remote.url, where)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace one passage of a file under `homelab/`.

        Raises `GitError` unless the passage stands there exactly once, so no edit misses unseen.
        """
        place = self.root / DESIRED_STATE / path
        text = place.read_text(encoding="utf-8")
        if (count := text.count(old)) != 1:
            raise GitError(f"the passage {old!r} stands here {count} times, not once", where=str(place))
        place.write_text(text.replace(old, new), encoding="utf-8")

    def commit(self, message: str) -> str:
        """Commit everything under `homelab/` and return the new commit id."""
        self.git("add", "--all", "--", DESIRED_STATE)
        self.git("commit", "--quiet", "-m", message, "--", DESIRED_STATE)
        return self.head()

    def revert(self, revision: str) -> str:
        """`git revert` one commit or a range `A..B`, as one new commit; returns its id.

        It is made in a work tree of its own and taken over only when it is whole: a conflict
        (`RevertConflict` names the files), a hook that says no, or a kill leaves everything as it was.
        """
        self.require_clean()
        commits = self._range(revision)
        merges = [c for c in commits if len(self.git("rev-list", "--parents", "-n1", c).stdout.split()) > 2]
        if merges:
            raise GitError(
                f"{merges[0][:12]} is a merge commit",
                where=str(self.root),
                hint="name the commits of the merged branch, as a range A..B",
            )
        with self._aside() as aside:
            try:
                made = aside._reverted(revision, commits)
            except GitError as error:
                error.where = str(self.root)
                raise
            self.git("merge", "--quiet", "--ff-only", "--no-autostash", made)
        return made

    def _reverted(self, revision: str, commits: list[str]) -> str:
        done = self.git("revert", "--no-commit", *commits, check=False)
        if not done.ok:
            conflicts = self.git("diff", "--name-only", "-z", "--diff-filter=U").stdout.split("\0")
            said = ", ".join(filter(None, conflicts)) or done.stderr.strip()
            raise RevertConflict(
                f"reverting {revision} conflicts in {said}",
                hint="the repository is as it was; revert the newer commits on these files first",
            )
        if self.git("diff", "--cached", "--quiet", check=False).ok:
            raise GitError(f"reverting {revision} changes nothing: it is undone already")
        self.git("commit", "--quiet", "-m", self._revert_message(commits))
        return self.head()

    @contextlib.contextmanager
    def _aside(self) -> Iterator[Repository]:
        """A second work tree of this repository, at HEAD, that lives as long as the context."""
        folder = Path(tempfile.mkdtemp(prefix="blumeops-"))
        try:
            self.git("worktree", "add", "--quiet", "--detach", str(folder / "tree"))
            yield Repository(folder / "tree")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self.git("worktree", "prune", check=False)

    def _range(self, revision: str) -> list[str]:
        if revision.startswith("-"):
            raise GitError(f"{revision!r} is not a revision", where=str(self.root))
        if ".." in revision:
            commits = self.git("rev-list", "--topo-order", "--end-of-options", revision).stdout.split()
            if not commits:
                raise GitError(f"the range {revision} is empty", where=str(self.root))
            return commits
        return [self.resolve(revision)]

    def _revert_message(self, commits: list[str]) -> str:
        subject = self.git("log", "-1", "--format=%s", commits[0]).stdout.strip()
        title = f'Revert "{subject}"' if len(commits) == 1 else f"Revert {len(commits)} commits"
        body = "\n".join(f"This reverts commit {commit}." for commit in commits)
        return f"{title}\n\n{body}"


def find(start: Path) -> Repository:
    """The repository around a folder. Raises `BlumeOpsError` when there is none with `homelab/` in it."""
    for folder in (start, *start.parents):
        if (folder / DESIRED_STATE).is_dir() and (folder / ".git").exists():
            return Repository(folder)
    raise BlumeOpsError(
        f"no Git repository with a {DESIRED_STATE}/ folder here",
        where=str(start),
        hint="cd into your homelab's clone",
    )


def clone(source: Path, destination: Path) -> Repository:
    """A clone of a repository's HEAD with its own branch `main`, for work that must not touch the source."""
    if destination.exists():
        shutil.rmtree(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    head = Repository(source).head()
    process.run(
        ["git", "clone", "--quiet", "--no-checkout", "--local", "--no-tags", source, destination],
        env=_environment(),
        timeout=GIT_TIMEOUT_SECONDS,
    ).check()
    copy = Repository(destination)
    copy.git("checkout", "--quiet", "-B", "main", head)
    return copy


def _environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    return {**ours, **_NEVER_ASK}


def _verb(words: Sequence[str]) -> str:
    return next((word for word in words if not word.startswith("-")), "")


def _masked(text: str) -> str:
    """The text without the credentials that people put into URLs of remotes."""
    return _CREDENTIALS.sub(r"\1[secret]@", text)


def _hint(said: str) -> str:
    if "index.lock" in said:
        return "another git runs here, or one was killed: end it, then remove the named lock file"
    if "dubious ownership" in said:
        return "the repository belongs to another user: see `git config safe.directory`"
    return ""

"""The Git side of a proposal: made in a clone, taken over as one ref, told apart from what a person did.

A person's work tree, index, HEAD and branches are never written. What a repository gets is the commit's
objects, one new branch below `proposal/`, and a note below `refs/notes/plans` that holds checks and plan.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from blumeops import journal, repository
from blumeops.errors import BlumeOpsError, GitError, Locked, Untrusted
from blumeops.homelab import main_checkout
from blumeops.repository import Repository

PREFIX = "proposal/"
NOTES = "plans"
PROPOSER = "Proposed-by"
MOST_OPEN = 25
"""Proposals that nobody has decided on yet; more than this nobody reads."""
_NOBODY = "0" * 40
_PATIENCE_SECONDS = 30.0
_OURS = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
_PLAIN = {
    # A commit here runs no hook of the person's, is not signed with their key, and its bytes are ours.
    "core.hooksPath": "/dev/null",
    "commit.gpgsign": "false",
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
}


@dataclass(frozen=True, slots=True)
class Branch:
    """A proposal as it stands in the repository; `note` is empty when the commit is not as it was proposed.

    `into` names a branch of a person that holds the commit: it was merged.
    """

    name: str
    commit: str
    title: str
    author: str
    date: str
    note: str = ""
    into: str = ""

    @property
    def state(self) -> str:
        """`open`, `merged`, or `changed`: somebody went on working on it."""
        return "merged" if self.into else "open" if self.note else "changed"


def run(place: Repository, *words: str, check: bool = True, env: Mapping[str, str] | None = None) -> str:
    """What one git command says, with settings under which it does nothing but that."""
    settings = {"GIT_CONFIG_COUNT": str(len(_PLAIN))}
    for number, (key, value) in enumerate(_PLAIN.items()):
        settings |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return place.git(*words, check=check, env={**_OURS, **settings, **(env or {})}).stdout


def trusted_into(place: Repository, commit: str) -> str:
    """The branch of a person that holds a commit, here or on a remote; empty when only proposals do."""
    words = ("for-each-ref", f"--contains={commit}", "--format=%(refname)", "refs/heads", "refs/remotes")
    for name in run(place, *words).splitlines():
        if not name.removeprefix("refs/heads/").startswith(PREFIX) and f"/{PREFIX}" not in name:
            return name.removeprefix("refs/heads/").removeprefix("refs/remotes/")
    return ""


def require_reviewed(place: Repository, commit: str, what: str) -> None:
    """Raise `Untrusted` when a commit is on no branch of a person: then nobody has read it."""
    head = run(place, "symbolic-ref", "--quiet", "HEAD", check=False).strip()
    on_proposal = head.startswith(f"refs/heads/{PREFIX}") and place.head() == commit
    if on_proposal or not trusted_into(place, commit):
        hint = "switch to a branch of your own; who merges a proposal has read it"
        raise Untrusted(
            f"{what} stands only on a proposal, which nobody has merged", where=commit[:12], hint=hint
        )


def base_of(place: Repository, named: str) -> str:
    """The commit that a proposal begins at: HEAD, or a branch or commit that a person has."""
    if any(one in named for one in "@{~^:?*[\\ \n\t") or named.startswith(("-", ".", "/")):
        raise GitError(f"{ascii(named)[:80]} is not a branch or a commit", hint="leave `base` out for HEAD")
    commit = place.resolve(named or "HEAD")
    require_reviewed(place, commit, "this base")
    return commit


@contextlib.contextmanager
def workshop(place: Repository, base: str) -> Iterator[Repository]:
    """A clone at a commit, where files are written, checked, committed and planned; gone at the end."""
    main = main_checkout(place.root)
    clones = main / ".sandbox" / "state" / "clones"
    above = clones if (main / ".sandbox" / "target.toml").exists() else None
    if above is not None:
        above.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="proposal-", dir=above))
    try:
        made = repository.clone(place.root, folder / "tree")
        run(made, "checkout", "--quiet", "-B", "main", base)
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def modes(place: Repository, commit: str) -> dict[str, str]:
    """Every path of a commit with its mode."""
    entries = run(place, "ls-tree", "-r", "-z", commit).split("\0")
    return {entry.split("\t", 1)[1]: entry[:6] for entry in entries if "\t" in entry}


def person(place: Repository) -> tuple[str, str]:
    """The name and the address that Git knows for whoever runs this."""
    name = run(place, "config", "user.name", check=False).strip() or journal.user()
    return name, run(place, "config", "user.email", check=False).strip() or "blumeops@localhost"


def commit(place: Repository, made: Repository, paths: list[str], message: str) -> str:
    """Commit these paths in the clone; the author says that it was an assistant, and for whom."""
    run(made, "add", "--all", "--force", "--", *paths)
    file = made.root / ".git" / "proposal-message"
    file.write_text(message, encoding="utf-8")
    how = ("--quiet", "--no-verify", "--cleanup=verbatim", "-F", str(file))
    run(made, "commit", *how, env=_signed(place))
    return made.head()


def conflicts(made: Repository, head: str, commit: str) -> tuple[str, ...]:
    """The files in which a proposal does not merge with a commit; asked in the clone."""
    words = ("merge-tree", "--write-tree", "--no-messages", "--name-only", "-z", head, commit)
    done = made.git(*words, check=False, env=_OURS)
    if done.returncode not in (0, 1):
        return ("unknown: this Git cannot try a merge",)
    return tuple(name for name in done.stdout.split("\0")[1:] if name) if done.returncode else ()


def take_over(place: Repository, made: Repository, name: str, commit: str, note: str) -> None:
    """Bring a commit of the clone into the repository as a new branch, with its note."""
    if run(place, "show-ref", "--verify", f"refs/heads/{PREFIX.rstrip('/')}", check=False):
        raise GitError("a branch is called `proposal`, so none can be below it", hint="rename that branch")
    how = (
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
        "--no-recurse-submodules",
    )
    run(place, "fetch", *how, "--end-of-options", str(made.root), "main")
    attach(place, commit, note)
    run(place, "update-ref", "-m", "proposal", f"refs/heads/{name}", commit, _NOBODY)


def attach(place: Repository, commit: str, note: str) -> None:
    """Attach a note to a commit, over the one that may be there."""
    with tempfile.TemporaryDirectory(prefix="blumeops-") as folder:
        file = Path(folder) / "note"
        file.write_text(note, encoding="utf-8")
        run(place, "notes", f"--ref={NOTES}", "add", "--force", "-F", str(file), commit, env=_signed(place))


@contextlib.contextmanager
def held(place: Repository, what: str) -> Iterator[None]:
    """Hold the repository's lock of proposals; two at once wait for each other."""
    common = Path(run(place, "rev-parse", "--path-format=absolute", "--git-common-dir").strip())
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(journal.lock(common / "blumeops-proposals.lock", what))
                break
            except Locked:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield


def branches(place: Repository) -> tuple[Branch, ...]:
    """Every proposal of a repository, the newest first."""
    form = "%(refname:short)%00%(objectname)%00%(subject)%00%(authorname)%00%(committerdate:iso-strict)"
    words = ("for-each-ref", "--sort=-committerdate", f"--format={form}", f"refs/heads/{PREFIX}")
    found = [line.split("\0") for line in run(place, *words).splitlines()]
    return tuple(_whole(place, Branch(*values)) for values in found if len(values) == 5)


def _whole(place: Repository, bare: Branch) -> Branch:
    note = run(place, "notes", f"--ref={NOTES}", "show", bare.commit, check=False)
    ours = f"Branch: {bare.name}\n" in note
    return replace(bare, note=note if ours else "", into=trusted_into(place, bare.commit))


def named(place: Repository, name: str) -> Branch:
    """One proposal by its branch, with or without `proposal/`. Raises `BlumeOpsError` when there is none."""
    known = branches(place)
    wanted = name if name.startswith(PREFIX) else PREFIX + name
    for one in known:
        if one.name == wanted:
            return one
    listed = ", ".join(one.name for one in known[:5]) or "there are none"
    raise BlumeOpsError(f"there is no proposal {ascii(name)[:80]}", hint=f"the proposals: {listed}")


def withdraw(place: Repository, name: str) -> Branch:
    """Remove a proposal, unless a person has merged it, worked on it, or looks at it now."""
    with held(place, f"withdraw {name}"):
        one = named(place, name)
        if one.state != "open":
            words = (
                f"it was merged into {one.into}"
                if one.into
                else "its commit is not the one that was proposed"
            )
            raise Untrusted(
                f"{one.name} is a person's by now: {words}", hint="they remove it: `git branch -D`"
            )
        checked_out = run(place, "worktree", "list", "--porcelain").splitlines()
        if f"branch refs/heads/{one.name}" in checked_out:
            raise Untrusted(f"{one.name} is checked out: somebody looks at it", hint="ask them")
        run(place, "update-ref", "-d", f"refs/heads/{one.name}", one.commit)
        run(place, "notes", f"--ref={NOTES}", "remove", "--ignore-missing", one.commit, env=_signed(place))
        return one


def _signed(place: Repository) -> dict[str, str]:
    name, address = person(place)
    who = {"NAME": f"{name} (assistant)", "EMAIL": address}
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}

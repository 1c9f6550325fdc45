"""The error tree: what went wrong, where, and what to do now.

    BlumeOpsError                 exit 2
    ├── BadInput                  a file that we were given is wrong; holds every problem found in it
    ├── GitError                  the repository is not in the state that the command needs
    │   ├── DirtyTree             uncommitted changes in the desired state
    │   ├── Diverged              the branch and the remote that the target reads do not agree
    │   └── RevertConflict        a revert does not apply; the repository was left as it was
    ├── EngineError               an engine failed
    │   ├── EngineMissing         its program or library is not there
    │   ├── UnknownAnswer         it said something that we do not know; never read as "no change"
    │   └── AccessDenied          it refused our credential
    ├── Unreachable               exit 4: the live system did not answer, so its state is unknown
    ├── StalePlan                 exit 3: Git or the live system moved since the plan was made
    ├── Locked                    exit 3: another run holds the lock
    ├── ReadOnly                  code that may only look tried to change the target
    ├── Unmet                     exit 5: what a runbook requires is not there
    ├── Untrusted                 a page that may not run against this target
    ├── Unwritable                a run cannot be written down, so it does not go on
    └── Interrupted               exit 130

Every error renders to the same three lines: `where: what`, further problems, `hint: next step`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BlumeOpsError(Exception):
    """Base of all errors that a user can act on.

    `what` is one sentence, `where` a place (`file:line:column`, a host, a URL), `hint` the next step.

    Next: Do what its hint says.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\nhint: {self.hint}" if self.hint else head


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in one place of a file; lines and columns count from 1, 0 means unknown."""

    what: str
    path: str
    line: int = 0
    column: int = 0
    hint: str = ""

    @property
    def where(self) -> str:
        """The place as editors and terminals understand it: `path:line:column`."""
        return ":".join([self.path, *(str(n) for n in (self.line, self.column) if n)])

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}"
        return f"{text}\nhint: {self.hint}" if self.hint else text


class BadInput(BlumeOpsError):
    """A file is wrong; carries every problem found in it, not only the first.

    Next: Correct the places that are named, all of them at once; the hint says what was probably meant.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        if not problems:
            raise ValueError("BadInput needs at least one problem")
        super().__init__(problems[0].what, where=problems[0].where, hint=problems[0].hint)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class GitError(BlumeOpsError):
    """The Git repository is not in the state that the command needs.

    Next: Do what the hint says, or look with `git status`; no layer was touched.
    """


class DirtyTree(GitError):
    """The desired state has changes that are not committed, so nobody could say later what was applied.

    Next: Commit what stands under `homelab/`, or put it aside with `git stash`.
    """


class Diverged(GitError):
    """The local branch and the remote that the target reads do not agree.

    Next: `git push`, or `git pull --rebase` first when somebody else pushed.
    """


class RevertConflict(GitError):
    """A revert does not apply cleanly; it was aborted and the repository is as it was.

    Next: Revert the later commit first, or both as a range `A..B`.
    """


class EngineError(BlumeOpsError):
    """An engine (Pulumi, Ansible, Argo CD, or one of the sandbox) failed.

    Next: Read what the engine said; its own tools, by `blumeops env`, show more.
    """


class EngineMissing(EngineError):
    """An engine's program or library is not installed.

    Next: `blumeops doctor` names it and its fix; `blumeops engines build` builds those of the sandbox.
    """


class UnknownAnswer(EngineError):
    """An engine said something that we do not know; silence would read as "no change".

    Next: Compare the engine's version with the pinned one, by `blumeops engines list`; report it as a bug.
    """


class AccessDenied(EngineError):
    """An engine refused our credential; the credential itself is never in the message.

    Next: Renew the key, in the file or variable that the target names.
    """


class Unreachable(BlumeOpsError):
    """The live system did not answer: its state is unknown, which is never shown as in sync.

    Next: Try again when the reason is one that passes; `blumeops sandbox status` for the sandbox.
    """

    exit_code = 4

    def __init__(self, what: str, *, where: str = "", hint: str = "", retryable: bool = True) -> None:
        super().__init__(what, where=where, hint=hint)
        self.retryable = retryable


class StalePlan(BlumeOpsError):
    """Git or the live system moved since the plan was made; nothing was changed.

    Next: Plan again, and read it again: what moved may be somebody's edit.
    """

    exit_code = 3


class Locked(BlumeOpsError):
    """Another run holds the lock; the message names it.

    Next: Wait for that run, or end it; the lock goes with its holder, so no file has to be deleted.
    """

    exit_code = 3


class ReadOnly(BlumeOpsError):
    """Code that may only look (a runbook's ungated step) tried to change the target; nothing was changed.

    Next: Move the change into a cell tagged `step, confirm`, or run without `--dry-run` when that was meant.
    """


class Unmet(BlumeOpsError):
    """What the runbook needs is not there; nothing was started.

    Next: Install what is named, or bring the layer up; then run it again.
    """

    exit_code = 5


class Untrusted(BlumeOpsError):
    """This page may not run against this target: it is not committed, or CI runs it.

    Next: Commit the page and have it read, or run it on the sandbox.
    """


class Unwritable(BlumeOpsError):
    """A run cannot be written down, so it must not go on: nobody could say later what it did.

    Next: Make room on the disk, or the folder writable; `blumeops runbook status` says how far the run came.
    """


class Interrupted(BlumeOpsError):
    """The user or the system asked us to stop.

    Next: `blumeops journal` says how far it came; running the command again finishes it.
    """

    exit_code = 130

"""When each page was last changed, and where renamed pages were before: one `git log` for all of them.

A call of Git for each page costs 25 ms; one for a thousand pages costs as much as for one. Where Git cannot
know (no repository, no commit, a shallow clone, whose oldest commit seems to have written everything) there
is no history rather than a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from blumeops.errors import BlumeOpsError
from blumeops.repository import Repository

_COMMIT, _FIELD = "\x1e", "\x1f"
_FORMAT = f"--format={_COMMIT}%H{_FIELD}%ct{_FIELD}%an{_FIELD}%s{_FIELD}"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: its full id, when it was made (seconds since 1970), by whom, and its first line."""

    id: str
    at: int
    author: str
    subject: str

    @property
    def day(self) -> str:
        """The day in UTC, as `2026-11-23`."""
        return f"{datetime.fromtimestamp(self.at, UTC):%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class Change:
    """A commit that touched a file; `path` is the file's name today, from the root."""

    path: str
    commit: Commit


@dataclass(frozen=True, slots=True)
class History:
    """What Git knows of a set of files, newest first. Paths are relative to the root, with `/`."""

    changes: tuple[Change, ...] = ()
    last: Mapping[str, Commit] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    """From a name that is no file any more to the file that it became, over any number of renames."""


NONE = History()


def read(root: Path, files: Iterable[str]) -> History:
    """The history of these files of a repository; `NONE` where Git cannot know it."""
    wanted = frozenset(files)
    repository = Repository(root)
    words = ("log", "-z", "--name-status", "--find-renames", "--relative", "--no-show-signature", _FORMAT)
    try:
        shallow = repository.git("rev-parse", "--is-shallow-repository", check=False)
        if not shallow.ok or shallow.stdout.strip() == "true":
            return NONE
        done = repository.git(*words, "--", *_folders(wanted), check=False)
    except (BlumeOpsError, OSError):
        return NONE
    return _follow(done.stdout, wanted) if done.ok else NONE


def _folders(files: frozenset[str]) -> list[str]:
    """The folders below the root that hold the files; the root itself when a file lies in it."""
    tops = {path.partition("/")[0] if "/" in path else "." for path in files}
    return ["."] if "." in tops else sorted(tops)


def _follow(log: str, wanted: frozenset[str]) -> History:
    """Walk back in time; `today` maps a name as it was then to the file of today, or None: another's past."""
    changes: list[Change] = []
    last: dict[str, Commit] = {}
    renamed: dict[str, str] = {}
    today: dict[str, str | None] = {}
    for entry in log.split(_COMMIT)[1:]:
        one, at, author, subject, rest = entry.split(_FIELD, 4)
        commit = Commit(one, int(at), author, subject)
        for status, names in _names(rest):
            now = today.get(names[-1], names[-1])
            if now in wanted:
                last.setdefault(now, commit)
                changes.append(Change(now, commit))
            if status == "R":
                today[names[0]] = now
                if now in wanted and names[0] not in wanted:
                    renamed.setdefault(names[0], now)
            if status in "AR":
                today[names[-1]] = None
    return History(tuple(changes), last, renamed)


def _names(rest: str) -> Iterable[tuple[str, tuple[str, ...]]]:
    """The files of one commit: a letter, then one name, or the old and the new one of a rename."""
    words = iter(word for word in rest.replace("\n", "").split("\0") if word)
    for status in words:
        two = status[0] in "RC"
        yield status[0], (next(words), next(words)) if two else (next(words),)

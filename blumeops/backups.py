"""Backups that can be read back: a host's archives, what is in a folder, and how two folders differ.

The programs are those of the roles `borg_client` and `borg_server`. A database of SQLite is compared row by
row, everything else by its SHA-256: the file of a database in use says nothing about its rows.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from blumeops import backups_survey, remote
from blumeops.errors import BlumeOpsError
from blumeops.target import Secret, Target

SECONDS = 1800.0
"""How long borg may take for one backup or one restore."""

_CLIENT = ". /etc/borg/environment\n"
_SERVER = """\
BORG_REPO={repository} BORG_PASSPHRASE={passphrase} BORG_BASE_DIR=$(mktemp -d)
export BORG_REPO BORG_PASSPHRASE BORG_BASE_DIR BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
trap 'rm -rf "$BORG_BASE_DIR"' EXIT
cd /
"""


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive: its name, and when it was made (UTC)."""

    name: str
    taken: datetime

    def hours(self, now: datetime | None = None) -> float:
        """How old it is, in hours."""
        return ((now or datetime.now(UTC)) - self.taken).total_seconds() / 3600

    def __str__(self) -> str:
        return f"{self.name}, {self.hours():.1f} hours old"


def archives(target: Target, host: str) -> tuple[Archive, ...]:
    """The archives of a host, the newest last, as the host itself reads them."""
    said = remote.ask(target, host, f"{_CLIENT}TZ=UTC borg list --json")
    return _archives(said)


def archives_at(target: Target, server: str, client: str, passphrase: Secret) -> tuple[Archive, ...]:
    """The archives of a client, read on the storage box: proves the passphrase while the client is gone."""
    words = {
        "repository": shlex.quote(f"/srv/borg/{client}"),
        "passphrase": shlex.quote(passphrase.reveal()),
    }
    script = f"{_SERVER.format(**words)}TZ=UTC borg list --json"
    return _archives(remote.ask(target, server, script, user="borg"))


def _archives(said: str) -> tuple[Archive, ...]:
    found = json.loads(said)["archives"]
    taken = [datetime.fromisoformat(one["time"]).replace(tzinfo=UTC) for one in found]
    return tuple(Archive(one["name"], at) for one, at in zip(found, taken, strict=True))


def named(found: tuple[Archive, ...], name: str = "") -> Archive:
    """The archive of that name, or the newest. Raises `BlumeOpsError` when there is none."""
    wanted = [archive for archive in found if name in ("", archive.name)]
    if not wanted:
        known = ", ".join(archive.name for archive in found[-5:]) or "none"
        raise BlumeOpsError(f"there is no archive {name!r}".replace(" ''", ""), hint=f"the newest: {known}")
    return wanted[-1]


def back_up(target: Target, host: str) -> Archive:
    """Make an archive now, with the program that the timer runs at night, and return it."""
    remote.change(target, host, "/usr/local/sbin/borg-backup", what="a backup", timeout=SECONDS)
    return named(archives(target, host))


def extract(target: Target, host: str, archive: Archive, path: str, into: str) -> None:
    """Read one path of an archive back into a new folder, which must not be there yet."""
    words = {"into": shlex.quote(into), "name": shlex.quote(f"::{archive.name}")}
    script = "{client}mkdir -m 0700 {into}\ncd {into}\nborg extract {name} {path}\n[ -e {path} ]"
    script = script.format(client=_CLIENT, path=shlex.quote(path.strip("/")), **words)
    remote.change(target, host, script, what=f"restoring into {into}", timeout=SECONDS)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a folder: each file's SHA-256 and each table's rows, by path; times are Unix seconds.

    `tables` maps `DATABASE:TABLE` to the number of its rows and a digest over them; `broken` names what
    could not be read, and databases that SQLite finds damaged.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    changed: Mapping[str, float] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    bytes: int = 0

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(count for count, _ in self.tables.values())

    def __str__(self) -> str:
        broken = f", {len(self.broken)} damaged" if self.broken else ""
        return f"{len(self.files)} files, {self.rows} rows, {self.bytes / 1e6:.1f} MB{broken}"


def survey(target: Target, host: str, folder: str) -> Survey:
    """Read every file of a folder on a host. Raises `EngineError` when there is no such folder."""
    program = Path(backups_survey.__file__).read_text(encoding="utf-8")
    script = f"{program}\n\nimport json\nprint(json.dumps(look({folder!r})))\n"
    found = json.loads(remote.ask(target, host, script, program=remote.PYTHON, timeout=SECONDS))
    tables = {name: (count, digest) for name, (count, digest) in found["tables"].items()}
    return Survey(found["files"], tables, found["changed"], tuple(found["broken"]), found["bytes"])


@dataclass(frozen=True, slots=True)
class Difference:
    """How a restored folder differs from the live one, by path (`DATABASE:TABLE` for rows).

    `lost` and `other` are faults of the backup: the live one did not change since the archive was made, and
    the restored one lacks it or has something else. `since` changed after the archive: that work is what
    a restore would cost. `gone` is only in the archive.
    """

    lost: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    since: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    same: int = 0

    @property
    def sound(self) -> bool:
        """Whether the backup holds everything that it should."""
        return not (self.lost or self.other)

    def __str__(self) -> str:
        said = [f"{self.same} the same"]
        for words, names in (
            ("missing from the archive", self.lost),
            ("not as they were", self.other),
            ("changed since the archive", self.since),
            ("only in the archive", self.gone),
        ):
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                said.append(f"{len(names)} {words} ({', '.join(names[:3])}{more})")
        return ", ".join(said)


def compare(live: Survey, restored: Survey, archive: Archive) -> Difference:
    """Judge a restored folder by the live one; what changed since the archive is not held against it."""
    here = {**live.files, **live.tables}
    there = {**restored.files, **restored.tables}
    changed = {name: live.changed[name] >= archive.taken.timestamp() for name in here}
    differing = [name for name in here if here[name] != there.get(name)]
    return Difference(
        lost=tuple(name for name in differing if name not in there and not changed[name]),
        other=tuple(name for name in differing if name in there and not changed[name]),
        since=tuple(name for name in differing if changed[name]),
        gone=tuple(name for name in there if name not in here),
        same=len(here) - len(differing),
    )

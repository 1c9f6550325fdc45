"""What was rendered before, by the digest of everything that it was made from.

One SQLite file, so that two builds at once and a `kill -9` do no harm: what is not committed is not there.
Each value stands with its own digest and is read as missing when it does not fit; a file that SQLite cannot
read is thrown away. A cache that cannot be written is no error: the site is built without it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

MAX_BYTES = 512 * 1024 * 1024
"""The size from which the values that were not asked for longest are dropped."""
_COMMIT_EVERY = 256
_BUSY_SECONDS = 20.0
_LEVEL = 1
_ROW_BYTES = 200
_DAY_SECONDS = 86400
_log = logging.getLogger(__name__)
_TABLE = """
create table if not exists entry (
    key blob primary key, mark blob not null, value blob not null,
    size integer not null, used integer not null
)
"""


def digest(*parts: str | bytes) -> bytes:
    """The digest of a series of texts: other parts, or other borders between them, give another one."""
    made = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        made.update(len(data).to_bytes(8, "big"))
        made.update(data)
    return made.digest()


def json_text(value: object) -> str:
    """A value as JSON, the same text for the same value. Raises `TypeError` for what JSON has no form for."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Cache:
    """Values by key in one file; `hits` and `misses` count what was asked for.

    Used as a context, by one thread. With `file=None` it holds nothing.
    """

    def __init__(self, file: Path | None, *, max_bytes: int = MAX_BYTES) -> None:
        self.file, self.max_bytes = file, max_bytes
        self.hits = self.misses = 0
        self._base: sqlite3.Connection | None = None
        self._pending = 0
        self._used: list[bytes] = []

    def __enter__(self) -> Cache:
        if self.file is not None:
            self._open(self.file)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._base is not None:
            with suppress(sqlite3.Error):
                self._keep_within_bounds()
            with suppress(sqlite3.Error):
                self._base.close()
        self._base = None

    def get(self, key: bytes) -> str | None:
        """The text kept under a key; None when there is none, or when it is not what was put there."""
        row = self._ask(key)
        if row is None or digest(key, row[1]) != row[0]:
            self.misses += 1
            return None
        try:
            text = zlib.decompress(row[1]).decode("utf-8", "surrogatepass")
        except (zlib.error, UnicodeDecodeError):
            self.misses += 1
            return None
        self.hits += 1
        self._used.append(key)
        return text

    def put(self, key: bytes, text: str) -> None:
        """Keep a text under a key, over what may be there."""
        if self._base is None:
            return
        value = zlib.compress(text.encode("utf-8", "surrogatepass"), _LEVEL)
        row = (key, digest(key, value), value, len(value) + _ROW_BYTES, int(time.time()))
        try:
            self._base.execute("insert or replace into entry values (?, ?, ?, ?, ?)", row)
            self._pending += 1
            if self._pending % _COMMIT_EVERY == 0:
                self._base.commit()
        except sqlite3.Error as error:
            self._give_up(error)

    def _ask(self, key: bytes) -> tuple[bytes, bytes] | None:
        if self._base is None:
            return None
        try:
            found = self._base.execute("select mark, value from entry where key = ?", (key,))
            row: tuple[bytes, bytes] | None = found.fetchone()
            return row
        except sqlite3.Error as error:
            self._give_up(error)
            return None

    def _open(self, file: Path) -> None:
        deadline = time.monotonic() + _BUSY_SECONDS
        broken = False
        while True:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                self._base = sqlite3.connect(file, timeout=_BUSY_SECONDS)
                for line in ("pragma journal_mode=wal", "pragma synchronous=off", _TABLE):
                    self._base.execute(line)
                self._base.execute("select count(*) from sqlite_master").fetchone()
                return
            except sqlite3.OperationalError as error:
                # SQLite does not wait when two switch a new file to its write-ahead log at once: it says so.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    return self._give_up(error)
                self._close()
                time.sleep(0.01)
            except (sqlite3.DatabaseError, OSError) as error:
                self._give_up(error)
                if broken:
                    return
                broken = True
                remove(file)

    def _give_up(self, error: Exception) -> None:
        """Go on without: the page cache makes a build quick, it never makes it right."""
        _log.warning("the page cache is not used: %s: %s", self.file, error)
        self._close()

    def _close(self) -> None:
        if self._base is not None:
            with suppress(sqlite3.Error):
                self._base.close()
        self._base = None

    def _keep_within_bounds(self) -> None:
        assert self._base is not None
        self._base.commit()
        self._mark(self._used)
        (total,) = self._base.execute("select coalesce(sum(size), 0) from entry").fetchone()
        if total > self.max_bytes:
            for key, size in self._base.execute("select key, size from entry order by used").fetchall():
                self._base.execute("delete from entry where key = ?", (key,))
                total -= size
                if total <= self.max_bytes * 3 // 4:
                    break
        self._base.commit()

    def _mark(self, keys: Iterable[bytes]) -> None:
        """Remember what was of use, but only what was not marked for a day: a build mostly reads."""
        assert self._base is not None
        now = int(time.time())
        old = "update entry set used = ? where key = ? and used < ?"
        self._base.executemany(old, ((now, key, now - _DAY_SECONDS) for key in keys))


def remove(file: Path) -> None:
    """Throw a cache away."""
    for name in (file, file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")):
        with suppress(OSError):
            name.unlink()

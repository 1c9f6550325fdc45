"""The index on disk: one SQLite file that can be thrown away at any time.

A reader and a writer do not disturb each other, what is not committed is not there, and a file that SQLite
cannot read is made anew. Where nothing can be written, a copy in memory serves.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import time
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

from blumeops.site.cache import remove

BUSY_SECONDS = 20.0
_log = logging.getLogger(__name__)
_SCHEMA = """
create table meta (key text primary key, value text not null) without rowid;
create table refused (path text primary key) without rowid;
create table file (
    id integer primary key, path text not null unique, kind text not null, digest text not null,
    size integer not null, modified integer not null, changed integer not null, inode integer not null,
    site text not null, title text not null, page_id text not null, aliases text not null,
    names text not null, about text not null, layers text not null, links text not null,
    said text not null default '', length integer not null
);
create table section (
    id integer primary key, file integer not null, number integer not null, line integer not null,
    last integer not null, anchor text not null, headings text not null, tokens integer not null,
    bare integer not null, text text not null
);
create index section_of_file on section (file, number);
create table link (origin integer not null, target integer not null, count integer not null,
    primary key (origin, target)) without rowid;
create index link_to on link (target);
create table name (name text not null, file integer not null, rank integer not null,
    primary key (name, file)) without rowid;
create virtual table words using fts5 (headings, body, tokenize = "porter unicode61 remove_diacritics 2");
create virtual table pages using fts5 (title, about, headings, said,
    tokenize = "porter unicode61 remove_diacritics 2");
"""


@cache
def version() -> str:
    """The digest of the code that fills the index: other code makes other rows."""
    folder = Path(__file__).parent
    sources = ("store", "rows", "reading", "sections", "desired", "code", "files", "tokens")
    made = hashlib.blake2b(digest_size=12)
    for name in sources:
        made.update((folder / f"{name}.py").read_bytes())
    return made.hexdigest()


def connect(file: Path | None, root: Path) -> sqlite3.Connection:
    """The index of a root, ready to be read and, if possible, to be brought up to date in place."""
    key = f"{version()} {root}"
    if file is not None and (base := _open(file, key)):
        return base
    return _copy(file, key)


def in_memory(base: sqlite3.Connection, file: Path | None, root: Path) -> sqlite3.Connection:
    """A copy of an index that turned out not to be writable."""
    base.close()
    return _copy(file, f"{version()} {root}")


def _copy(file: Path | None, key: str) -> sqlite3.Connection:
    base = _memory()
    if file is not None and file.is_file():
        with suppress(sqlite3.Error), closing(_read_only(file)) as kept:
            if _key(kept) == key:
                kept.backup(base)
                return base
        base.close()
        base = _memory()
    _create(base, key)
    return base


def _memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def _read_only(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{_quoted(file)}?mode=ro", uri=True, isolation_level=None)


def _quoted(file: Path) -> str:
    from urllib.parse import quote

    return quote(str(file.absolute()))


def _open(file: Path, key: str) -> sqlite3.Connection | None:
    """The file, made or made anew when it has to be; None where it cannot be written."""
    deadline, thrown_away = time.monotonic() + BUSY_SECONDS, False
    while True:
        base = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            base = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            base.execute("pragma synchronous=off")
            if _key(base) != key:
                _make_anew(base, key)
            return base
        except (sqlite3.DatabaseError, OSError) as error:
            if base is not None:
                base.close()
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                if time.monotonic() > deadline:
                    return None
                time.sleep(0.01)
            elif isinstance(error, OSError | sqlite3.OperationalError) or thrown_away:
                _log.info("the index is kept in memory: %s: %s", file, error)
                return None
            else:
                thrown_away = True
                remove(file)


def _key(base: sqlite3.Connection) -> str:
    """What the index was made by and for; empty when it is new. Raises when the file is no database."""
    if not base.execute("select 1 from sqlite_master where name = 'meta'").fetchone():
        return ""
    found = base.execute("select value from meta where key = 'key'").fetchone()
    return found[0] if found else ""


def _make_anew(base: sqlite3.Connection, key: str) -> None:
    base.execute("begin immediate")
    if _key(base) == key:  # another process was quicker
        base.execute("rollback")
        return
    tables = base.execute(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite%'"
        " and (sql like 'create virtual%' or name not glob '*_*')"
    ).fetchall()
    for (name,) in tables:
        base.execute(f'drop table if exists "{name}"')
    _create(base, key, inside=True)
    base.execute("commit")


def _create(base: sqlite3.Connection, key: str, *, inside: bool = False) -> None:
    if not inside:
        base.execute("begin")
    for statement in _SCHEMA.split(";\n"):
        if statement.strip():
            base.execute(statement)
    base.execute("insert into meta values ('key', ?)", (key,))
    if not inside:
        base.execute("commit")

"""The index of everything that a repository says, fresh whenever it is asked.

`Index.open` compares every file's size, times and inode with what was read; of those that differ it compares
the contents, and only what has really changed is read again. Cutting and counting happen before anything is
locked, so two at once do no more than the same work twice.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from blumeops.context import files, store
from blumeops.context.files import Rules, Stamp
from blumeops.context.model import Hit, Kind, Section
from blumeops.site import cache
from blumeops.site.place import Place

if TYPE_CHECKING:
    from blumeops.context.reading import Entry
    from blumeops.site.vault import Vault

NAME = "context.sqlite"
RACY_NANOSECONDS = 2_000_000_000
"""A file written so shortly before it was read may be written again within one tick of the file system's
clock, and look the same: its contents are compared the next time."""
_UNSURE: Stamp = (-1, 0, 0, 0)


class Index:
    """Sections of one repository, searched by words; used by one thread at a time."""

    def __init__(self, place: Place, base: sqlite3.Connection, file: Path | None) -> None:
        self.place, self.rules = place, Rules.of(place)
        self._base, self._file = base, file

    @staticmethod
    def open(root: Path | Place, *, cache: Path | None = None) -> Index:
        """The index of a repository or vault, brought up to date.

        `cache` is the file to keep it in; by default `build/context.sqlite`, and for somebody else's folder
        a file in the user's cache. Where that cannot be written, it is kept in memory.
        """
        place = Place.of(root)
        file = cache or place.work / NAME
        index = Index(place, store.connect(file, place.root), file)
        index.refresh()
        return index

    def __enter__(self) -> Index:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def refresh(self) -> bool:
        """Read what has changed since; whether anything had."""
        try:
            return self._refresh()
        except sqlite3.OperationalError:
            self._base = store.in_memory(self._base, self._file, self.place.root)
        except sqlite3.DatabaseError:
            self._base.close()
            if self._file is not None:
                cache.remove(self._file)
            self._base = store.connect(self._file, self.place.root)
        return self._refresh()

    def search(self, question: str, *, limit: int = 40, only: str = "") -> tuple[Hit, ...]:
        """The sections that answer a question or help with a task, the best first.

        `only` is a layer, or the name or path of a page or runbook: what belongs to it comes first. Raises
        `BlumeOpsError` when it is none of these.
        """
        from blumeops.context import ranking

        self._base.execute("begin")  # all that is read is of one moment, whatever another process writes
        try:
            found = ranking.search(self._base, question, limit=limit, only=only)
            sections = self._sections([one.section for one in found])
        finally:
            self._base.execute("rollback")
        return tuple(Hit(sections[one.section], one.score, one.why) for one in found)

    def sections(self, path: str) -> tuple[Section, ...]:
        """All sections of a file in order; none for a file that is not in the index."""
        rows = self._base.execute(
            "select section.id from section join file on file.id = file where path = ? order by number",
            (path,),
        ).fetchall()
        return tuple(self._sections([row[0] for row in rows]).values())

    def section(self, path: str, anchor: str = "") -> Section | None:
        """The section with an anchor, all parts of it as one; without an anchor how the page begins."""
        parts = [one for one in self.sections(path) if one.anchor == anchor]
        if not anchor:
            parts = [one for one in parts if one.headings != ("front matter",)]
        if not parts:
            return None
        text = "\n\n".join(part.text for part in parts)
        return replace(
            parts[0], last=parts[-1].last, text=text, tokens=sum(part.tokens + 1 for part in parts) - 1
        )

    def paths(self) -> Mapping[str, Kind]:
        """Every file of the index, and what it is read as."""
        return {
            path: Kind(kind) for path, kind in self._base.execute("select path, kind from file order by path")
        }

    def vault(self) -> Vault:
        """The pages by all the names that a link may call them, without their text."""
        from blumeops.site import vault

        rows = self._base.execute(
            "select site, path, title, aliases, page_id from file where site <> '' order by path"
        ).fetchall()
        return vault.vault(
            vault.Page(site, path, "", title, tuple(json.loads(aliases)), id=page_id)
            for site, path, title, aliases, page_id in rows
        )

    def _sections(self, ids: list[int]) -> dict[int, Section]:
        marks = ",".join("?" * len(ids))
        rows = self._base.execute(
            "select section.id, path, line, last, anchor, title, headings, text, kind, tokens from section"
            f" join file on file.id = file where section.id in ({marks})",
            ids,
        ).fetchall()
        made = {
            number: Section(
                path, line, last, anchor, title, tuple(json.loads(headings)), text, Kind(kind), tokens
            )
            for number, path, line, last, anchor, title, headings, text, kind, tokens in rows
        }
        return {one: made[one] for one in ids}

    def _refresh(self) -> bool:
        stamps = files.walk(self.rules)
        known: dict[str, tuple[Stamp, str]] = {
            path: (tuple(stamp), digest)
            for path, digest, *stamp in self._base.execute(
                "select path, digest, size, modified, changed, inode from file"
            )
        }
        differing = [path for path, stamp in stamps.items() if path not in known or known[path][0] != stamp]
        gone = [path for path in known if path not in stamps]
        if not differing and not gone:
            return False
        started = time.time_ns()
        fresh = set(self._allowed([path for path in differing if path not in known]))
        same: dict[str, Stamp] = {}
        entries: dict[str, tuple[Entry, Stamp]] = {}
        for path in differing:
            if path in known or path in fresh:
                self._look(path, stamps[path], known, started, same, entries, gone)
        if not (same or entries or gone):
            return False
        self._write(entries, same, gone)
        return bool(entries or gone)

    def _look(
        self,
        path: str,
        stamp: Stamp,
        known: Mapping[str, tuple[Stamp, str]],
        started: int,
        same: dict[str, Stamp],
        entries: dict[str, tuple[Entry, Stamp]],
        gone: list[str],
    ) -> None:
        """Read one file whose stamp is another, and see whether its contents are."""
        from blumeops.context import reading

        data = files.read(self.rules, path)
        kind = self.rules.kind(path)
        if data is None or kind is None:
            gone += [path] if path in known else []
            return
        sure = stamp if max(stamp[1], stamp[2]) < started - RACY_NANOSECONDS else _UNSURE
        if path in known and known[path][1] == reading.digest(data):
            if known[path][0] != sure:
                same[path] = sure
        else:
            entries[path] = reading.entry(path, kind, data, docs=self.rules.docs), sure

    def _allowed(self, paths: list[str]) -> Iterable[str]:
        """Those of some new files that Git does not ignore. It is asked only when one of them is unknown."""
        if not paths:
            return ()
        ignoring = files.ignoring(self.rules)
        kept = self._base.execute("select value from meta where key = 'ignoring'").fetchone()
        refused = set()
        if kept and kept[0] == ignoring:
            refused = {path for (path,) in self._base.execute("select path from refused")}
        unknown = [path for path in paths if path not in refused]
        if not unknown:
            return ()
        allowed = files.allowed(self.place.root, unknown)
        self._refuse([path for path in paths if path not in allowed], ignoring)
        return allowed

    def _refuse(self, paths: list[str], ignoring: str) -> None:
        self._base.execute("begin immediate")
        self._base.execute("delete from refused")
        self._base.executemany("insert into refused values (?)", ((path,) for path in paths))
        self._base.execute("insert or replace into meta values ('ignoring', ?)", (ignoring,))
        self._base.execute("commit")

    def _write(
        self, entries: Mapping[str, tuple[Entry, Stamp]], same: Mapping[str, Stamp], gone: Iterable[str]
    ) -> None:
        from blumeops.context import rows

        self._base.execute("begin immediate")
        try:
            rows.write(self._base, entries, same, gone)
        except BaseException:
            self._base.execute("rollback")
            raise
        self._base.execute("commit")

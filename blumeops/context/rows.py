"""Entries become rows: sections, words, names, and the links between pages once all names are known."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from blumeops.context.files import Stamp
    from blumeops.context.reading import Entry

MOST_SAID = 40
"""So many links to one page say with their own words what it is about."""
FILE_BITS, SECTION_BITS = 42, 20
"""Of a section's row, which has 63."""
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_MARKS = re.compile(r"[`*\[\]|{}<>]+")


def write(
    base: sqlite3.Connection,
    entries: Mapping[str, tuple[Entry, Stamp]],
    same: Mapping[str, Stamp],
    gone: Iterable[str],
) -> None:
    """Bring the tables up to date, inside of a transaction of the caller's."""
    base.executemany(
        "update file set size = ?, modified = ?, changed = ?, inode = ? where path = ?",
        ((*stamp, path) for path, stamp in same.items()),
    )
    before = _linking(base)
    for path in sorted({*gone, *entries}, key=identity):
        _remove(base, path)
    # In the order of their rows: FTS5 starts a new segment for each row that is smaller than the last.
    for path in sorted(entries, key=identity):
        _insert(base, *entries[path])
    if entries or gone:
        _relink(base, _linking(base) != before)


def identity(path: str) -> int:
    """The row of a file: the same in every index, so that ties in a search end the same way in each."""
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest()) >> (64 - FILE_BITS)


def _linking(base: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """All that decides which page a link leads to."""
    return base.execute(
        "select path, site, title, page_id, aliases, links from file where site <> '' order by path"
    ).fetchall()


def _remove(base: sqlite3.Connection, path: str) -> None:
    found = base.execute("select id from file where path = ?", (path,)).fetchone()
    if found is None:
        return
    base.execute("delete from words where rowid in (select id from section where file = ?)", found)
    for table, column in (("section", "file"), ("name", "file"), ("file", "id")):
        base.execute(f"delete from {table} where {column} = ?", found)
    base.execute("delete from pages where rowid = ?", found)


def _insert(base: sqlite3.Connection, entry: Entry, stamp: Stamp) -> None:
    bodies = [searched(section.text) for section in entry.sections]
    links = [[link.target, link.standard, link.context] for link in entry.links]
    file = identity(entry.path)
    row = (
        file, entry.path, entry.kind.value, entry.digest, *stamp, entry.site, entry.title, entry.id,
        json.dumps(entry.aliases), json.dumps(entry.names), searched(entry.about), " ".join(entry.layers),
        json.dumps(links), sum(len(body) for body in bodies),
    )  # fmt: skip
    columns = "id, path, kind, digest, size, modified, changed, inode, site, title, page_id, aliases, names, about, layers, links, length"  # noqa: E501
    marks = ", ".join("?" * len(row))
    base.execute(f"insert into file ({columns}) values ({marks})", row)
    about = searched(entry.about)
    for number, (section, body) in enumerate(zip(entry.sections, bodies, strict=True)):
        made = (file << SECTION_BITS) + number
        base.execute(
            "insert into section (id, file, number, line, last, anchor, headings, tokens, bare, text)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (made, file, number, section.line, section.last, section.anchor,
             json.dumps(section.headings, ensure_ascii=False), section.tokens, _is_bare(section.text),
             section.text),
        )  # fmt: skip
        words = (made, searched(" ".join(section.headings)), body)
        base.execute("insert into words (rowid, headings, body) values (?, ?, ?)", words)
    headings = " ".join(dict.fromkeys(said for section in entry.sections for said in section.headings))
    base.execute(
        "insert into pages (rowid, title, about, headings, said) values (?, ?, ?, ?, '')",
        (file, entry.title, about, searched(headings)),
    )
    base.executemany(
        "insert or ignore into name values (?, ?, ?)",
        ((folded, file, rank) for rank, name in enumerate(entry.names) if (folded := fold(name))),
    )


def searched(text: str) -> str:
    """A text as it is searched: without comments and marks."""
    return _MARKS.sub(" ", _COMMENT.sub(" ", text))


def fold(name: str) -> str:
    """A name without regard to case and to what stands between its words."""
    words = re.findall(r"\w+", name.casefold().replace("_", " "))
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("the", "a", "an") else words)


def _is_bare(text: str) -> bool:
    """Whether a section is a heading and nothing else."""
    return all(not line.strip() or line.startswith("#") for line in text.split("\n"))


def _relink(base: sqlite3.Connection, changed: bool) -> None:
    """Resolve every link anew when names or links are others, and say of each page what links say."""
    if not changed:
        return
    from blumeops.site import vault

    rows = base.execute(
        "select id, path, site, title, page_id, aliases, links from file where site <> '' order by path"
    ).fetchall()
    pages = vault.vault(
        vault.Page(site, path, "", title, tuple(json.loads(aliases)), id=page_id)
        for _, path, site, title, page_id, aliases, _ in rows
    )
    ids = {site: number for number, _, site, *_ in rows}
    counted: Counter[tuple[int, int]] = Counter()
    said: defaultdict[int, list[str]] = defaultdict(list)
    for number, _, site, *_, links in rows:
        for target, standard, context in json.loads(links):
            found = _resolve(target, standard, site, pages)
            if found in ids and ids[found] != number:
                counted[number, ids[found]] += 1
                said[ids[found]].append(context)
    base.execute("delete from link")
    base.executemany("insert into link values (?, ?, ?)", ((*pair, n) for pair, n in sorted(counted.items())))
    for number, *_ in rows:
        _say(base, number, "\n".join(searched(one) for one in said[number][:MOST_SAID]))


def _say(base: sqlite3.Connection, file: int, said: str) -> None:
    if base.execute("select said from file where id = ?", (file,)).fetchone()[0] != said:
        base.execute("update file set said = ? where id = ?", (said, file))
        base.execute("update pages set said = ? where rowid = ?", (said, file))


def _resolve(target: str, standard: bool, site: str, pages: object) -> str:
    from blumeops.site.vault import Page, Vault

    assert isinstance(pages, Vault)
    if standard:
        return posixpath.normpath(posixpath.join(posixpath.dirname(site), unquote(target)))
    found = pages.resolve(target, origin=site)
    return found.path if isinstance(found, Page) else ""

"""What a search is for: a layer, or one page or runbook with what it is linked with."""

from __future__ import annotations

import difflib
import json
import sqlite3
from collections.abc import Mapping

from blumeops.context.rows import fold
from blumeops.errors import BlumeOpsError

LAYERS = ("tailnet", "hosts", "cluster")
FRONT_MATTER = json.dumps(("front matter",))
THE_LAYER, THE_PAGE, LINKED = 1.6, 2.5, 1.3
"""How much more counts what belongs to the layer, what is the page itself, and what it is linked with."""


def of(base: sqlite3.Connection, only: str) -> dict[int, float]:
    """By how much each file counts more for what was named. Raises `BlumeOpsError` when that is nothing."""
    if only.strip().casefold() in LAYERS:
        layer = only.strip().casefold()
        rows = base.execute("select id, layers from file").fetchall()
        return {number: THE_LAYER for number, layers in rows if layer in layers.split()}
    files = _files(base, only.strip())
    if not files:
        raise BlumeOpsError(f"there is no layer, page or runbook {only!r}", hint=_nearest(base, only))
    marks = ",".join("?" * len(files))
    rows = base.execute(
        f"select origin, target from link where origin in ({marks}) or target in ({marks})", [*files, *files]
    ).fetchall()
    linked = {number: LINKED for pair in rows for number in pair}
    return linked | dict.fromkeys(files, THE_PAGE)


def sections(base: sqlite3.Connection, focus: Mapping[int, float]) -> list[int]:
    """The sections of the page that a search is for: they count whether or not a word is in them."""
    files = [number for number, worth in focus.items() if worth == THE_PAGE]
    rows = base.execute(
        f"select id from section where file in ({','.join('?' * len(files))}) order by id", files
    )
    return [number for (number,) in rows]


def _files(base: sqlite3.Connection, only: str) -> list[int]:
    """By path, else by the name that means the fewest: a title before an alias."""
    name = only.removeprefix("[[").removesuffix("]]").partition("#")[0].strip()
    paths = {
        name,
        f"{name}.md",
        f"runbooks/{name.removesuffix('.md')}.md",
        f"docs/{name.removesuffix('.md')}.md",
    }
    found = base.execute(
        f"select id from file where path in ({','.join('?' * len(paths))})", sorted(paths)
    ).fetchall()
    if not found:
        wanted = fold(name.rpartition("/")[2].removesuffix(".md"))
        rows = base.execute(
            "select file, rank from name join file on file.id = file where name = ? and site <> ''", (wanted,)
        ).fetchall()
        found = [(file,) for file, rank in rows if rank == min(rank for _, rank in rows)]
    return [number for (number,) in found]


def _nearest(base: sqlite3.Connection, only: str) -> str:
    rows = base.execute("select title, names from file where site <> '' order by path").fetchall()
    known = [*LAYERS, *dict.fromkeys(name for title, names in rows for name in (title, *json.loads(names)))]
    by_fold = {fold(name): name for name in known}
    near = difflib.get_close_matches(fold(only), by_fold, 1, 0.6)
    return f"did you mean {by_fold[near[0]]}?" if near else "name a layer (tailnet, hosts, cluster) or a page"

"""The links between pages as a sign: what is linked with a page that answers is near to an answer."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Mapping

BEST = 30
"""So many of the best pages pass something on."""
PASSED_ON = 1 / 3


def spread(base: sqlite3.Connection, pages: Mapping[int, float]) -> dict[int, float]:
    """What each page gets from those that it is linked with, in either direction.

    A page with few links says more with one of them than a list that links to everything.
    """
    best = sorted(pages, key=lambda one: (-round(pages[one], 6), one))[:BEST]
    if not best:
        return {}
    marks = ",".join("?" * len(best))
    rows = base.execute(
        f"select origin, target from link where origin in ({marks}) or target in ({marks})", [*best, *best]
    ).fetchall()
    near: defaultdict[int, set[int]] = defaultdict(set)
    for origin, target in rows:
        near[origin].add(target)
        near[target].add(origin)
    got: defaultdict[int, list[float]] = defaultdict(list)
    for one in best:
        for other in near[one]:
            got[other].append(pages[one] * PASSED_ON / math.log2(2 + len(near[one])))
    # fsum does not depend on the order, which is that of row ids and differs from index to index.
    return {one: math.fsum(parts) for one, parts in got.items()}

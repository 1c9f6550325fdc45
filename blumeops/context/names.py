"""Names in a question: titles, aliases, services, hosts, roles, files, as the repository calls them."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Sequence

from blumeops.context.question import STOP

LONGEST = 5
"""Words of a name that is looked for."""
LATER = 0.2
"""A page is meant less by its second name than by its first, and so on."""


def named(base: sqlite3.Connection, words: Sequence[str]) -> dict[int, float]:
    """The files that some words call by a name, up to 1: less when many share the name."""
    spans = {
        " ".join(words[start:end])
        for start in range(len(words))
        for end in range(start + 1, min(start + LONGEST, len(words)) + 1)
    } - STOP
    rows = base.execute(
        f"select name, file, rank from name where name in ({','.join('?' * len(spans))})", sorted(spans)
    ).fetchall()
    shared = Counter(name for name, _, _ in rows)
    found: dict[int, float] = {}
    for name, file, rank in rows:
        worth = 1.0 / math.log2(1 + shared[name]) / (1 + LATER * rank)
        found[file] = max(found.get(file, 0.0), worth)
    return found

"""A context pack as plain data, for tools: what its Markdown says, with scores and reasons beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blumeops.context import rails, shown
from blumeops.context.untrusted import clean

if TYPE_CHECKING:
    from blumeops.context.excerpts import Excerpt
    from blumeops.context.freshness import Mark
    from blumeops.context.git_says import Row
    from blumeops.context.pack import Pack
    from blumeops.context.rehearsed import Rehearsed


def of(pack: Pack) -> dict[str, object]:
    """A pack as plain data. Foreign text in it is cleaned as in the Markdown; a string needs no fence."""
    return {
        "question": pack.question,
        "for": str(pack.focus) if pack.focus else "",
        "budget": pack.budget,
        "tokens": pack.tokens,
        "found": pack.found,
        "how_to_read": rails.DATA,
        "rails": list(pack.rails),
        "runbooks": [_runbook(one) for one in pack.runbooks],
        "entries": [_excerpt(one) for one in pack.entries],
        "desired": [_row(one) for one in pack.desired],
        "live": pack.live.as_json() if pack.live else None,
        "also": [
            {"path": one.path, "line": one.line, "said": clean(shown.pointer(one))} for one in pack.also
        ],
        "left_out": list(pack.left_out),
    }


def _runbook(one: Rehearsed) -> dict[str, object]:
    return {
        "name": one.name,
        "path": one.path,
        "command": one.command,
        "risk": one.risk,
        "last_run": one.said,
        "holds": one.holds,
        "parameters": list(one.parameters),
    }


def _excerpt(one: Excerpt) -> dict[str, object]:
    return {
        "path": one.path,
        "line": one.line,
        "last": one.last,
        "kind": one.kind.value,
        "anchor": one.anchor,
        "title": clean(one.title),
        "headings": [clean(heading) for heading in one.headings],
        "text": one.text,
        "clipped": one.clipped,
        "score": one.score,
        "why": one.why,
        "marks": [_mark(mark) for mark in one.here],
    }


def _mark(one: Mark) -> dict[str, object]:
    return {"doubt": one.doubt.value, "said": one.said, "line": one.line}


def _row(one: Row) -> dict[str, object]:
    return {
        "what": one.what,
        "path": one.path,
        "line": one.line,
        "last": one.last,
        "text": clean(one.text),
        "about": [clean(name) for name in one.about],
    }

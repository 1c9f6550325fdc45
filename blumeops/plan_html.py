"""Reports as HTML, for notebooks: a table with colours, and every diff to be opened below it.

Nothing in it asks another host for anything, and nothing that an engine said becomes HTML. A notebook has no
style sheet of ours, so the colours stand at the elements; each stands beside a word that says the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import assert_never

from blumeops import plan, redact

PAGES = "docs/explanation/reconciliation-{layer}.md"
"""The page that explains a layer's states; linked where it is there."""

GREEN, YELLOW, RED, PURPLE, GREY = "#2e8b57", "#b8860b", "#c0392b", "#8e44ad", "#777"

_ACTIONS = {
    plan.Action.CREATE: GREEN,
    plan.Action.UPDATE: YELLOW,
    plan.Action.REPLACE: PURPLE,
    plan.Action.DELETE: RED,
}
_STATES = {
    plan.State.IN_SYNC: GREEN,
    plan.State.PENDING: YELLOW,
    plan.State.DRIFTED: PURPLE,
    plan.State.DEGRADED: RED,
    plan.State.UNKNOWN: RED,
}
_LINES = {"+": GREEN, "-": RED, "@": PURPLE}


_masked = redact.Masker()
"""The net below the layers' own masking: a notebook in JupyterLab has no other."""


def table(answers: Sequence[plan.Answer]) -> str:
    """The answers as one table, with the changes and their diffs below it."""
    rows = "".join(_row(answer) for answer in answers)
    head = "".join(f"<th {_cell()}>{name}</th>" for name in ("layer", "state", "details"))
    changes = "".join(line for answer in answers for line in _changes(answer))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{changes}"


def _row(answer: plan.Answer) -> str:
    words = plan.state_words(answer).replace("*", "")
    state = f'<b style="color:{_colour(answer)}">{_text(words)}</b>'
    cells = (_layer(answer.layer), state, _text(plan.detail_words(answer)))
    return "<tr>" + "".join(f"<td {_cell()}>{cell}</td>" for cell in cells) + "</tr>"


def _text(words: str) -> str:
    """Words of an engine as text."""
    return escape(_masked(words))


def _cell() -> str:
    return 'style="text-align:left;vertical-align:top"'


def _colour(answer: plan.Answer) -> str:
    match answer:
        case plan.Status(state=state):
            return _STATES[state]
        case plan.Result():
            return GREEN if answer.succeeded else RED
        case plan.Plan(comparison=plan.Comparison.DRIFT):
            return PURPLE if answer.changes else GREEN
        case plan.Plan():
            return YELLOW if answer.changes else GREEN
        case _:
            assert_never(answer)


def _layer(name: str) -> str:
    """The layer's name, as a link to its page where this checkout has one; relative to the notebook."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        page = folder / PAGES.format(layer=name)
        if page.is_file():
            return f'<a href="{escape(os.path.relpath(page, here))}">{_text(name)}</a>'
        if (folder / ".git").exists():
            break
    return _text(name)


def _changes(answer: plan.Answer) -> Iterator[str]:
    if isinstance(answer, plan.Status):
        yield from (f'<div style="color:{GREY}">{_text(line)}</div>' for line in answer.details)
        return
    outcomes = answer.outcomes if isinstance(answer, plan.Result) else ()
    for number, change in enumerate(answer.changes):
        sign = f'<b style="color:{_ACTIONS[change.action]}">{change.action.sign} {change.action.value}</b>'
        became = f" – {outcomes[number].value}" if number < len(outcomes) else ""
        words = f"{sign} {_text(answer.layer)} <code>{_text(change.address)}</code>{became}"
        if change.diff:
            yield f"<details><summary>{words}</summary><pre>{_diff(change.diff)}</pre></details>"
        else:
            yield f"<div>{words}</div>"


def _diff(text: str) -> str:
    lines = []
    # Masked whole, because a key may go over many lines.
    for line in _masked(text).rstrip("\n").split("\n"):
        colour = _LINES.get(line[:1])
        shown = escape(line)
        lines.append(f'<span style="color:{colour}">{shown}</span>' if colour else shown)
    return "\n".join(lines)

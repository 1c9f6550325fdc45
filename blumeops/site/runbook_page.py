"""A runbook as a page: its prose, each step with its kind, and below it what it said in the last run."""

from __future__ import annotations

import re

from blumeops.runbooks import blocks, format
from blumeops.site import frontmatter, outputs, runbook_card, runbook_steps
from blumeops.site.runbook_card import About
from blumeops.site.runbook_steps import Cell
from blumeops.site.verified import LastRun

_BREAK = re.compile(r"\+\+\+.*")


def cells(text: str, source: str = "") -> list[Cell]:
    """The code cells of a runbook with the lines that they take. Raises `BadInput` that names `source`."""
    page = blocks.parse(text, source)
    end = text.count("\n")
    found = zip(format.cells(page, [], source), page.blocks, strict=True)
    return [Cell(cell, block.first - 1, block.last - 1 if block.last else end) for cell, block in found]


def render(text: str, linked: str, last: LastRun, about: About) -> str:
    """The page of a runbook as standard Markdown.

    `text` is the runbook's source, `linked` the same with wikilinks rewritten and embeds written out (which
    changes no cell), `last` what is known of its runs. Raises `BadInput` for options that cannot be read.
    """
    found = cells(linked, about.source)
    lines = linked.split("\n")
    body: list[str] = []
    starts = {cell.first: cell for cell in found}
    number, top = linked.count("\n", 0, frontmatter.end_of(linked)), 0
    while number < len(lines):
        cell = starts.get(number)
        if cell:
            body += _step(cell, last)
            number = cell.last
        elif not _BREAK.fullmatch(lines[number]):
            body.append(lines[number])
            top = top or (len(body) if lines[number].startswith("# ") else 0)
        number += 1
    card = runbook_card.cards(about, text, found, last)
    return "\n".join([*body[:top], "", card, "", *body[top:]]).strip("\n") + "\n"


def _step(cell: Cell, last: LastRun) -> list[str]:
    record = last.record
    mine = next((one for one in record.cells if one.index == cell.index), None) if record else None
    bar = runbook_steps.bar(cell, mine, record)
    said = "\n\n".join(runbook_steps.said(cell, mine))
    return ["", bar, "", outputs.fence(cell.source, "python"), "", said, ""]

"""A runbook as a page: its prose, each step with its kind, and below it what it said in the last run."""

from __future__ import annotations

import re

from blumeops.errors import BadInput
from blumeops.site import frontmatter, markdown, outputs, runbook_card, runbook_steps
from blumeops.site.runbook_card import About
from blumeops.site.runbook_steps import Cell
from blumeops.site.verified import LastRun

_CELL = re.compile(r"\{code-cell\}")
_OPTION = re.compile(r":(?P<name>[\w-]+):[ \t]*(?P<value>.*)")
_BREAK = re.compile(r"\+\+\+.*")


def cells(text: str) -> list[Cell]:
    """The code cells of a `md:myst` notebook, in order, with their sources as jupytext reads them."""
    found = [f for f in markdown.fences(text) if not f.lead and _CELL.match(f.info) and f.last is not None]
    return [_cell(n, f.lines, f.first, f.last or f.first) for n, f in enumerate(found)]


def _cell(index: int, lines: tuple[str, ...], first: int, last: int) -> Cell:
    rest, options = list(lines), dict[str, str]()
    if rest and rest[0].strip() == "---" and "---" in rest[1:]:
        end = rest.index("---", 1)
        options = _options("\n".join(rest[1:end]))
        rest = rest[end + 1 :]
    while rest and (found := _OPTION.match(rest[0])):
        options[found["name"]] = found["value"].strip()
        rest.pop(0)
    tags = tuple(re.findall(r"[\w-]+", options.get("tags", "")))
    return Cell(index, "\n".join(rest).strip("\n"), first, last, tags, options)


def _options(yaml: str) -> dict[str, str]:
    """The options of a cell written as a block of YAML, as texts. None where it cannot be read."""
    try:
        values = frontmatter.read(f"---\n{yaml}\n---\n", source="")
    except BadInput:
        return {}
    return {name: ", ".join(values.texts(name)) for name in values.values}


def render(text: str, linked: str, last: LastRun, about: About) -> str:
    """The page of a runbook as standard Markdown.

    `text` is the runbook's source, `linked` the same with wikilinks rewritten and embeds written out (which
    changes no cell), `last` what is known of its runs.
    """
    found = cells(linked)
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
    card = runbook_card.cards(about, text, cells(text), last)
    return "\n".join([*body[:top], "", card, "", *body[top:]]).strip("\n") + "\n"


def _step(cell: Cell, last: LastRun) -> list[str]:
    record = last.record
    mine = next((one for one in record.cells if one.index == cell.index), None) if record else None
    bar = runbook_steps.bar(cell, mine, record)
    said = "\n\n".join(runbook_steps.said(cell, mine))
    return ["", bar, "", outputs.fence(cell.source, "python"), "", said, ""]

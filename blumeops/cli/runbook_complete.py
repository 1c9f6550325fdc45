"""What the shell completes for the verbs over runbooks: names, steps, runs and targets of this checkout."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from blumeops.errors import BlumeOpsError


def root() -> Path:
    """The checkout around the current folder."""
    from blumeops.repository import find

    return find(Path.cwd().resolve()).root


def names(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The runbooks, each with its title."""
    from blumeops.runbooks import format

    try:
        books = format.find(root())
    except BlumeOpsError:
        return []
    return [CompletionItem(book.name, help=book.title) for book in books if book.name.startswith(begun)]


def steps(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The steps of the runbook that stands on the line."""
    from blumeops.runbooks import format
    from blumeops.runbooks.running_choice import CHOSEN

    try:
        # click has not got to the name yet when it stands before an option that still lacks its value.
        book = format.named(root(), str(context.params.get("name") or next(iter(context.args), "")))
    except BlumeOpsError:
        return []
    return _items(begun, (cell.name for cell in book.cells if cell.role in CHOSEN))


def runs(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The runs, the newest first, and the runbooks that have one."""
    from blumeops.runbooks import running_resume

    try:
        known = list(running_resume.told(root()))
    except BlumeOpsError:
        return []
    found = [CompletionItem(folder.id, help=record.status.value) for folder, record in known]
    return [item for item in found if item.value.startswith(begun)]


def targets(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The targets of this checkout."""
    from blumeops.runbooks import running_many

    try:
        return _items(begun, running_many.targets(root()))
    except BlumeOpsError:
        return []


def _items(begun: str, words: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(begun)]

"""Runbooks: how-to pages that run.

A runbook is one MyST Markdown file in `runbooks/`: a note, a page of the site, a notebook, and a procedure.
`format` reads it, `running` executes it in a kernel of its own and keeps a true record of every way in which
a run can end, `papermill_engine` lets papermill do the same.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blumeops.records import RunMode as RunMode
    from blumeops.records import RunRecord as RunRecord
    from blumeops.records import RunStatus as RunStatus
    from blumeops.runbooks.format import find as find
    from blumeops.runbooks.format import named as named
    from blumeops.runbooks.format import read as read
    from blumeops.runbooks.kept import keep as keep
    from blumeops.runbooks.model import Runbook as Runbook
    from blumeops.runbooks.running import EXIT_CODES as EXIT_CODES
    from blumeops.runbooks.running import Options as Options
    from blumeops.runbooks.running import execute as execute
    from blumeops.runbooks.running_choice import Choice as Choice
    from blumeops.runbooks.running_resume import resume as resume
    from blumeops.runbooks.running_story import transcript as transcript

_HOMES = {
    "Choice": "blumeops.runbooks.running_choice",
    "EXIT_CODES": "blumeops.runbooks.running",
    "Options": "blumeops.runbooks.running",
    "RunMode": "blumeops.records",
    "RunRecord": "blumeops.records",
    "RunStatus": "blumeops.records",
    "Runbook": "blumeops.runbooks.model",
    "execute": "blumeops.runbooks.running",
    "find": "blumeops.runbooks.format",
    "keep": "blumeops.runbooks.kept",
    "named": "blumeops.runbooks.format",
    "read": "blumeops.runbooks.format",
    "resume": "blumeops.runbooks.running_resume",
    "transcript": "blumeops.runbooks.running_story",
}


def __getattr__(name: str) -> object:
    """Import on first use (PEP 562): who lists runbooks does not load what runs them."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

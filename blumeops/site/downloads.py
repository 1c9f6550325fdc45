"""The notebook of each runbook, to download from its page: no outputs, nothing of a run, ready to be opened.

What a run said stands on the page. A notebook with outputs would go round the masking and the reading that
the page gives them, and whoever downloads one wants to run it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from blumeops.errors import BadInput
from blumeops.runbooks import format, notebook
from blumeops.site.vault import Page

_INJECTED = "injected-parameters"


def beside(page: Page) -> str:
    """The name of a runbook's notebook, which stands in the same folder as its page."""
    return posixpath.basename(page.path).removesuffix(".md") + ".ipynb"


def notebooks(runbooks: Iterable[Page]) -> dict[str, str]:
    """The text of each runbook's notebook, by its path in the site; none of one that cannot be read."""
    made = {}
    for page in runbooks:
        try:
            text = of(page.text, page.source)
        except BadInput:
            continue  # its page says so
        made[posixpath.join(posixpath.dirname(page.path), beside(page))] = text
    return made


def of(text: str, source: str) -> str:
    """A runbook as the text of an `.ipynb` file. Raises `BadInput` when it cannot be read."""
    made = notebook.blank(format.reads(text, Path(source)), {})
    return notebook.to_text({**made, "cells": list(_clean(made["cells"]))})


def _clean(cells: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The cells without what a run puts there."""
    for cell in cells:
        tags = cell["metadata"].get("tags", [])
        if _INJECTED not in tags:
            yield {**cell, "metadata": {"tags": tags} if tags else {}}

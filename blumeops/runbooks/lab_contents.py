"""What JupyterLab writes: the page as it was, but for what a person changed in it.

jupytext writes front matter anew, in YAML of its own: long lines are folded, comments are gone, and an
editor's kernel is added. Git would show that as a change that nobody made. So the old front matter stays,
byte for byte, unless it says something else now.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)?---\n", re.S)
_EDITORS = ("jupytext", "kernelspec")
"""What an editor of notebooks adds."""


class Contents(AsyncLargeFileManager):
    """Jupyter's own contents manager, below jupytext's, which hands it the page as text."""

    async def _save_file(self, os_path: str, content: str, format: str | None) -> None:
        path = Path(os_path)
        if path.suffix == ".md" and path.is_file():
            content = kept(path.read_text(encoding="utf-8"), content)
        await super()._save_file(os_path, content, format)  # type: ignore[no-untyped-call]  # Jupyter's, untyped


def kept(before: str, after: str) -> str:
    """The new text, with the old text's front matter when both say the same."""
    old, new = _FRONT_MATTER.match(before), _FRONT_MATTER.match(after)
    if new is None or (old is None and _said(new[0])):
        return after
    if old is None:
        return after[new.end() :].lstrip("\n")
    return old[0] + after[new.end() :] if _said(old[0]) == _said(new[0]) else after


def _said(front_matter: str) -> object:
    """What front matter says, without what editors add; the text itself when it is not YAML."""
    try:
        values = yaml.safe_load(front_matter.removesuffix("---\n")) or {}
    except yaml.YAMLError:
        return front_matter
    return (
        {key: value for key, value in values.items() if key not in _EDITORS}
        if isinstance(values, dict)
        else values
    )

"""What keeps a notebook's outputs out of Git: a filter that this checkout runs when it takes a file in.

A runbook is text and holds none. But whoever downloads one as a notebook, or tries something in a new one,
has outputs in it, with what a host said and perhaps a secret. `.gitattributes` names the filter; the program
it runs cannot be committed, so it is written into the checkout's own configuration.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from blumeops.errors import Problem
from blumeops.repository import Repository

FILTER = "nbstripout"
"""The filter's name in `.gitattributes`, the one that nbstripout itself gives it."""


def set_up(root: Path) -> bool:
    """Let this checkout's Git strip notebooks; True when it does now.

    Nothing happens where `.gitattributes` does not name the filter, or its program is not installed.
    """
    attributes = root / ".gitattributes"
    named = (
        (root / ".git").exists()
        and attributes.is_file()
        and f"filter={FILTER}" in attributes.read_text(encoding="utf-8")
    )
    if not named or importlib.util.find_spec(FILTER) is None:
        return False
    program = f'"{sys.executable}" -m {FILTER}'
    wanted = {f"filter.{FILTER}.clean": program, f"filter.{FILTER}.smudge": "cat"}
    git = Repository(root).git
    for key, value in wanted.items():
        if git("config", "--local", "--get", key, check=False).stdout.strip() != value:
            git("config", "--local", key, value)
    return True


def with_outputs(root: Path, paths: Iterable[str]) -> Iterator[Problem]:
    """What is wrong with these notebooks as they are staged: outputs, or no notebook at all.

    Staged and not on disk: with the filter, the file has its outputs and Git does not.
    """
    git = Repository(root).git
    for path in paths:
        staged = git("show", f":{path}", check=False)
        if not staged.ok:
            continue  # taken away by this commit
        try:
            cells = json.loads(staged.stdout)["cells"]
            wrong = sum(bool(cell.get("outputs") or cell.get("execution_count")) for cell in cells)
        except (ValueError, TypeError, KeyError, AttributeError):
            yield Problem("this is not a notebook", path)
            continue
        if wrong:
            what = f"outputs in {wrong} of {len(cells)} cells, with whatever a host said in them"
            yield Problem(what, path, hint=f"`{FILTER} {path}`, then `git add` it again")

"""What an assistant reads before anything else stays true and short: AGENTS.md, CLAUDE.md and llms.txt.

Their commands and paths are looked at with those of all pages. Here is what those checks do not know: that a
long `AGENTS.md` is read by nobody and paid for in every session, that `CLAUDE.md` is another name for it and
no second text, and what form `llms.txt` has. Where none of them is, none is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops.errors import Problem
from blumeops.facts.finding import Finding

if TYPE_CHECKING:
    from blumeops.site.staging import Staged

AGENTS, CLAUDE = "AGENTS.md", "CLAUDE.md"
LINES = 60
"""The longest `AGENTS.md`: everything in it is read in every session, needed or not."""
_IMPORT = re.compile(r"^@(?P<path>[^\s`]+)[ \t]*$", re.MULTILINE)
_CODE = re.compile(r"^(```+|~~~+).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)


def check(root: Path, *, ours: bool) -> Iterator[Finding]:
    """What is wrong with the two files of a repository; in somebody else's it is only worth a look."""
    agents, claude = _text(root / AGENTS), _text(root / CLAUDE)
    if agents is not None and (count := len(agents.splitlines())) > LINES:
        what = f"{count} lines; at most {LINES} are read as they should be"
        hint = "say where something stands, not what stands there"
        yield Finding(Problem(what, AGENTS, LINES + 1, 0, hint), ours)
    if ours and agents is not None and (claude is None or AGENTS not in _imports(claude)):
        what = f"does not point to {AGENTS}" if claude is not None else f"is not there, and {AGENTS} is"
        yield Finding(Problem(what, CLAUDE, 1, 0, f"write one line: @{AGENTS}"))
    for path in _imports(claude or ""):
        if not path.startswith("~") and not (root / path).is_file():
            line = (claude or "").count("\n", 0, (claude or "").index(f"@{path}")) + 1
            yield Finding(Problem(f"imports {path}, which is not there", CLAUDE, line), ours)


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else None


def _imports(text: str) -> list[str]:
    """The files that a `CLAUDE.md` takes in: a line `@PATH`; in code it is none."""
    return [found["path"].removeprefix("./") for found in _IMPORT.finditer(_CODE.sub("", text))]


def map_problems(staged: Staged, name: str) -> list[Problem]:
    """What is wrong with the `llms.txt` that a site of these pages has; nothing is built for it."""
    from blumeops.site import llms, llms_spec

    site = llms.Site.of(staged, name)
    path, text = site.map()
    return list(llms_spec.problems(text, path, site.has))

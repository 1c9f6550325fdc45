"""A new runbook that passes `runbook check` from its first minute, and runs: its author fills it in.

The skeleton looks at the plan of its layers, applies it behind a gate, and takes it back with a revert: what
most runbooks do. Comments say what is still to be written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import yaml

from blumeops.errors import BlumeOpsError
from blumeops.runbooks.blocks import parse
from blumeops.runbooks.canonical import canonical
from blumeops.runbooks.format import FOLDER
from blumeops.runbooks.model import Risk

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SKELETON = Path(__file__).parent / "skeleton.md"
_CHANGING = re.compile(r"<!-- (?P<kind>changes|read-only) -->\n(?P<text>.*?)<!-- end -->\n", re.DOTALL)


def name_of(title: str) -> str:
    """A file's name from a title: lower case, without accents, with hyphens."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def write(
    root: Path,
    name: str,
    *,
    title: str = "",
    layers: Sequence[str] = (),
    services: Sequence[str] = (),
    risk: Risk = Risk.CHANGES,
    owner: str,
) -> Path:
    """Write a runbook of that name and return its file. Never overwrites: raises `BlumeOpsError`."""
    if not _NAME.fullmatch(name):
        meant = name_of(name)
        raise BlumeOpsError(f"{name!r} is no name of a runbook", hint=f"such as {meant or 'restart-indri'}")
    path = root / FOLDER / f"{name}.md"
    title = title.strip() or name.replace("-", " ").capitalize()
    if "\n" in title:
        raise BlumeOpsError("a title is one line")
    text = _text(name, title, tuple(layers), tuple(services), risk, owner)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(canonical(text, parse(text, str(path))))
    except FileExistsError as error:
        raise BlumeOpsError("this runbook is there already", where=f"{FOLDER}/{name}.md") from error
    return path


def _text(
    name: str, title: str, layers: tuple[str, ...], services: tuple[str, ...], risk: Risk, owner: str
) -> str:
    front = {
        "title": title,
        "description": "Say in one sentence what this achieves and how it is proved.",
        "tags": ["runbook", "how-to"],
        "layers": list(layers),
        "services": list(services),
        "alerts": [],
        "risk": risk.value,
        "reversible": True,
        "owner": owner,
        "requires": [],
        "timeout": "10m",
        "verify-every": "30d",
    }
    kind = "read-only" if risk is Risk.READ_ONLY else "changes"
    body = _SKELETON.read_text(encoding="utf-8")
    body = _CHANGING.sub(lambda found: found["text"] if found["kind"] == kind else "", body)
    chosen = str(list(layers)).replace("'", '"') if layers else ""
    body = body.replace("LAYERS_AND ", f"{chosen}, " if chosen else "").replace("LAYERS", chosen)
    body = body.replace("NAME", name).replace("TITLE", title)
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n{body}"

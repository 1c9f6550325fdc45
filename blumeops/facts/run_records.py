"""The committed records of runbook runs: as a run wrote them, of a runbook that is there, with no secret.

A record keeps a text as a list of lines, in which a key of several lines cannot be seen: so what it says is
looked at as the page will show it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from blumeops import records
from blumeops.errors import BadInput, Problem
from blumeops.facts import secrets
from blumeops.facts.finding import Finding
from blumeops.facts.tree import Tree
from blumeops.records import RunRecord

_FOLDER = f"{records.COMMITTED.as_posix()}/"


def check(tree: Tree) -> Iterator[Finding]:
    """What is wrong with the committed records of a repository."""
    said: dict[str, str] = {}
    for path in tree.under(".json"):
        if not path.startswith(_FOLDER):
            continue
        name = posixpath.basename(path).removesuffix(".json")
        if f"runbooks/{name}.md" not in tree.files:
            yield Finding(Problem("there is no runbook of this name", path, hint="remove the record"), False)
        try:
            record = records.committed(tree.root, name)
        except BadInput as error:
            yield from (Finding(replace(problem, path=path)) for problem in error.problems)
            continue
        if record is not None:  # one of the first format proves nothing, and is shown nowhere
            said[path] = words(record)
    yield from leaks(tree.root, said)


def leaks(root: Path, said: Mapping[str, str]) -> Iterator[Finding]:
    """Every secret in texts, each of which is what the file of its path says."""
    texts = Tree(root, frozenset(said), _texts=dict(said))
    for one in secrets.check(texts, said):
        yield replace(one, problem=replace(one.problem, line=0, column=0))


def words(record: RunRecord) -> str:
    """All that a record makes a page say, as text."""
    parts = [record.note, record.who, record.identity, *(f"{k}={v}" for k, v in record.parameters.items())]
    for cell in record.cells:
        gate = (cell.gate.question, cell.gate.answer, cell.gate.who) if cell.gate else ()
        outputs = (one.text for one in cell.outputs if one.mime != "image/png")
        parts += [cell.name, cell.error, *gate, *outputs]
    return "\n".join(parts)

"""No secret gets onto a runbook's page: neither one in its text nor one that a run said ends a build well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from blumeops.errors import Problem
from blumeops.facts import run_records
from blumeops.records import COMMITTED, RUNS, RunRecord
from blumeops.site.vault import Page
from blumeops.site.verified import LastRun


def leaks(root: Path, runbooks: Mapping[str, Page], runs: Mapping[str, LastRun]) -> Iterator[Problem]:
    """Every secret in the runbooks and in the records that their pages show; itself it is never said."""
    said = {page.source: page.text for page in runbooks.values()}
    for name, last in runs.items():
        if last.record is not None:
            said[_place(root, name, last.record)] = run_records.words(last.record)
    yield from (one.problem for one in run_records.leaks(root, said))


def _place(root: Path, name: str, record: RunRecord) -> str:
    """The file that a record is in, as far as it is in this checkout."""
    fresh = RUNS / record.id / "record.json"
    return (fresh if record.id and (root / fresh).is_file() else COMMITTED / f"{name}.json").as_posix()

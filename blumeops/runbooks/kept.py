"""The records that are committed: what published pages show, written only by a run that proves the page."""

from __future__ import annotations

from pathlib import Path

from blumeops import records
from blumeops.errors import BlumeOpsError
from blumeops.records import RunRecord, RunStatus
from blumeops.runbooks.model import Runbook

CHECKOUT = "CHECKOUT"
"""What stands in a committed record for the folder of the repository."""


class NotKept(BlumeOpsError):
    """This run proves too little for a committed record: it was partial, on a real target, or not committed.

    Next: Commit the page, then run the whole of it on the sandbox.
    """

    exit_code = 1


def keep(root: Path, book: Runbook, record: RunRecord) -> Path | None:
    """Write the record of a run into `runbooks/records`; None for a run that did not pass.

    Raises `NotKept` for one that passed and proves less than the page promises: steps were left out, the page
    or the desired state was not committed (its commit would be a false word), or it ran on a real target,
    whose outputs are nobody else's business.
    """
    if record.status is not RunStatus.PASSED:
        return None
    why = _why_not(record)
    if why:
        raise NotKept(f"the record is not kept: {why}", where=book.name, hint="the run itself passed")
    path = root / records.COMMITTED / f"{book.name}.json"
    records.save(portable(record, root), path)
    return path


def portable(record: RunRecord, root: Path) -> RunRecord:
    """The record without the place of the checkout on this machine, which is nobody else's business."""
    place = str(root.resolve())

    def without(value: object) -> object:
        match value:
            case str():
                return value.replace(place, CHECKOUT)
            case list():
                return [without(one) for one in value]
            case dict():
                return {key: without(one) for key, one in value.items()}
            case _:
                return value

    return records.from_plain({key: without(value) for key, value in records.to_plain(record).items()})


def _why_not(record: RunRecord) -> str:
    if not record.verifies:
        return "steps were left out"
    if record.target != "sandbox":
        return f"it ran on {record.target}"
    if record.dirty:
        return "the page or homelab/ is not committed"
    return ""

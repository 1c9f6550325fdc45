"""Put a finished folder in the place of another one, so that at no moment there is none or half of one."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blumeops.errors import EngineError

_AT_FDCWD = -100
_EXCHANGE = 2
"""`RENAME_EXCHANGE` of Linux's `renameat2`: two names change places in one step."""
_PREFIX = "site-"


def clear(work: Path) -> None:
    """Remove what a build that was killed left below `work`; the caller holds its lock."""
    for left in work.glob(f"{_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def fresh_folder(work: Path) -> Iterator[Path]:
    """An empty folder for a new site below `work`, gone afterwards, however this ends."""
    work.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=work))
    fresh.chmod(0o755)
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def swap(fresh: Path, site: Path) -> None:
    """Let `site` be what `fresh` is. Afterwards `fresh` is what was there before, or is gone.

    Raises `EngineError` when it cannot be; `site` is then as it was.
    """
    try:
        try:
            _exchange(fresh, site)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _exchange_over_devices(fresh, site)
    except OSError as error:
        raise EngineError(f"the new site cannot be put in place: {error}", where=str(site)) from error


def _exchange_over_devices(fresh: Path, site: Path) -> None:
    beside = Path(tempfile.mkdtemp(prefix=f".{site.name}-", dir=site.parent))
    try:
        shutil.copytree(fresh, beside, dirs_exist_ok=True)
        _exchange(beside, site)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _exchange(fresh: Path, site: Path) -> None:
    if not site.exists():
        site.parent.mkdir(parents=True, exist_ok=True)
        fresh.rename(site)
    elif not _in_one_step(fresh, site):
        _in_two_steps(fresh, site)


def _in_one_step(one: Path, other: Path) -> bool:
    """Change two folders' places; False where the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _in_two_steps(fresh: Path, site: Path) -> None:
    old = fresh.with_name(fresh.name + "-old")
    site.rename(old)
    try:
        fresh.rename(site)
    except BaseException:
        old.rename(site)
        raise
    shutil.rmtree(old, ignore_errors=True)

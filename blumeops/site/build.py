"""Check and build the site: stage, let MkDocs render, put the new site in the place of the old at once."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from blumeops import process
from blumeops.errors import BadInput, BlumeOpsError, EngineError, Problem
from blumeops.site import staging
from blumeops.site.serve import SITE, serving, watch

BUILD_TIMEOUT_SECONDS = 300
_log = logging.getLogger(__name__)
_COMPLAINT = re.compile(r"^(?:WARNING|ERROR) +- +(?P<what>.*)$", re.MULTILINE)
_PAGE = re.compile(r"Doc file '(?P<page>[^']+)'")


def check(root: Path) -> staging.Staged:
    """Read and link every page without rendering it. Raises `BadInput` with every problem."""
    return staging.stage(root)


def build(root: Path, *, strict: bool = True) -> Path:
    """Build the site of a repository into `root / site` and return that folder.

    Raises `BadInput` for what is wrong in a page, and `EngineError` when MkDocs fails for another reason. The
    old site stays until the new one is whole, so a server never shows half of one.
    """
    staged = check(root)
    (root / "build").mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="site-", dir=root / "build"))
    fresh.chmod(0o755)
    try:
        _render(root, fresh, staged, strict=strict)
        _swap(fresh, root / SITE)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return root / SITE


def serve(root: Path, port: int, *, notify: Callable[[str], None] = _log.info) -> None:
    """Build, serve on 127.0.0.1, and build again when a page changes, until Ctrl-C.

    A page with a mistake keeps the last good site up; `notify` gets the URL and every error.
    """
    build(root)
    stop = threading.Event()
    with serving(root / SITE, port) as url, suppress(KeyboardInterrupt):
        notify(url)
        watch(root, partial(_rebuild, root, notify), stop)


def _rebuild(root: Path, notify: Callable[[str], None]) -> None:
    begun = time.monotonic()
    try:
        build(root)
    except BlumeOpsError as error:
        notify(str(error))
    else:
        notify(f"built again in {time.monotonic() - begun:.1f} s")


def _render(root: Path, into: Path, staged: staging.Staged, *, strict: bool) -> None:
    argv = [sys.executable, "-m", "mkdocs", "build", "--config-file", root / "mkdocs.yml", "--site-dir", into]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = process.run(
        [*argv, *(["--strict"] if strict else [])], cwd=root, env=env, timeout=BUILD_TIMEOUT_SECONDS
    )
    if done.ok:
        return
    if complaints := _COMPLAINT.findall(done.stderr):
        raise BadInput([_problem(complaint, staged) for complaint in complaints])
    done.check(hint="`.venv/bin/mkdocs build --strict` shows all of what it says")


def _problem(complaint: str, staged: staging.Staged) -> Problem:
    """What MkDocs says about a staged page, with the place where a person edits it."""
    found = _PAGE.search(complaint)
    page = staged.vault.pages.get(found["page"]) if found else None
    return Problem(complaint, page.source if page else "mkdocs.yml")


def _swap(fresh: Path, site: Path) -> None:
    """Put a finished folder in the place of another one by two renames."""
    old = fresh.with_name(fresh.name + "-old")
    try:
        if site.exists():
            site.rename(old)
        fresh.rename(site)
    except OSError as error:
        raise EngineError(f"the new site cannot be put in place: {error}", where=str(site)) from error
    shutil.rmtree(old, ignore_errors=True)

"""Check and build the site: stage, let MkDocs render, put the new site in the place of the old at once."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops.errors import BadInput, BlumeOpsError, EngineError, Locked, Problem
from blumeops.site import finished, markdown, staging
from blumeops.site.cache import Cache, digest
from blumeops.site.place import Place
from blumeops.site.serve import marks, serving, watch
from blumeops.site.session import Session
from blumeops.site.swap import clear, fresh_folder
from blumeops.site.swap import swap as _swap

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

    from blumeops.site.render import Rendered

BUILD_TIMEOUT_SECONDS = 300
CACHE = "pages.sqlite"
IGNORE = "# made by `blumeops docs build`; a folder without this line is never replaced\n*\n"
"""The `.gitignore` of a site in somebody else's repository."""
_log = logging.getLogger(__name__)
_PAGE = re.compile(r"Doc file '(?P<page>[^']+)' contains an? [\w ]*link '(?P<link>[^']*)'")


def check(where: Path | Place) -> staging.Staged:
    """Read and link every page without writing anything. Raises `BadInput` with every problem."""
    return staging.stage(Place.of(where), write=False)


def build(
    where: Path | Place,
    *,
    strict: bool = True,
    clean: bool = False,
    links: bool = True,
    session: Session | None = None,
) -> Path:
    """Build the site of a repository or vault into its site folder and return that folder.

    Raises `BadInput` for what is wrong in a page, and `EngineError` when MkDocs fails for another reason.
    The old site stays until the new one is whole, so a server never shows half of one. `clean` renders every
    page, whatever is remembered of it; the result is the same. Without `strict` a problem is logged, and the
    link stays as it was written. `links` reads the finished site and looks for links that lead nowhere, when
    the site is another one than the last time; a word is logged when lychee, which does it, is not here.
    A `session` keeps what it takes to build again at once; with one, `clean` and `links` must not be asked.
    """
    place = Place.of(where)
    _require_ours(place)
    with _alone(place):
        staged = staging.stage(place, strict=strict, kept=session.staging if session else None)
        if session is None or not _build_again(place, staged, session):
            _build(place, staged, session, strict=strict, clean=clean, links=links)
    return place.site


def _build_again(place: Place, staged: staging.Staged, session: Session) -> bool:
    """Make anew what changed since the session's last build; False when it takes a whole build."""
    with fresh_folder(place.work) as fresh, Cache(place.work / CACHE) as cache:
        done = session.again(place, staged, fresh, cache)
    if done is None:
        return False
    if done.complaints:
        raise BadInput([_problem(complaint, place, staged) for complaint in done.complaints])
    _log.info("%d pages rendered, %d as they were", done.rendered, len(staged.vault.pages) - done.rendered)
    return True


def _build(
    place: Place, staged: staging.Staged, session: Session | None, *, strict: bool, clean: bool, links: bool
) -> None:
    from blumeops.site import render, unchanged

    config, made = render.prepared(place, staged)
    checker = str(finished.lychee() or "") if links else ""
    if not clean and session is None and unchanged.stands(place, made, checker=checker):
        _say_unchecked(links, checker)
        _log.info("%d pages rendered, %d as they were", 0, len(staged.vault.pages))
        return
    with fresh_folder(place.work) as fresh:
        done = _render(place, staged, fresh, config, clean=clean)
        problems = [_problem(complaint, place, staged) for complaint in done.complaints]
        problems += finished.map_problems(fresh, staged)
        if links and not problems:
            problems = _dead_links(place, staged, fresh)
        if problems and strict:
            raise BadInput(problems)
        for problem in (*staged.problems, *problems):
            _log.warning("%s", problem)
        if not _is_at_home(place):
            (fresh / ".gitignore").write_text(IGNORE)
        files = unchanged.look(fresh)
        _swap(fresh, place.site)
        unchanged.remember(place, "" if problems else made, files, checker=checker)
        if session is not None:
            session.keep(place, staged, done, made)


def _say_unchecked(links: bool, checker: str) -> None:
    """Say that nobody looked at the links of the finished site, where somebody should have."""
    if links and not checker:
        _log.warning("links in the finished site were not checked: lychee is not here; %s", finished.INSTALL)


def serve(where: Path | Place, port: int, *, notify: Callable[[str], None] = _log.info) -> None:
    """Build, serve on 127.0.0.1, and build again when a page changes, until Ctrl-C.

    A page with a mistake keeps the last good site up; `notify` gets the URL and every error.
    """
    place = Place.of(where)
    session, seen = Session(), marks(place)
    build(place, links=False, session=session)
    stop = threading.Event()
    with serving(place.site, port, root=place.root) as url, suppress(KeyboardInterrupt):
        notify(url)
        watch(place, partial(_rebuild, place, notify, session), stop, seen)


def _rebuild(place: Place, notify: Callable[[str], None], session: Session | None = None) -> None:
    begun = time.monotonic()
    try:
        build(place, links=False, session=session)
    except BlumeOpsError as error:
        notify(str(error))
    else:
        notify(f"built again in {time.monotonic() - begun:.1f} s")


def _require_ours(place: Place) -> None:
    """Raise `BlumeOpsError` when the site would take the place of a folder that we did not make."""
    site = place.site
    if place.root.is_relative_to(site) or place.docs.is_relative_to(site):
        raise BlumeOpsError(
            "the site cannot go where its pages are", where=str(site), hint="name another: --out"
        )
    if _is_at_home(place) or not site.exists():
        return
    mark = site / ".gitignore"
    if not site.is_dir() or (any(site.iterdir()) and (not mark.is_file() or mark.read_text() != IGNORE)):
        hint = "name another folder with --out, or move this one away"
        raise BlumeOpsError("this is no site that we made, so it is not replaced", where=str(site), hint=hint)


def _is_at_home(place: Place) -> bool:
    """True for a site inside of our own repository, whose `.gitignore` has it."""
    return place.ours and place.site.is_relative_to(place.root)


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """Let one build at a time use a work folder; the second waits for the first."""
    from filelock import FileLock, Timeout

    place.work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.work / "build.lock", timeout=BUILD_TIMEOUT_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise Locked(
            "another build does not end", where=str(place.work), hint="end it, then build again"
        ) from error
    try:
        clear(place.work)
        yield
    finally:
        lock.release()


def _render(
    place: Place, staged: staging.Staged, fresh: Path, config: MkDocsConfig | None, *, clean: bool
) -> Rendered:
    from blumeops.site.render import render

    with Cache(None if clean else place.work / CACHE) as cache:
        try:
            done = render(place, staged, fresh, cache, config)
        except OSError as error:
            raise EngineError(
                f"the site cannot be written: {error.strerror}", where=str(error.filename)
            ) from error
    _log.info("%d pages rendered, %d as they were", done.rendered, done.remembered)
    return done


def _dead_links(place: Place, staged: staging.Staged, fresh: Path) -> list[Problem]:
    program = finished.lychee()
    if program is None:
        _say_unchecked(True, "")
        return []
    mark, seen = place.work / "links.checked", _digest_of(fresh, str(program))
    if mark.is_file() and mark.read_text() == seen:
        return []
    problems = finished.dead_links(program, fresh, place, staged)
    if not problems:
        mark.write_text(seen)
    return problems


def _digest_of(folder: Path, *besides: str) -> str:
    """What a site's links and anchors are: its pages, and the names of its other files."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    read = {".html", ".md"}
    parts = [f.read_bytes() if f.suffix in read else str(f.relative_to(folder)) for f in files]
    return digest(*besides, *parts).hex()


def _problem(complaint: str, place: Place, staged: staging.Staged) -> Problem:
    """What MkDocs says about a staged page, with the place where a person edits it."""
    found = _PAGE.search(complaint)
    page = staged.vault.pages.get(found["page"]) if found else None
    if found is None or page is None:
        return Problem(complaint, place.config.name)
    at = markdown.mask(page.text).find(found["link"])
    line, column = markdown.place(page.text, at) if at >= 0 else (0, 0)
    return Problem(complaint, page.source, line, column)

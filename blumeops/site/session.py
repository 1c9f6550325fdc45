"""What a process that builds again and again keeps, so that a saved page is served at once.

Of the last build everything is kept. When only the texts of pages changed, and none of what they show in
other pages, those pages are made again and put in their places one by one; the search index and the other
files that are made of all pages are made anew. In every other case there is a whole build. A test compares
the two, file by file.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops.site.cache import Cache, digest, json_text
from blumeops.site.place import Place
from blumeops.site.staging import Kept, Staged

if TYPE_CHECKING:
    from blumeops.site.render import Rendered, _Build


@dataclass(slots=True)
class Session:
    """The last build of a place, for one thread. Empty at first, and whenever something was wrong."""

    staging: Kept = field(default_factory=Kept)
    _build: _Build | None = None
    _around: bytes = b""
    _files: str = ""
    _digests: dict[str, bytes] = field(default_factory=dict)

    def forget(self) -> None:
        """Let the next build be a whole one."""
        self._build = None

    def keep(self, place: Place, staged: Staged, done: Rendered, made: str) -> None:
        """Remember a build whose site stands at its place by now; not one that may depend on more."""
        from blumeops.site import unchanged

        self._build = done.build if made else None
        if self._build is not None:
            self._around, self._digests = _around(place, staged), dict(staged.digests)
            self._files = unchanged.look(place.site)

    def again(self, place: Place, staged: Staged, fresh: Path, cache: Cache) -> Rendered | None:
        """Bring the site up to date with `fresh` as a work folder; None when that takes a whole build.

        The site is as it was when there are complaints.
        """
        from blumeops.site import render, unchanged

        build, self._build = self._build, None
        if (
            build is None
            or self._around != _around(place, staged)
            or unchanged.look(place.site) != self._files
        ):
            return None
        changed = [path for path, made in staged.digests.items() if self._digests[path] != made]
        done = render.again(build, place, staged, changed, fresh, cache)
        if done is not None and not done.complaints:
            _put(fresh, place.site)
            self._build, self._digests = build, dict(staged.digests)
            self._files = unchanged.look(place.site)
        return done


def _around(place: Place, staged: Staged) -> bytes:
    """What must not have changed: the files that there are, their order, the configuration, the theme."""
    from mkdocs.utils import get_build_date

    from blumeops.site import unchanged
    from blumeops.site.place import PACKAGED, _configured

    sources = [[path, page.source] for path, page in staged.vault.pages.items()]
    return digest(
        json_text([sorted(staged.digests), sources, staged.nav, get_build_date(), str(place)]),
        *(digest(*_configured(file)) for file in (place.config, PACKAGED)),
        unchanged.look(Path(__file__).with_name("theme")),
    )


def _put(fresh: Path, site: Path) -> None:
    """Put each file into its place in one step, those first that a reader looks at last."""
    for file in sorted(_under(fresh), key=lambda file: file.suffix == ".html"):
        to = site / file.relative_to(fresh)
        try:
            os.replace(file, to)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            beside = to.with_name(f".{to.name}.new")
            shutil.copyfile(file, beside)
            os.replace(beside, to)
    os.utime(site / "index.html")  # an open page asks when the site was built


def _under(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())

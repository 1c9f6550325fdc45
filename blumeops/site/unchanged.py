"""Whether the site that stands there is the one that a build would make: then there is nothing to make.

What MkDocs makes of a staged tree depends on the tree, the configuration, the templates, the versions of what
is installed, and the day. Of those there is one digest; the files of the site are known by what the file
system says of them, so one that somebody touched is made again. Where a plugin or a hook may read more than
that, or where anything was wrong, nothing is remembered.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.utils import get_build_date

from blumeops.site import llms
from blumeops.site.cache import digest, json_text
from blumeops.site.convert import is_pure
from blumeops.site.digests import surroundings
from blumeops.site.place import Place
from blumeops.site.staging import Staged

MARK = "site.built"
_PURE = frozenset({"blumeops", "search", "material/search"})


def key(place: Place, staged: Staged, config: MkDocsConfig) -> str:
    """The digest of everything that the site is made from; empty when we cannot know it."""
    if staged.problems or config.hooks or not _PURE.issuperset(config.plugins):
        return ""
    if not all(is_pure(name) for name in config.markdown_extensions):
        return ""
    try:
        around = surroundings(config)
        sources = [
            [path, page.source, (place.root / page.source).is_file()]
            for path, page in staged.vault.pages.items()
        ]
        return digest(
            around,
            llms.made_from(staged.basis) if staged.basis else "",
            *(part for path, made in sorted(staged.digests.items()) for part in (path, made)),
            json_text([sources, staged.nav, get_build_date(), place.name, str(place.root)]),
            *(part for folder in _ours(config) for part in _files(folder)),
        ).hex()
    except TypeError:
        return ""


def _ours(config: MkDocsConfig) -> list[Path]:
    """The theme's folders that no installed package stands for, and ours."""
    folders = {Path(folder) for folder in config.theme.dirs if "site-packages" not in Path(folder).parts}
    return sorted({*folders, Path(__file__).with_name("theme")})


def stands(place: Place, made: str, *, checker: str = "") -> bool:
    """True when the site is there as it was when `remember` saw it, and was made from the same.

    `checker` is the program that must have looked at its links.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept: dict[str, str] = json.loads((place.work / MARK).read_text())
        if made and kept["made"] == made and (not checker or kept["checker"] == checker):
            return kept["files"] == look(place.site)
    return False


def remember(place: Place, made: str, files: str, *, checker: str = "") -> None:
    """Keep what a site was made from, and what `look` said of it; without `made`, that nothing is known."""
    with suppress(OSError):
        if made:
            (place.work / MARK).write_text(json.dumps({"made": made, "files": files, "checker": checker}))
        else:
            (place.work / MARK).unlink(missing_ok=True)


def look(folder: Path) -> str:
    """All files of a folder as the file system knows them: another inode, size or time gives another text."""
    return digest(*_files(folder)).hex()


def _files(folder: Path) -> Iterator[str]:
    top = len(str(folder))
    pending = [str(folder)]
    while pending:
        for entry in sorted(os.scandir(pending.pop()), key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            else:
                at = entry.stat(follow_symlinks=False)
                said = (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)
                yield f"{entry.path[top:]} {said}"

"""The staged tree for another generator: a `mkdocs.yml` beside it that needs nothing of ours installed.

What is staged is standard Markdown, so MkDocs, ProperDocs and Zensical build it alike. What only our plugin
adds is missing there: the content security policy, and edit links to files outside of `docs/`.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from blumeops.site import page_end
from blumeops.site.place import PACKAGED, Place
from blumeops.site.staging import Staged

THEME = Path(__file__).with_name("theme")
CONFIGURATION = "mkdocs.yml"
_OF_THEIR_FOLDER = frozenset({"index.md", "README.md"})
"""Pages whose address is that of their folder."""
_PLUGINS = re.compile(r"^plugins:\n(?:[ \t]+.*\n)+", re.MULTILINE)


def configuration(place: Place, staged: Staged, folder: Path, *, from_file: bool = False) -> Path:
    """Write a project for any generator of MkDocs' family into a folder; returns its configuration.

    The folder gets a copy of the staged tree and of the theme, as Zensical wants all below its project. With
    `from_file` the HTML at the end of each page leads on from where its file is and not from where the page
    will be: Zensical counts so in HTML too, MkDocs and ProperDocs leave HTML alone.
    """
    _copy(staged.folder, folder / "docs")
    if from_file:
        for file in (folder / "docs").rglob("*.md"):
            if file.name not in _OF_THEIR_FOLDER:
                file.write_text(_one_level_less(file.read_text(encoding="utf-8")), encoding="utf-8")
    _copy(THEME, folder / "theme")
    # Each generator has a site map of its own, and Zensical's templates are not quite those of MkDocs.
    (folder / "theme/sitemap.xml").unlink(missing_ok=True)
    file = folder / CONFIGURATION
    file.write_text(_text(place, staged), encoding="utf-8")
    return file


def _text(place: Place, staged: Staged) -> str:
    text = PACKAGED.read_text(encoding="utf-8")
    text = _PLUGINS.sub("plugins:\n  - search\n", text)
    text = re.sub(
        r"^site_name:.*$", lambda _: f"site_name: {json.dumps(place.name)}", text, flags=re.MULTILINE
    )
    text = re.sub(r"^docs_dir:.*$", "docs_dir: docs", text, flags=re.MULTILINE)
    text = text.replace("  name: material\n", "  name: material\n  custom_dir: theme\n", 1)
    return f"{text.rstrip()}\n\nnav: {json.dumps(staged.nav, ensure_ascii=False)}\n"


def _one_level_less(text: str) -> str:
    body, end = page_end.cut(text)
    return body + re.sub(r'(href|src)="\.\./', r'\1="', end)


def _copy(one: Path, other: Path) -> None:
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(one, other)

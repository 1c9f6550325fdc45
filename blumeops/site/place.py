"""Where a site comes from and where it goes: this repository, any other one, or a bare vault of notes.

A repository is *ours* when the `mkdocs.yml` in it names our plugin: it is staged into its `build/` and built
into its `site/`, both of which its `.gitignore` has. Any other folder is somebody else's. Nothing is written
there but the finished site: the staged tree goes to a cache folder, and the site folder ignores itself in
Git. A folder that was there before and is no site of ours is never replaced.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from blumeops.errors import BadInput, BlumeOpsError, Problem

PACKAGED = Path(__file__).with_name("mkdocs.yml")
"""The configuration for every repository that brings none of its own."""
SITE = "site"
STAGED = Path("build/docs")
_PLUGIN = re.compile(
    r"^[ \t]+(?:-[ \t]*)?[\"']?blumeops[\"']?[ \t]*(?::.*|#.*)?$|^INHERIT:.*\bblumeops/", re.MULTILINE
)
_INHERIT = re.compile(r"^INHERIT:[ \t]*[\"']?(?P<path>[^\"'#\n]+?)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)
_NAME = re.compile(r"^site_name:[ \t]*[\"']?(?P<name>[^\"'#\n]+?)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)
_URL = re.compile(r"^site_url:[ \t]*[\"']?(?P<url>https?://[^\"'#\s]+)", re.MULTILINE)
_HEADING = re.compile(r"^(?:# |title:[ \t]*[\"']?)(?P<name>[^\n]+?)[\"']?[ \t]*$", re.MULTILINE)
_NOTEBOOK = re.compile(r"\A---\n(?:.*\n)*?jupy(?:text|ter):", re.MULTILINE)
_INHERITED_AT_MOST = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A repository or vault: what is read there, and where the staged tree and the site go.

    `docs` holds the pages, `runbooks` the notebooks (it need not exist), `config` is the configuration that
    MkDocs gets. `ours` is false for somebody else's folder; `staged` and `site` are then not both inside it.
    `note` says what a person may not expect, such as a configuration that is not used; `url` is where the
    site will be, empty when its configuration does not say.
    """

    root: Path
    docs: Path
    runbooks: Path
    config: Path
    ours: bool
    staged: Path
    site: Path
    name: str
    note: str = ""
    url: str = ""

    @staticmethod
    def of(
        root: Path | Place,
        *,
        config: Path | None = None,
        out: Path | None = None,
        cache: Path | None = None,
    ) -> Place:
        """The place that a folder is. Raises `BlumeOpsError` when it is no folder.

        `config` names another `mkdocs.yml` than the one that would be taken, `out` another site folder, and
        `cache` the folder for the work on somebody else's pages, when it is not the user's.
        """
        place = root if isinstance(root, Place) else _of(root, cache)
        if config is not None:
            place = replace(place, config=_configuration(config), note="")
        return replace(place, site=out.absolute()) if out is not None else place

    @property
    def work(self) -> Path:
        """The folder for what is made on the way to a site."""
        return self.staged.parent

    def source(self, file: Path) -> str:
        """How a person calls a file of this place: its path from the root, with `/`."""
        return file.relative_to(self.root).as_posix()


def _of(root: Path, cache: Path | None) -> Place:
    if not root.is_dir():
        raise BlumeOpsError(
            "this is no folder", where=str(root), hint="name a repository or a vault: --root DIR"
        )
    root = root.absolute()
    own = root / "mkdocs.yml"
    texts = _configured(own)
    ours = any(_PLUGIN.search(text) for text in texts)
    docs = root / "docs" if (root / "docs").is_dir() else root
    note = (
        f"{own.name} in {root} does not name our plugin: built with our configuration; --config takes theirs"
    )
    return Place(
        root=root,
        docs=docs,
        runbooks=root / "runbooks" if ours or _has_notebooks(root) else root / ".no-runbooks",
        config=own if ours else PACKAGED,
        ours=ours,
        staged=root / STAGED if ours else _work(root, cache) / "docs",
        site=root / SITE,
        name=_name(root, docs, texts),
        note=note if texts and not ours else "",
        url=next((found["url"] for text in texts if (found := _URL.search(text))), ""),
    )


def _configured(file: Path) -> list[str]:
    """The texts of a configuration and of those that it inherits from, itself first."""
    texts: list[str] = []
    while file.is_file() and len(texts) < _INHERITED_AT_MOST:
        texts.append(file.read_text(encoding="utf-8", errors="replace"))
        found = _INHERIT.search(texts[-1])
        if not found:
            break
        file = file.parent / found["path"]
    return texts


def _configuration(file: Path) -> Path:
    if not file.is_file():
        raise BadInput(
            [Problem("there is no such configuration", str(file), hint="--config names a mkdocs.yml")]
        )
    return file.absolute()


def _name(root: Path, docs: Path, texts: list[str]) -> str:
    """What the site is called: as its configuration says, else its front page, else its folder."""
    # Themes write the name into attributes as it is.
    return _called(root, docs, texts).replace('"', "'").translate({ord("<"): "‹", ord(">"): "›"})


def _called(root: Path, docs: Path, texts: list[str]) -> str:
    for text in texts:
        if found := _NAME.search(text):
            return found["name"].strip()
    for index in (docs / "index.md", docs / "README.md", root / "README.md"):
        if index.is_file() and index.resolve().is_relative_to(root.resolve()):
            text = index.read_text(encoding="utf-8", errors="replace")[:4096]
            if found := _HEADING.search(text):
                return re.sub(r"[\[\]`*_<>]", "", found["name"]).strip() or root.name
    return root.name or "Notes"


def _has_notebooks(root: Path) -> bool:
    for file in sorted((root / "runbooks").glob("*.md")):
        if file.is_file() and not file.is_symlink():
            with file.open(encoding="utf-8", errors="replace") as text:
                if _NOTEBOOK.match(text.read(2048)):
                    return True
    return False


def cache_folder() -> Path:
    """Where what can be made again is kept: `$BLUMEOPS_CACHE`, else `blumeops` in the user's cache folder."""
    chosen = os.environ.get("BLUMEOPS_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(chosen).absolute() if chosen else base / "blumeops"


def _work(root: Path, cache: Path | None) -> Path:
    """The work folder of somebody else's repository: one for each path, outside of it."""
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
    return (cache or cache_folder()) / "sites" / f"{root.name or 'root'}-{digest}"

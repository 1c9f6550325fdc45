"""Digests of what a page is made from besides its own text: configuration, theme, versions, navigation.

Whatever has no form that stays the same from run to run raises `TypeError`: such a page is not cached.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.base import Config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import BasePlugin, PluginCollection
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page
from mkdocs.theme import Theme

from blumeops.site.cache import digest, json_text

_OF_THIS_RUN = frozenset({"site_dir", "docs_dir", "config_file_path", "nav", "theme", "plugins", "hooks"})
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_ENVIRONMENT = ("SOURCE_DATE_EPOCH",)
_CODE = ("*.py", "*.html", "*.svg")


def surroundings(config: MkDocsConfig) -> bytes:
    """Everything that is the same for all pages: versions, configuration, templates, our own code."""
    return digest(
        sys.version,
        *_packages(),
        *(os.environ.get(name, "") for name in _ENVIRONMENT),
        json_text(plain({key: value for key, value in config.items() if key not in _OF_THIS_RUN})),
        json_text(plain({name: plugin.config for name, plugin in config.plugins.items()})),
        json_text(plain({"name": config.theme.name, **{key: config.theme[key] for key in config.theme}})),
        *_files(Path(hook) for hook in config.hooks),
        *_files(_of_theme(config.theme)),
        *_files(_matching(Path(__file__).parent)),
    )


def _packages() -> list[str]:
    """Every installed distribution with its version, from the names of its metadata folders."""
    folders = [Path(path) for path in sys.path if path and Path(path).is_dir()]
    return sorted({name for folder in folders for name in os.listdir(folder) if name.endswith(".dist-info")})


def _of_theme(theme: Theme) -> Iterator[Path]:
    """The templates of the theme's folders, but for those of an installed package: its version stands in."""
    for folder in theme.dirs:
        if "site-packages" not in Path(folder).parts:
            yield from _matching(Path(folder))


def _matching(folder: Path) -> Iterator[Path]:
    yield from sorted(file for pattern in _CODE for file in folder.rglob(pattern) if file.is_file())


def _files(files: Iterable[Path]) -> Iterator[bytes]:
    for file in files:
        yield file.name.encode()
        yield file.read_bytes()


def plain(value: object) -> Any:
    """A configuration value in the forms of JSON. Raises `TypeError` for what it cannot be sure of."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping() | Config():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case set() | frozenset():
            return sorted(str(inner) for inner in value)
        case PluginCollection():
            return list(value)
        case BasePlugin():
            return plain(value.config)
    said = _ADDRESS.sub("", f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)!r}")
    return f"{type(value).__qualname__}:{said}"


class Neighbourhoods:
    """What each page's template reads of the navigation, as a digest.

    With `navigation.prune` that is: the top, the sections that the page stands in, and for each entry there
    its title, where it leads and how it is shown. Without it, every page shows everything.
    """

    def __init__(self, nav: Navigation, config: MkDocsConfig) -> None:
        self._levels: dict[int, bytes] = {}
        self._top = nav.items
        pruned = "navigation.prune" in (config.theme.get("features") or ())
        self._whole = b"" if pruned else digest(json_text([_tree(item) for item in nav.items]))

    def of(self, page: Page) -> bytes:
        """The digest for one page; the titles of all pages must be known."""
        around: list[bytes] = [self._level(self._top)]
        section = page.parent
        while section is not None:
            around.append(self._level(section.children))
            around.append(digest(json_text(brief(section))))
            section = section.parent
        beside = [brief(one) if one else None for one in (page.previous_page, page.next_page)]
        return digest(*around, json_text(beside), self._whole)

    def _level(self, items: list[Any]) -> bytes:
        if id(items) not in self._levels:
            self._levels[id(items)] = digest(json_text([brief(item) for item in items]))
        return self._levels[id(items)]


def outline(items: Iterable[Any]) -> list[Any]:
    """A table of contents as plain values."""
    return [[item.title, item.id, item.level, outline(item.children)] for item in items]


def brief(item: Any) -> Any:
    """A navigation entry as it is shown where it is not opened."""
    if not item.children:
        return [item.title, item.url, _shown(item)]
    # How many there are shows: Material's templates leave a line for each that they look at.
    indexes = [[child.title, child.url, _shown(child)] for child in item.children if _is_index(child)]
    return [item.title, len(item.children), brief(item.children[0]), indexes]


def _is_index(item: Any) -> bool:
    return bool(getattr(item, "is_index", False))


def _shown(item: Any) -> Any:
    meta = getattr(item, "meta", None) or {}
    said = {key: str(meta[key]) for key in ("icon", "status", "subtitle", "hide", "title") if key in meta}
    return [said, bool(getattr(item, "encrypted", False))]


def _tree(item: Any) -> Any:
    return [brief(item), [_tree(child) for child in item.children or ()]]

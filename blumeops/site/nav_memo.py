"""Material's navigation, with the entries that many pages share filled in once.

With `navigation.prune` a page shows the entries of its own section, so a section of n pages costs n times n
entries. All but the active one are the same text on each page that stands in the same folder of the site.
Material's own template still makes every entry; only the call in its loop is led through a memory.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, DictLoader, Environment

TEMPLATE = "partials/nav-item.html"
_CALL = '{{ render(item, path ~ "_" ~ loop.index, level + 1, nav_item) }}'
_REMEMBERED = '{{ remembered(page, item, path ~ "_" ~ loop.index, level + 1, nav_item, render) }}'


def remember(env: Environment, features: list[str]) -> Environment:
    """Let an environment's navigation remember. Without the line that we know, it stays as it is."""
    if "navigation.prune" not in features or not isinstance(env.loader, BaseLoader):
        return env
    source, _, _ = env.loader.get_source(env, TEMPLATE)
    if _CALL in source:
        patched = DictLoader({TEMPLATE: source.replace(_CALL, _REMEMBERED)})
        env.loader = ChoiceLoader([patched, env.loader])
        env.globals["remembered"] = _Remembered()
    return env


class _Remembered:
    """The entries that are not active, by where they are seen from."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], str] = {}

    def __call__(
        self, page: Any, item: Any, path: str, level: int, parent: Any, render: Callable[..., str]
    ) -> str:
        if page is None or item.active or _leads_below(item, page.url):
            return render(item, path, level, parent)
        key = (id(item), path, level, parent.active, posixpath.dirname(page.url.rstrip("/")), page.url[-1:])
        if key not in self._made:
            self._made[key] = render(item, path, level, parent)
        return self._made[key]


def _leads_below(item: Any, url: str) -> bool:
    """True when the way to an entry is shorter from this page than from those beside it."""
    while item.children:
        item = item.children[0]
    return not url or not item.url or item.url.startswith(url)

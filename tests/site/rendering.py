"""Markdown as the site renders it: with the extensions of the real `mkdocs.yml`."""

from __future__ import annotations

from functools import cache

from markdown import Markdown
from mkdocs.utils import yaml_load

from tests.site.conftest import ROOT


@cache
def _converter() -> Markdown:
    with (ROOT / "mkdocs.yml").open() as file:
        named = yaml_load(file)["markdown_extensions"]
    configured = {name: options for one in named if isinstance(one, dict) for name, options in one.items()}
    names = [next(iter(one)) if isinstance(one, dict) else one for one in named]
    return Markdown(extensions=names, extension_configs=configured)


def render(text: str) -> str:
    """The HTML of a page's body; front matter is left out as MkDocs does."""
    from mkdocs.utils.meta import get_data

    return _converter().reset().convert(get_data(text)[0])

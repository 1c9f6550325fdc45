"""Markdown as the site renders it: with the extensions of the real `mkdocs.yml`."""

from __future__ import annotations

import re
from functools import cache

from markdown import Markdown
from mkdocs.utils import yaml_load
from mkdocs.utils.meta import get_data

from tests.site.conftest import ROOT


@cache
def _converter() -> Markdown:
    with (ROOT / "mkdocs.yml").open() as file:
        named = yaml_load(file)["markdown_extensions"]
    configured = {name: options for one in named if isinstance(one, dict) for name, options in one.items()}
    names = [next(iter(one)) if isinstance(one, dict) else one for one in named]
    return Markdown(extensions=names, extension_configs=configured)


def render(text: str) -> str:
    """The HTML of a page's body, front matter read away as MkDocs does, headings without their permalinks."""
    rendered = _converter().reset().convert(get_data(text)[0])
    return re.sub(r'<a class="headerlink"[^>]*>.*?</a>', "", rendered)

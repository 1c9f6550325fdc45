"""Markdown to HTML as MkDocs does it, with one converter for all pages of a build instead of one for each."""

from __future__ import annotations

import re
from typing import Any

import markdown
from markdown.preprocessors import Preprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure import pages as mkdocs_pages
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import get_toc

_PURE = ("markdown.extensions.", "pymdownx.", "material.extensions.")
_READS_FILES = frozenset({"pymdownx.snippets", "pymdownx.b64", "pymdownx.pathconverter"})
_BUILT_IN = frozenset({"toc", "tables", "fenced_code", "admonition", "attr_list", "def_list", "footnotes",
                       "md_in_html", "abbr", "meta", "extra", "nl2br", "sane_lists", "smarty"})  # fmt: skip
_PRIORITY_OF_HTML = 20
"""Where Python-Markdown has its `html_block`."""
_ANCHOR = re.compile(r"\b(?:id|name)\s*=", re.IGNORECASE)


def is_pure(extension: str) -> bool:
    """True for an extension of which we know that it reads nothing but the page and the list of files."""
    known = extension in _BUILT_IN or extension.startswith(_PURE)
    return known and extension not in _READS_FILES


class Links(mkdocs_pages._RelativePathTreeprocessor):
    """MkDocs' own look-up of a page's links, which notes what each one became."""

    def __init__(self, file: File, files: Files, config: MkDocsConfig) -> None:
        super().__init__(file, files, config)
        self.became: dict[str, str] = {}

    def path_to_url(self, url: str) -> str:
        """The address of a link's target, as it is written in the page."""
        self.became[url] = made = super().path_to_url(url)
        return made


class _Anchors(mkdocs_pages._RawHTMLPreprocessor):
    """The anchors in a page's own HTML. Without one there, the page need not be read as HTML at all."""

    def run(self, lines: list[str]) -> list[str]:
        self.present_anchor_ids = set()
        return super().run(lines) if any(_ANCHOR.search(line) for line in lines) else lines


class _Blocks(Preprocessor):
    """Python-Markdown's search for blocks of HTML, which reads every character: not where there is no `<`."""

    def __init__(self, theirs: Preprocessor) -> None:
        super().__init__(theirs.md)
        self._theirs = theirs

    def run(self, lines: list[str]) -> list[str]:
        return self._theirs.run(lines) if any("<" in line for line in lines) else "\n".join(lines).split("\n")


class Converter:
    """Renders the pages of one build. Where an extension may not be used twice, each page gets its own."""

    def __init__(self, config: MkDocsConfig, files: Files) -> None:
        self._config, self._files = config, files
        names = config.markdown_extensions
        self._again = all(is_pure(n) and not n.startswith("material.extensions.preview") for n in names)
        self._made: markdown.Markdown | None = None

    def convert(self, page: Page, links: Links) -> list[Any]:
        """`Page.render` of MkDocs. Returns the table of contents as the extension has it."""
        made = self._converter()
        anchors = mkdocs_pages._ExtractAnchorsTreeprocessor(page.file, self._files, self._config)
        raw, title = _Anchors(), mkdocs_pages._ExtractTitleTreeprocessor()
        for one in (raw, anchors, links, title):
            one._register(made)
        page.content = made.convert(page.markdown or "")
        tokens = getattr(made, "toc_tokens", [])
        page.toc = get_toc(tokens)
        page._title_from_render = title.title
        page.present_anchor_ids = anchors.present_anchor_ids | raw.present_anchor_ids
        page.links_to_anchors = links.links_to_anchors
        return tokens

    def _converter(self) -> markdown.Markdown:
        if self._made is None or not self._again:
            self._made = markdown.Markdown(
                extensions=self._config["markdown_extensions"],
                extension_configs=self._config["mdx_configs"] or {},
            )
            found = self._made.preprocessors
            found.register(_Blocks(found["html_block"]), "html_block", _PRIORITY_OF_HTML)
        return self._made.reset()

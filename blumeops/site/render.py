"""MkDocs' own build, page by page, without doing again what was done before.

The order of the steps and of the plugins' events is that of `mkdocs.commands.build`, and so is every byte
that comes out: a test compares. Two things are remembered: the HTML of a page's Markdown, and the finished
page. Neither is used when anything that it was made from is different; the links of a page are looked up
again in every build, so a page whose target moved is rendered anew, and a dead link is found in a cached page
too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")

from jinja2 import Environment
from mkdocs import utils
from mkdocs.commands import build as mkdocs_build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import Abort, BuildError, MkDocsException
from mkdocs.structure.files import File, Files, get_files, set_exclusions
from mkdocs.structure.nav import get_navigation
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import get_toc

from blumeops.errors import EngineError
from blumeops.site import search, unchanged
from blumeops.site.cache import Cache, digest, json_text
from blumeops.site.complaints import complaints
from blumeops.site.convert import Converter, Links, is_pure
from blumeops.site.digests import Neighbourhoods, brief, outline, plain, surroundings
from blumeops.site.packed import MANY, Packed
from blumeops.site.place import Place
from blumeops.site.staging import Staged
from blumeops.site.templates import COMPILED

if TYPE_CHECKING:
    from blumeops.site.plugin import BlumeOpsPlugin

_OF_EVERY_PAGE = frozenset({"nav", "pages", "base_url", "extra_css", "extra_javascript", "mkdocs_version",
                            "build_date_utc", "config", "page"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rendered:
    """What MkDocs complained about, and how many pages were rendered anew and how many were remembered."""

    complaints: tuple[str, ...]
    rendered: int
    remembered: int
    build: _Build | None = None
    """For `again`; None when something was wrong."""


def render(
    place: Place, staged: Staged, into: Path, cache: Cache, config: MkDocsConfig | None = None
) -> Rendered:
    """Build a staged tree into a folder. Raises `EngineError` when MkDocs cannot.

    `config` is what `configured` said for this place, when the caller asked already.
    """
    with complaints() as said:
        try:
            config = config or configured(place)
            _point(config, staged, into)
            _hand_over(config, place, staged, cache)
            build = _Build(config, cache)
            build.run()
        except (Abort, BuildError, MkDocsException) as error:
            if not said:
                raise EngineError(f"MkDocs: {error}", where=str(place.config)) from error
            return Rendered(tuple(said), 0, 0)
    return Rendered(tuple(dict.fromkeys(said)), build.rendered, build.remembered, None if said else build)


def again(
    build: _Build, place: Place, staged: Staged, changed: Collection[str], into: Path, cache: Cache
) -> Rendered | None:
    """Build these files of the staged tree again into a folder, and what is made of all pages.

    None when one of them shows in other pages too: its title, say. The build is then of no use any more.
    """
    _hand_over(build.config, place, staged, cache)
    with complaints() as said:
        try:
            if not build.again(changed, into, cache):
                return None
        except (Abort, BuildError, MkDocsException) as error:
            if not said:
                raise EngineError(f"MkDocs: {error}", where=str(into)) from error
    return Rendered(tuple(dict.fromkeys(said)), build.rendered, build.remembered, None if said else build)


def configured(place: Place) -> MkDocsConfig:
    """The configuration of a place as MkDocs reads it."""
    named = {} if place.ours else {"site_name": place.name}
    nowhere = place.work / "site"
    return load_config(str(place.config), docs_dir=str(place.staged), site_dir=str(nowhere), **named)


def prepared(place: Place, staged: Staged) -> tuple[MkDocsConfig | None, str]:
    """The configuration, and the digest of all that the site is made from; None and "" when in doubt."""
    with complaints() as said, suppress(Abort, MkDocsException):
        config = configured(place)
        if not said:
            return config, unchanged.key(place, staged, config)
    return None, ""


def _point(config: MkDocsConfig, staged: Staged, into: Path) -> None:
    config.docs_dir, config.site_dir = str(staged.folder), str(into)


def _hand_over(config: MkDocsConfig, place: Place, staged: Staged, cache: Cache) -> None:
    if plugin := _ours(config):
        plugin.take(place, staged, cache)


def _ours(config: MkDocsConfig) -> BlumeOpsPlugin | None:
    """Our own plugin, where the configuration names it."""
    from blumeops.site.plugin import BlumeOpsPlugin

    plugin = config.plugins.get("blumeops")
    return plugin if isinstance(plugin, BlumeOpsPlugin) else None


@dataclass
class _Build:
    config: MkDocsConfig
    cache: Cache
    rendered: int = 0
    remembered: int = 0
    files: Files = field(init=False)
    around: bytes = field(init=False)
    cacheable: bool = field(init=False)
    converter: Converter = field(init=False)
    packed: Packed = field(init=False)
    with_all: tuple[Sequence[File], Any, Environment, Neighbourhoods] = field(init=False)

    def run(self) -> None:
        self.config.plugins.on_startup(command="build", dirty=False)
        try:
            self._run()
        except Exception as error:
            self.config.plugins.on_build_error(error=error)
            raise
        finally:
            self.config.plugins.on_shutdown()

    def _run(self) -> None:
        self.config = config = self.config.plugins.on_config(self.config)
        self.around = surroundings(config)
        self.cacheable = all(is_pure(name) for name in config.markdown_extensions)
        search.remember(config, self.cache, self.around)
        config.plugins.on_pre_build(config=config)
        files = get_files(config)
        env = config.theme.get_env()
        env.bytecode_cache = COMPILED
        files.add_files_from_theme(env, config)
        self.files = files = config.plugins.on_files(files, config=config)
        set_exclusions(files, config)
        self.converter = Converter(config, files)
        nav = config.plugins.on_nav(get_navigation(files, config), config=config, files=files)
        documents = files.documentation_pages()
        self.packed = Packed(packing=len(documents) > MANY)
        for file in documents:
            self._read(self._page(file))
        env = config.plugins.on_env(env, config=config, files=files)
        files.copy_static_files()
        for template in sorted(config.theme.static_templates):
            mkdocs_build._build_theme_template(template, env, files, config, nav)
        for template in config.extra_templates:
            mkdocs_build._build_extra_template(template, files, config, nav)
        self.with_all = documents, nav, env, Neighbourhoods(nav, config)
        for file in documents:
            self._write(self._page(file), *self.with_all)
        self._end()

    def _page(self, file: File) -> Page:
        """The page of a file, made where the navigation has none."""
        return file.page or Page(None, file, self.config)

    def _end(self) -> None:
        for file in self.with_all[0]:
            level = self.config.validation.links.anchors
            self._page(file).validate_anchor_links(files=self.files, log_level=level)
        self.config.plugins.on_post_build(config=self.config)

    def again(self, changed: Collection[str], into: Path, cache: Cache) -> bool:
        """Read and write these files again; False as soon as one of them shows in other pages."""
        self.cache, self.rendered, self.remembered = cache, 0, 0
        self.config.site_dir = str(into)
        index = search.index(self.config)
        found = [self.files.get_file_from_path(path) for path in changed]
        files = [file for file in found if file is not None]
        if index is None or len(files) < len(found):
            return False
        index.again(cache)
        for file in files:
            file.dest_dir, file.abs_dest_path = str(into), str(into / file.dest_uri)
            if file.page is None:
                file.copy_file()
                continue
            shown = brief(file.page)
            self._read(file.page)
            if brief(file.page) != shown:
                return False
        for file in files:
            if file.page is not None:
                self._write(file.page, *self.with_all)
        index.merge(file.src_uri for file in self.with_all[0])
        self._end()
        plugin = _ours(self.config)
        return plugin is None or not plugin.gone

    def _read(self, page: Page) -> None:
        """`_populate_page` of MkDocs, with the Markdown rendered only when it was not before."""
        config = self.config
        config._current_page = page
        try:
            page = config.plugins.on_pre_page(page, config=config, files=self.files)
            page.read_source(config)
            page.markdown = config.plugins.on_page_markdown(
                page.markdown or "", page=page, config=config, files=self.files
            )
            self._markdown(page)
            page.content = config.plugins.on_page_content(
                page.content or "", page=page, config=config, files=self.files
            )
            self.packed.put(page)
        finally:
            config._current_page = None

    def _markdown(self, page: Page) -> None:
        key = digest("markdown", self.around, page.file.src_uri, page.file.url, page.markdown or "")
        if not self.cacheable or not self._recall(page, self.cache.get(key)):
            links = Links(page.file, self.files, self.config)
            tokens = self.converter.convert(page, links)
            kept = {
                "content": page.content,
                "toc": tokens,
                "title": page._title_from_render,
                "ids": sorted(page.present_anchor_ids or (), key=str),
                "links": links.became,
            }
            if self.cacheable:
                self.cache.put(key, json.dumps(kept, ensure_ascii=False))

    def _recall(self, page: Page, kept: str | None) -> bool:
        """Take a page from the cache, unless one of its links leads elsewhere by now."""
        if kept is None:
            return False
        values = json.loads(kept)
        links = Links(page.file, self.files, self.config)
        if any(links.path_to_url(url) != became for url, became in values["links"].items()):
            return False
        page.content = values["content"]
        page.toc = get_toc(values["toc"])
        page._title_from_render = values["title"]
        page.present_anchor_ids = set(values["ids"])
        page.links_to_anchors = links.links_to_anchors
        return True

    def _write(
        self, page: Page, documents: Sequence[File], nav: Any, env: Environment, near: Neighbourhoods
    ) -> None:
        """`_build_page` of MkDocs, with the template filled in only when it was not before."""
        config = self.config
        config._current_page = page
        page.active = True
        self.packed.give_back(page)
        try:
            context = mkdocs_build.get_context(nav, documents, config, page)
            name = page.meta.get("template", "main.html")
            context = config.plugins.on_page_context(context, page=page, config=config, nav=nav)
            key = self._key(page, name, context, near)
            output = self.cache.get(key) if key else None
            if output is None:
                output = env.get_template(name).render(context)
                output = config.plugins.on_post_page(output, page=page, config=config)
                self.rendered += 1
                if key:
                    self.cache.put(key, output)
            else:
                self.remembered += 1
            if output.strip():
                data = output.encode("utf-8", errors="xmlcharrefreplace")
                utils.write_file(data, page.file.abs_dest_path)
        finally:
            page.active = False
            config._current_page = None
            page.markdown = page.content = ""  # read by nobody any more; a large vault would fill the memory

    def _key(self, page: Page, template: str, context: Any, near: Neighbourhoods) -> bytes | None:
        """The digest of everything that a finished page is made from; None when we cannot know."""
        try:
            said = {key: plain(value) for key, value in context.items() if key not in _OF_EVERY_PAGE}
            own = [page.title, page.url, page.canonical_url, page.abs_url, page.edit_url, page.is_homepage,
                   plain(page.meta), template, outline(page.toc)]  # fmt: skip
            return digest("page", self.around, page.content or "", json_text([own, said]), near.of(page))
        except TypeError:
            return None

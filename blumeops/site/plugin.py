"""The thin adapter to MkDocs: `mkdocs build` and `mkdocs serve` stage first, then build what was staged."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment
from mkdocs.config.base import LegacyConfig
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.livereload import LiveReloadServer
from mkdocs.plugins import BasePlugin, event_priority
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from blumeops.errors import BadInput
from blumeops.site import csp, llms, nav_memo, navigation, page_end, staging
from blumeops.site.cache import Cache
from blumeops.site.place import Place
from blumeops.site.serve import watched

THEME = Path(__file__).with_name("theme")
"""Style, scripts and typefaces, over Material's: in the package, so that any other vault looks the same."""


class BlumeOpsPlugin(BasePlugin[LegacyConfig]):  # type: ignore[no-untyped-call]  # MkDocs' own hook
    """Stage `docs/` and `runbooks/` next to `mkdocs.yml`, and hand the staged tree to MkDocs."""

    place: Place
    staged: staging.Staged | None = None
    cache: Cache = Cache(None)
    shown: staging.Staged
    known: dict[str, bytes]
    gone: bool
    """A file that was there is not made any more."""

    def take(self, place: Place, staged: staging.Staged, cache: Cache) -> None:
        """Let the next build use a tree that is staged already, and what is remembered of its pages."""
        self.place, self.staged, self.cache = place, staged, cache

    def on_config(self, config: MkDocsConfig) -> MkDocsConfig:
        """Stage, then let MkDocs read the staged folder and its navigation. A wrong page ends the build."""
        if self.staged is None:
            self.place = Place.of(Path(config.config_file_path).parent)
            try:
                self.staged = staging.stage(self.place)
            except BadInput as error:
                raise PluginError(f"\n{error}") from error
        staged, self.staged = self.staged, None
        self.shown, self.known, self.kept, self.gone = staged, {}, llms.Kept(), False
        config.docs_dir = str(staged.folder)
        config.nav = staged.nav
        config.theme.dirs.insert(0, str(THEME))
        self.sources = {path: page.source for path, page in staged.vault.pages.items()}
        self.ends: dict[str, str] = {}
        return config

    def on_pre_page(self, page: Page, *, config: MkDocsConfig, **_: object) -> Page:
        """Let the edit link lead to the file that a person edits, which is not always below `docs/`."""
        source = self.sources.get(page.file.src_uri, "")
        there = source if (self.place.root / source).is_file() else ""
        page.edit_url = navigation.edit_url(config.repo_url, config.edit_uri, there)
        return page

    @event_priority(-100)
    def on_page_markdown(self, markdown: str, *, page: Page, **_: object) -> str:
        """Set the end of a page aside: it is HTML already, and changes with other pages."""
        body, self.ends[page.file.src_uri] = page_end.cut(markdown)
        return body

    @event_priority(100)
    def on_page_content(self, html: str, *, page: Page, **_: object) -> str:
        """Put the end of a page below its text."""
        return html + self.ends.pop(page.file.src_uri, "")

    def on_env(self, env: Environment, *, config: MkDocsConfig, files: Files) -> Environment:
        """Fill in what many pages share once."""
        self.places = {file.src_uri: file.dest_uri for file in files.documentation_pages()}
        return nav_memo.remember(env, config.theme.get("features") or [])

    @event_priority(-100)
    def on_post_page(self, output: str, *, page: Page, **_: object) -> str:
        """Give a finished page its content security policy; last, when no other plugin changes a script."""
        return csp.add(output, content=page.content or "", trusted=page.meta.get("trusted") is True)

    @event_priority(-100)
    def on_post_template(self, output: str, *, template_name: str, **_: object) -> str:
        """The same for pages without a text, such as 404.html."""
        return csp.add(output) if template_name.endswith(".html") else output

    @event_priority(-100)
    def on_post_build(self, *, config: MkDocsConfig) -> None:
        """Write the search's index as a script too: a page that is opened as a file may not fetch.

        Then what assistants look for; of a build that is brought up to date only what changed.
        """
        index = Path(config.site_dir, "search", "search_index.json")
        if index.is_file():
            index.with_suffix(".js").write_text(f"var __index = {index.read_text('utf-8')}\n", "utf-8")
        if self.staged is not None:
            self.shown, self.staged = self.staged, None
        site = llms.Site.of(self.shown, config.site_name, self.places)
        kept = self.kept if site.basis.keep else None
        self.gone = bool(llms.write(site, Path(config.site_dir), self.known, self.cache, kept))

    def on_serve(self, server: LiveReloadServer, **_: object) -> LiveReloadServer:
        """Watch what people edit; the staged folder itself changes with every build and is not watched."""
        server.unwatch(str(self.place.staged))
        for path in watched(self.place):
            if path.exists():
                server.watch(str(path))
        return server

"""The verbs over what people read: docs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from blumeops.cli.homelab import json_option, quiet_option
from blumeops.errors import BadInput, BlumeOpsError

root_option = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another repository or vault than this one.",
    metavar="DIR",
)
KINDS = ("tutorial", "how-to", "reference", "explanation", "host", "service")
"""`blumeops.site.new.Kind`, written down again so that the command line starts without the site."""


def root_of(root: Path | None) -> Path:
    """The folder that a docs verb works on: what `--root` says, else the repository around this folder."""
    from blumeops.repository import find

    if root is not None:
        return root.resolve()
    try:
        return find(Path.cwd().resolve()).root
    except BlumeOpsError as error:
        hint = "name a repository or vault: --root DIR"
        raise BlumeOpsError(error.what, where=error.where, hint=hint) from error


def complete_pages(ctx: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Shell completion for the name of a page: what links call it, with its title beside it."""
    from blumeops.site import staging

    try:
        pages = staging.read(root_of(ctx.params.get("root"))).vault.pages.values()
    except BlumeOpsError:
        return []
    found = sorted({(page.name, page.title) for page in pages if not page.generated})
    return [CompletionItem(name, help=title) for name, title in found if name.startswith(typed)]


@click.group()
def docs() -> None:
    """The site: docs/ and runbooks/ as pages."""


@docs.command("new")
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.argument("title")
@click.option("--description", default="", metavar="SENTENCE", help="What the page is for, in one sentence.")
@click.option("--from", "linked_from", default="", metavar="PAGE", shell_complete=complete_pages,
              help="A page that gets a link to the new one, at its end.")  # fmt: skip
@root_option
@json_option
def docs_new(
    kind: str, title: str, description: str, linked_from: str, root: Path | None, as_json: bool
) -> int:
    """Write a new page with front matter and a skeleton; its file name comes from its TITLE.

    KIND is tutorial, how-to, reference or explanation; host or service for a card. A page that runs is
    written by `blumeops runbook new`. What is there already is never touched.
    """
    from blumeops.site import new

    place = root_of(root)
    page = new.create(place, new.Kind(kind), title, description=description, linked_from=linked_from)
    path = page.file.relative_to(place).as_posix()
    if as_json:
        about = {"path": path, "name": page.name, "title": page.title, "kind": page.kind.value}
        click.echo(json.dumps(about, indent=2, ensure_ascii=False))
    else:
        click.echo(path)
        if not linked_from:
            click.echo(f"link to it from another page: [[{page.name}]]", err=True)
    return 0


@docs.command("links")
@click.argument("page", shell_complete=complete_pages)
@root_option
@json_option
def docs_links(page: str, root: Path | None, as_json: bool) -> int:
    """Show where a page links to, who links to it and from which line, what is broken, what is related.

    PAGE is any name that a link may use: file name, title, alias or path. Exit code 2 when a link of the
    page is broken.
    """
    from blumeops.site import page_links, staging

    found = page_links.of(staging.read(root_of(root)).vault, page)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        _show_links(found)
    return 2 if found.broken else 0


def _show_links(found: object) -> None:
    from blumeops.site.page_links import PageLinks

    assert isinstance(found, PageLinks)
    click.echo(f"{found.title}  {found.page}")
    parts = (
        ("links to", [f"{link.line:>5}  {link.target}  {link.written}" for link in found.outgoing]),
        ("linked from", [str(link) for link in found.incoming]),
        ("broken", [f"{problem.where}  {problem.what}" for problem in found.broken]),
        ("related", [f"{one.page}  {one.title}" for one in found.related]),
    )
    for name, lines in parts:
        click.echo(f"\n{name}: {len(lines) or 'none'}")
        for line in lines:
            click.echo(f"  {line}")


@docs.command("export")
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]")
@root_option
@json_option
@quiet_option
def docs_export(folder: Path | None, root: Path | None, as_json: bool, quiet: bool) -> int:
    """Write the whole site as plain Markdown into DIR (here: build/markdown).

    Links, embeds and callouts become standard Markdown. Exporting again changes only what changed; a file
    in DIR that is not from an export is never overwritten.
    """
    from blumeops.site import export

    done = export.export(root_of(root), folder)
    if as_json:
        about = {
            "folder": str(done.folder),
            "written": done.written,
            "removed": done.removed,
            "unchanged": done.unchanged,
        }
        click.echo(json.dumps(about, indent=2, ensure_ascii=False))
        return 0
    click.echo(f"{done.folder}")
    if not quiet:
        said = f"{len(done.written)} written, {len(done.removed)} removed, {done.unchanged} as they were"
        click.echo(said, err=True)
    return 0


config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Another mkdocs.yml than the one that would be taken.",
)


@docs.command("build")
@root_option
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where the site goes, instead of site/.")  # fmt: skip
@config_option
@click.option(
    "--strict/--no-strict", default=True, help="Whether a problem ends the build.", show_default=True
)
@click.option(
    "--facts/--no-facts",
    default=True,
    help="Whether `docs check` must find nothing first.",
    show_default=True,
)
@click.option("--clean", is_flag=True, help="Render every page, also those that did not change.")
@quiet_option
def docs_build(
    root: Path | None, out: Path | None, config: Path | None, strict: bool, facts: bool, clean: bool,
    quiet: bool,
) -> int:  # fmt: skip
    """Build the site into site/; a broken link is an error that names file and line.

    In a repository of ours the pages are first compared with it, as `docs check` does. The old site stays
    until the new one is whole. A folder that is not a site of ours is never replaced.
    """
    from blumeops.cli import progress
    from blumeops.site import build
    from blumeops.site.place import Place

    place = Place.of(root_of(root), config=config, out=out)
    begun = time.monotonic()
    with progress.Screen(quiet=quiet) as screen, _warnings(screen.line):
        if place.note:
            screen.line(place.note)
        if strict and facts and place.ours:
            screen.now("comparing the pages with the repository")
            _require_true(place.root)
        screen.now(f"building {place.name}")
        folder = build.build(place, strict=strict, clean=clean)
        screen.line(f"built in {time.monotonic() - begun:.1f} s")
    click.echo(f"{folder}")
    return 0


def _require_true(root: Path) -> None:
    from blumeops.cli import docs_check

    _, problems, _ = docs_check.found(root)
    if problems:
        raise BadInput(problems)


@contextmanager
def _warnings(say: Callable[[str], None]) -> Iterator[None]:
    """Say what the library warns of, while this lasts."""

    class Speaker(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(f"warning: {record.getMessage()}")

    log, speaker = logging.getLogger("blumeops"), Speaker(logging.WARNING)
    log.addHandler(speaker)
    try:
        yield
    finally:
        log.removeHandler(speaker)


@docs.command("serve")
@root_option
@config_option
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one."
)
def docs_serve(root: Path | None, config: Path | None, port: int) -> int:
    """Serve the site on 127.0.0.1 and build it again when a page changes; Ctrl-C ends it."""
    from blumeops.site import build
    from blumeops.site.place import Place

    place = Place.of(root_of(root), config=config)
    build.serve(place, port, notify=lambda text: click.echo(text, err=True))
    return 0


COMMANDS: tuple[click.Command, ...] = (docs,)

"""`blumeops docs review`: which pages want to be read again, because what they describe has changed."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blumeops.cli.docs import complete_pages, docs, root_of, root_option
from blumeops.cli.homelab import json_option

if TYPE_CHECKING:
    from blumeops.facts.freshness import Freshness
    from blumeops.site.vault import Vault


@docs.command("review")
@click.option(
    "--mark",
    "marked",
    multiple=True,
    metavar="PAGE",
    shell_complete=complete_pages,
    help="You have read this page and it is right: write today's date into it. Can be given several times.",
)
@root_option
@json_option
def docs_review(marked: tuple[str, ...], root: Path | None, as_json: bool) -> int:
    """List the pages that describe something that changed after they were reviewed, most-linked first.

    A page says `reviewed: DATE` in its front matter, and may say `describes: [PATH, …]`; without that, the
    files that it names count. Exit code 1 says that a page is stale, 4 that nobody can know.
    """
    from blumeops.facts import freshness
    from blumeops.site import staging, wikilinks

    place = root_of(root)
    vault = staging.read(place).vault
    if marked:
        return _mark(place, vault, marked, as_json=as_json)
    links = {path: wikilinks.rewrite(page, vault).links for path, page in vault.pages.items()}
    found = freshness.read(place, vault.pages.values(), links)
    if as_json:
        click.echo(json.dumps({"pages": [asdict(one) for one in found]}, indent=2, ensure_ascii=False))
    else:
        _show(found)
    states = {one.state for one in found}
    return 1 if freshness.State.STALE in states else 4 if freshness.State.UNKNOWN in states else 0


def _mark(place: Path, vault: Vault, names: tuple[str, ...], *, as_json: bool) -> int:
    from blumeops.facts import freshness
    from blumeops.repository import Repository
    from blumeops.site import page_links

    pages = [page_links.named(vault, name) for name in names]
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    head = Repository(place).git("rev-parse", "--short=12", "HEAD", check=False)
    commit = head.stdout.strip() if head.ok else ""
    written = {page.source: freshness.mark(place / page.source, day, commit=commit) for page in pages}
    if as_json:
        click.echo(json.dumps({"marked": written}, indent=2, ensure_ascii=False))
    for source, value in () if as_json else written.items():
        click.echo(f"{source}: reviewed {value}")
    return 0


def _show(found: list[Freshness]) -> None:
    from blumeops.facts.freshness import State

    for one in (one for one in found if one.state is State.STALE):
        click.echo(f"{one.source}  reviewed {one.reviewed}, {one.links} links to it")
        for changed in one.changed:
            click.echo(f"    {changed.path}")
            for commit in changed.commits:
                click.echo(f"        {commit.day} {commit.id[:9]} {commit.subject}")
    for one in (one for one in found if one.state is State.UNKNOWN):
        click.echo(f"{one.source}  reviewed {one.reviewed}: unknown, {one.why}")
    never = [one for one in found if one.state is State.NEVER]
    if never:
        click.echo("never reviewed, most-linked first:", err=True)
    for one in never:
        click.echo(f"    {one.source}", err=True)
    counted = {state: sum(one.state is state for one in found) for state in State}
    click.echo(", ".join(f"{number} {state.value}" for state, number in counted.items()), err=True)

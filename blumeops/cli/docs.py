"""The verbs over what people read: docs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from blumeops.cli.homelab import json_option, quiet_option


def _root() -> Path:
    from blumeops.repository import find

    return find(Path.cwd().resolve()).root


@click.group()
def docs() -> None:
    """The site: docs/ and runbooks/ as pages."""


@docs.command("build")
@quiet_option
def docs_build(quiet: bool) -> int:
    """Build the site into site/; a broken link is an error that names file and line."""
    from blumeops.site import build

    folder = build.build(_root())
    if not quiet:
        click.echo(f"{folder}")
    return 0


@docs.command("check")
@json_option
def docs_check(as_json: bool) -> int:
    """Check every link of docs/ and runbooks/ without building."""
    from blumeops.site import build

    build.check(_root())
    if as_json:
        click.echo(json.dumps({"problems": []}))
    else:
        click.echo("every link leads somewhere", err=True)
    return 0


@docs.command("serve")
@click.option("--port", type=click.IntRange(1024, 65535), default=8000, show_default=True)
def docs_serve(port: int) -> int:
    """Serve the site on 127.0.0.1 and build it again when a page changes; Ctrl-C ends it."""
    from blumeops.site import build

    build.serve(_root(), port, notify=lambda text: click.echo(text, err=True))
    return 0


COMMANDS: tuple[click.Command, ...] = (docs,)

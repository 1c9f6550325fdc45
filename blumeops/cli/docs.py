"""The verbs over what people read: docs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from blumeops.cli.homelab import json_option, quiet_option
from blumeops.errors import BlumeOpsError

root_option = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another repository or vault than this one.",
    metavar="DIR",
)


def root_of(root: Path | None) -> Path:
    """The folder that a docs verb works on: what `--root` says, else the repository around this folder."""
    from blumeops.repository import find

    if root is not None:
        return root.resolve()
    try:
        return find(Path.cwd().resolve()).root
    except BlumeOpsError as error:
        raise BlumeOpsError(
            error.what, where=error.where, hint="name a repository or vault: --root DIR"
        ) from error


@click.group()
def docs() -> None:
    """The site: docs/ and runbooks/ as pages."""


@docs.command("build")
@root_option
@quiet_option
def docs_build(root: Path | None, quiet: bool) -> int:
    """Build the site into site/; a broken link is an error that names file and line."""
    from blumeops.site import build

    folder = build.build(root_of(root))
    if not quiet:
        click.echo(f"{folder}")
    return 0


@docs.command("check")
@root_option
@json_option
def docs_check(root: Path | None, as_json: bool) -> int:
    """Check every link of docs/ and runbooks/ without building."""
    from blumeops.site import build

    build.check(root_of(root))
    if as_json:
        click.echo(json.dumps({"problems": []}))
    else:
        click.echo("every link leads somewhere", err=True)
    return 0


@docs.command("serve")
@root_option
@click.option("--port", type=click.IntRange(1024, 65535), default=8000, show_default=True)
def docs_serve(root: Path | None, port: int) -> int:
    """Serve the site on 127.0.0.1 and build it again when a page changes; Ctrl-C ends it."""
    from blumeops.site import build

    build.serve(root_of(root), port, notify=lambda text: click.echo(text, err=True))
    return 0


COMMANDS: tuple[click.Command, ...] = (docs,)

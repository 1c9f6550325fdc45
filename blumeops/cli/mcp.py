"""The verb `mcp`: the server for assistants, over standard input and output."""

from __future__ import annotations

from pathlib import Path

import click

from blumeops.cli.homelab import target_option


@click.command()
@target_option
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="Another repository or vault than this one.",
)
def mcp(target: str, root: Path | None) -> int:
    """Serve this repository to an assistant (Model Context Protocol on standard input and output).

    It only looks: nothing in that process can change Git, files or a layer.
    """
    from blumeops.assistant.server import create_server
    from blumeops.repository import find

    place = root.resolve() if root else find(Path.cwd().resolve()).root
    create_server(place, target).run("stdio")
    return 0


COMMANDS: tuple[click.Command, ...] = (mcp,)

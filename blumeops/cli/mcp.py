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
@click.option(
    "--propose", is_flag=True, help="May also propose changes, and rehearse runbooks in the sandbox."
)
def mcp(target: str, root: Path | None, propose: bool) -> int:
    """Serve this repository to an assistant (Model Context Protocol on standard input and output).

    It only looks: nothing in that process can change Git, files or a layer. With --propose it is another
    server, which may open a branch with a change and rehearse a runbook; it cannot apply either.
    """
    from blumeops.assistant.server import serve
    from blumeops.repository import find

    place = root.resolve() if root else find(Path.cwd().resolve()).root
    if propose:
        from blumeops.assistant.propose_server import serve_proposals

        return serve_proposals(place, target)
    return serve(place, target)


COMMANDS: tuple[click.Command, ...] = (mcp,)

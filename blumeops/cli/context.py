"""`blumeops context`: what an assistant, or a person in a hurry, has to read for a question or task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from blumeops.cli.docs import complete_pages, root_of, root_option
from blumeops.cli.homelab import LAYER_NAMES, json_option, quiet_option, target_option

if TYPE_CHECKING:
    from blumeops.context.live import Live
    from blumeops.context.pack import Pack

DEFAULT = 4_000
"""`blumeops.context.asked.DEFAULT`, written down again so that the command line starts without it."""

NOTHING_FOUND = 2
UNKNOWN = 4


def complete_focus(ctx: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Shell completion for `--for`: the layers, then the pages, runbooks among them."""
    layers = [CompletionItem(name, help="layer") for name in LAYER_NAMES if name.startswith(typed)]
    return [*layers, *complete_pages(ctx, parameter, typed)]


@click.command()
@click.argument("question")
@click.option("--budget", type=int, default=DEFAULT, show_default=True, metavar="TOKENS",
              help="Of the whole pack, as o200k_base counts.")  # fmt: skip
@click.option("--for", "focus", default="", metavar="LAYER|PAGE|RUNBOOK", shell_complete=complete_focus,
              help="What it is for: that comes first.")  # fmt: skip
@click.option("--live", is_flag=True, help="Ask the layers how they are, too; takes as long as status.")
@target_option
@root_option
@json_option
@quiet_option
def context(
    question: str, budget: int, focus: str, live: bool, target: str, root: Path | None, as_json: bool,
    quiet: bool,
) -> int:  # fmt: skip
    """Print what an assistant needs for a QUESTION or task, within a budget of tokens.

    The sections that answer, each with its place and with what of it does not hold any more; the runbook for
    the task and its last run; what Git says of the things named; what may not be done. Piped it is plain
    Markdown.

    Exit code 2 says that nothing was found, 4 that a layer is unknown (with --live).
    """
    from blumeops.context import asked
    from blumeops.context.pack import pack

    place = root_of(root)
    asked.question(question), asked.budget(budget)  # refused before the layers are asked
    state = _looked(place, target, focus, quiet=quiet or as_json) if live else None
    made = pack(place, question, budget=budget, focus=focus, live=state)
    _print(made, as_json=as_json)
    if not made.found:
        if not as_json:
            click.echo("nothing was found; ask with the words of the pages: names, errors, files", err=True)
        return NOTHING_FOUND
    return UNKNOWN if state is not None and state.unknown else 0


def _looked(root: Path, target: str, focus: str, *, quiet: bool) -> Live:
    from blumeops.cli import show
    from blumeops.context import live

    layers = (focus.casefold(),) if focus.casefold() in live.LAYERS else live.LAYERS
    show.progress(quiet=quiet)(f"asking {', '.join(layers)} of {target}")
    return live.look(root, target=target, layers=layers)


def _print(made: Pack, *, as_json: bool) -> None:
    from blumeops.cli import show

    if as_json:
        click.echo(json.dumps(made.as_json(), indent=2, ensure_ascii=False))
    elif show.out.is_terminal:
        from blumeops.cli import context_shown

        context_shown.show(made)
    else:
        click.echo(made.markdown(), nl=False)


COMMANDS: tuple[click.Command, ...] = (context,)

"""The pages of the command line, made from the commands themselves."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping

import click

from blumeops.site import markdown
from blumeops.site.reference import Generated, escape, front_matter

EXIT_CODES = (
    ("0", "nothing to do, or all done"),
    ("1", "there are changes, or there is drift"),
    ("2", "an error; the message says what, where, and what to do"),
    ("3", "the plan is stale, or another run holds the lock"),
    ("4", "partial: a layer is unknown"),
    ("130", "interrupted"),
)


def pages() -> Iterator[Generated]:
    """A page for the whole command line with its own verbs, and one for each group of verbs."""
    main: click.Group = importlib.import_module("blumeops.cli").cli
    context = click.Context(main, info_name="blumeops")
    children = {name: main.commands[name] for name in main.list_commands(context)}
    groups = {name: one for name, one in children.items() if isinstance(one, click.Group)}
    alone = {name: one for name, one in children.items() if name not in groups}
    yield "reference/cli.md", "blumeops/cli/__init__.py", _overview(main, alone, groups)
    for number, (name, group) in enumerate(groups.items()):
        said = f"The verbs of blumeops {name}, with every option and default."
        front = front_matter(f"blumeops {name}", said, "cli", order=41 + number)
        text = front + "\n".join(_command(group, f"blumeops {name}", 1))
        yield f"reference/cli-{name}.md", "blumeops/cli/__init__.py", text


def _overview(
    main: click.Group, alone: Mapping[str, click.Command], groups: Mapping[str, click.Command]
) -> str:
    said = "Every verb of blumeops, with its options and exit codes."
    codes = "\n".join(f"| `{code}` | {meaning} |" for code, meaning in EXIT_CODES)
    rows = [
        f"| [`blumeops {name}`](#{_anchor(f'blumeops {name}')}) | {_short(one)} |"
        for name, one in alone.items()
    ]
    rows += [f"| [`blumeops {name}`](cli-{name}.md) | {_short(one)} |" for name, one in groups.items()]
    head = (
        f"{front_matter('Command line', said, 'cli', order=40)}# The command line\n\n"
        "Made from the commands themselves; `blumeops VERB --help` prints the same.\n\n"
        "| verb | does |\n|---|---|\n" + "\n".join(rows) + "\n\n"
        f"## Exit codes\n\n| code | meaning |\n|---|---|\n{codes}\n"
    )
    return head + "\n".join(
        [
            *_head(main, "blumeops", 2),
            *(line for name, one in alone.items() for line in _command(one, f"blumeops {name}", 2)),
        ]
    )


def _anchor(heading: str) -> str:
    return markdown.slugify(heading)


def _short(command: click.Command) -> str:
    first = inspect.cleandoc(command.help or "").partition("\n\n")[0]
    return escape(" ".join(first.split())).replace("|", "\\|")


def _command(command: click.Command, name: str, level: int) -> Iterator[str]:
    if command.hidden:
        return
    yield from _head(command, name, level)
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for child in command.list_commands(context):
            if found := command.get_command(context, child):
                yield from _command(found, f"{name} {child}", level + 1)


def _head(command: click.Command, name: str, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"\n{'#' * min(level, 4)} `{name}`\n"
    yield f"```text\n{name} {usage}\n```\n"
    yield escape(inspect.cleandoc(command.help or command.short_help or "").replace("\b\n", "")) + "\n"
    rows = [row for parameter in command.params if (row := _parameter(parameter, context))]
    if rows:
        yield "\n".join(["| option | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _parameter(parameter: click.Parameter, context: click.Context) -> str:
    if not isinstance(parameter, click.Option) or parameter.hidden:
        return ""
    names = " ".join(f"`{word}`" for word in (*parameter.opts, *parameter.secondary_opts))
    metavar = "" if parameter.is_flag else f" `{parameter.make_metavar(context)}`"
    default = parameter.to_info_dict().get("default")
    says = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    cells = (names + metavar, f"`{default}`" if says else "", escape(parameter.help or "").replace("\n", " "))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

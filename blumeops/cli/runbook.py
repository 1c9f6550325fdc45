"""The verb that runs a procedure, and the group of all verbs over runbooks.

Exit codes: 0 passed, 1 a step failed, 2 usage or a wrong page, 3 declined at a gate, 4 locked, 5 a
precondition does not hold, 124 timeout, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from blumeops.cli import runbook_complete as complete
from blumeops.cli.homelab import json_option, quiet_option
from blumeops.errors import BlumeOpsError

if TYPE_CHECKING:
    from click.decorators import FC

    from blumeops.cli.runbook_live import Terminal
    from blumeops.records import RunRecord
    from blumeops.runbooks.gates import Ask
    from blumeops.runbooks.model import Runbook

EXIT_CODES = """\b
Exit codes:
  0    passed
  1    a step failed, or its kernel died
  2    a wrong command line, parameter or page
  3    declined at a gate
  4    another run works on this target
  5    a precondition does not hold; nothing was changed
  124  a step, or the run, took longer than it may
  130  interrupted
"""


@click.group()
def runbook() -> None:
    """How-to pages that run."""


name_argument = click.argument("name", shell_complete=complete.names)
param_option = click.option(
    "-p", "--param", "--parameter", "params", multiple=True, metavar="NAME=VALUE", help="Set a parameter."
)
yes_option = click.option("-y", "--yes", is_flag=True, help="Pass the gates without asking.")
no_input_option = click.option("--no-input", is_flag=True, help="Never ask; a gate that asks is declined.")
rollback_option = click.option(
    "--rollback/--no-rollback",
    default=None,
    help="Take a failed run back, or leave it, without asking.",
)
timeout_option = click.option(
    "--timeout", metavar="TIME", default="", help="For the whole run: 90s, 10m, 1h."
)
uncommitted_option = click.option(
    "--allow-uncommitted", is_flag=True, help="Run a page on a real target that is not as it was committed."
)


def _step_option(word: str, text: str) -> Callable[[FC], FC]:
    return click.option(
        f"--{word}", f"{word}_step", default="", metavar="STEP", help=text, shell_complete=complete.steps
    )


@runbook.command("run", epilog=EXIT_CODES)
@name_argument
@param_option
@click.option(
    "--target", default="", metavar="NAME", help="Where to run it.", shell_complete=complete.targets
)
@click.option("--targets", default="", metavar="all|A,B", help="Run it on many, a process for each.")
@click.option("-j", "--jobs", default=1, show_default=True, help="How many targets at a time.")
@click.option("--dry-run", is_flag=True, help="Look only: gates are shown, and nothing may change.")
@click.option("--rehearse", is_flag=True, help="On the sandbox: forward, back and clean-up, gates passed.")
@_step_option("from", "Begin at this step; parameters and setup always run.")
@_step_option("until", "End after this step.")
@_step_option("only", "Only this step.")
@yes_option
@no_input_option
@rollback_option
@timeout_option
@uncommitted_option
@click.option("--record", is_flag=True, help="Keep the record of a whole run that passed, to be committed.")
@json_option
@quiet_option
def runbook_run(
    name: str,
    params: tuple[str, ...],
    target: str,
    targets: str,
    jobs: int,
    dry_run: bool,
    rehearse: bool,
    from_step: str,
    until_step: str,
    only_step: str,
    yes: bool,
    no_input: bool,
    rollback: bool | None,
    timeout: str,
    allow_uncommitted: bool,
    record: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run a runbook on the sandbox, or on a target that you name, and keep its record.

    Before each step that changes something its plan is shown, and you are asked. When a step fails its
    rollback is offered, the clean-up runs, and the run can be resumed at that step.
    """
    root = complete.root()
    if not targets:
        from blumeops.runbooks.kernel import prepare

        prepare(root, os.environ)  # it loads while we load, read and check
    from blumeops.records import RunMode
    from blumeops.runbooks import format, kept, parameters, running
    from blumeops.runbooks.running_choice import Choice

    if dry_run and (rehearse or record):
        raise click.UsageError("a dry run is neither a rehearsal nor worth a record")
    book = format.named(root, name)
    words = [*params, *([f"target={target}"] if target else [])]
    mode = RunMode.DRY_RUN if dry_run else RunMode.REHEARSAL if rehearse else RunMode.RUN
    limit = duration(timeout)
    if targets:
        passed_on = _passed_on(words, yes, dry_run, rollback, timeout, from_step, until_step, only_step)
        return _many(book, targets, jobs, passed_on, as_json=as_json, quiet=quiet)
    values = parameters.parse(book, words)
    with terminal_of(quiet=quiet, asks=not (no_input or as_json)) as (terminal, ask):
        options = running.Options(
            mode=mode,
            choice=Choice.of(first=from_step, last=until_step, only=only_step),
            yes=yes,
            ask=ask,
            rollback=rollback,
            timeout=limit,
            allow_uncommitted=allow_uncommitted,
        )
        made = running.execute(root, book, parameters=values, options=options, watch=terminal)
        if record:
            kept.keep(root, book, made)
    return told(made, as_json=as_json, quiet=quiet)


def duration(text: str) -> float | None:
    """Seconds that a time such as `90s`, `10m` or `1h` stands for; None for an empty one."""
    from blumeops.runbooks.format import duration as spoken

    if not text:
        return None
    seconds = spoken(text)
    if seconds is None:
        raise click.BadParameter(f"{text!r} is not a time, such as 90s, 10m or 1h", param_hint="--timeout")
    return seconds


@contextlib.contextmanager
def terminal_of(*, quiet: bool, asks: bool) -> Iterator[tuple[Terminal, Ask | None]]:
    """Whoever looks on, and whoever is asked at gates; None where nobody can be."""
    from blumeops.cli import show
    from blumeops.cli.runbook_live import Terminal

    terminal = Terminal(quiet=quiet)
    try:
        yield terminal, terminal.ask if asks and show.interactive() else None
    finally:
        terminal.close()


def told(record: RunRecord, *, as_json: bool, quiet: bool) -> int:
    """Print how a run ended; its exit code."""
    from blumeops import records
    from blumeops.runbooks.running import EXIT_CODES as codes

    if as_json:
        click.echo(records.to_json(record))
    else:
        click.echo(f"{record}, {record.seconds:.1f} s, {record.mode.value} on {record.target}")
        for cell in record.cells:
            if quiet and cell.status.bad:
                click.echo(f"{cell.name}: {cell.status.value} {cell.error}".rstrip(), err=True)
    return codes[record.status]


def _passed_on(
    words: list[str],
    yes: bool,
    dry_run: bool,
    rollback: bool | None,
    timeout: str,
    from_step: str,
    until_step: str,
    only_step: str,
) -> list[str]:
    """The words that each target's own run is given."""
    flags = {"--yes": yes, "--dry-run": dry_run, "--rollback": rollback is True}
    flags["--no-rollback"] = rollback is False
    options = {"--timeout": timeout, "--from": from_step, "--until": until_step, "--only": only_step}
    passed = [flag for flag, on in flags.items() if on]
    passed += [word for option, value in options.items() if value for word in (option, value)]
    return passed + [word for param in words for word in ("--param", param)]


def _many(book: Runbook, targets: str, jobs: int, words: list[str], *, as_json: bool, quiet: bool) -> int:
    from blumeops.cli import show
    from blumeops.runbooks import running_many

    if "target" not in book.parameters:
        raise BlumeOpsError(f"{book.name} has no parameter `target`", hint="it runs where it says itself")
    root = complete.root()
    names = running_many.chosen(root, targets)
    say = show.progress(quiet=quiet)
    outcomes = running_many.run(
        root, book.name, names, words=words, jobs=jobs,
        notify=lambda one: say(f"{one.target}: {one.status}"),
    )  # fmt: skip
    if as_json:
        plain = [
            {"target": o.target, "exit_code": o.code, "error": o.error, "record": o.record} for o in outcomes
        ]
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False))
    for one in () if as_json else outcomes:
        took = f"{float(one.record.get('seconds', 0.0)):7.1f} s"
        click.echo(f"{one.target:16} {one.status:12} {took}  {one.record.get('id', '') or one.error}")
    return running_many.worst(outcomes)


COMMANDS: tuple[click.Command, ...] = (runbook,)

"""The verbs over runs of runbooks: resume, status, history, and the plan of one to come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from blumeops.cli import runbook_complete as complete
from blumeops.cli.homelab import json_option, quiet_option
from blumeops.cli.runbook import (
    EXIT_CODES,
    duration,
    name_argument,
    no_input_option,
    param_option,
    rollback_option,
    runbook,
    terminal_of,
    timeout_option,
    told,
    uncommitted_option,
    yes_option,
)

if TYPE_CHECKING:
    from blumeops.records import RunRecord


@runbook.command("resume", epilog=EXIT_CODES)
@click.argument("run", shell_complete=complete.runs)
@yes_option
@no_input_option
@rollback_option
@timeout_option
@uncommitted_option
@json_option
@quiet_option
def runbook_resume(
    run: str,
    yes: bool,
    no_input: bool,
    rollback: bool | None,
    timeout: str,
    allow_uncommitted: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Go on with RUN (a run's id, or a runbook's name) at the step that did not finish.

    Its variables are still there for half an hour; after that the steps before are asked for their own
    checks, in a fresh kernel. Refused when the page's cells before that step have changed.
    """
    from blumeops.runbooks import running, running_resume

    with terminal_of(quiet=quiet, asks=not (no_input or as_json)) as (terminal, ask):
        options = running.Options(
            yes=yes,
            ask=ask,
            rollback=rollback,
            timeout=duration(timeout),
            allow_uncommitted=allow_uncommitted,
        )
        made = running_resume.resume(complete.root(), run, options=options, watch=terminal)
    return told(made, as_json=as_json, quiet=quiet)


@runbook.command("status")
@click.argument("run", required=False, default="", shell_complete=complete.runs)
@json_option
def runbook_status(run: str, as_json: bool) -> int:
    """Show a run, cell by cell: the last one, or RUN (an id, or a runbook's name)."""
    from blumeops import records
    from blumeops.runbooks import running, running_resume

    root = complete.root()
    running_resume.settle(root)
    folder = running_resume.find(root, run) if run else running_resume.newest(root)
    record = running_resume.record_of(folder)
    if as_json:
        click.echo(records.to_json(record))
        return 0
    _show(record)
    click.echo(f"folder: {folder.path}")
    if running.resumable(record, taken_back=running_resume.taken_back(folder)):
        click.echo(f"resume: blumeops runbook resume {record.id}")
    return 0


@runbook.command("history")
@click.argument("name", required=False, default="", shell_complete=complete.names)
@click.option("-n", "--number", default=20, show_default=True, help="How many runs, the newest first.")
@json_option
def runbook_history(name: str, number: int, as_json: bool) -> int:
    """Show the runs of all runbooks, or of one, on every target, the newest first."""
    from blumeops import records
    from blumeops.runbooks import format, running_resume

    root = complete.root()
    if name:
        format.named(root, name)
    running_resume.settle(root)
    going = [r for _, r in running_resume.told(root) if r.status is records.RunStatus.RUNNING]
    ended = [*going, *records.runs(root, name)]
    shown = [record for record in ended if name in ("", record.runbook)][:number]
    if as_json:
        click.echo(json.dumps([_brief(record) for record in shown], indent=2, ensure_ascii=False))
    for record in () if as_json else shown:
        click.echo(_history_line(record))
    if not shown:
        click.echo("nothing ran yet", err=True)
    return 0


@runbook.command("plan")
@name_argument
@param_option
@click.option(
    "--target", default="", metavar="NAME", help="Where it would run.", shell_complete=complete.targets
)
@json_option
def runbook_plan(name: str, params: tuple[str, ...], target: str, as_json: bool) -> int:
    """Show what a run would do, step by step, without running anything."""
    from blumeops.cli import runbook_plan as plan
    from blumeops.runbooks import format, parameters

    root = complete.root()
    book = format.named(root, name)
    values = parameters.parse(book, [*params, *([f"target={target}"] if target else [])])
    plan.show(root, book, values, as_json=as_json)
    return 0


def _show(record: RunRecord) -> None:
    from rich.markup import escape

    from blumeops.cli import show
    from blumeops.cli.runbook_live import cell_line

    head = f"{record.runbook}: {record.status.value}, {record.mode.value} on {record.target}"
    show.out.print(f"[bold]{escape(head)}[/]")
    show.out.print(escape(f"{record.started:%Y-%m-%d %H:%M:%S} UTC by {record.who}, {record.seconds:.1f} s"))
    show.out.print(escape(f"commit {record.commit[:12]}{' and uncommitted changes' if record.dirty else ''}"))
    for name, value in record.parameters.items():
        show.out.print(escape(f"{name} = {value!r}"))
    for cell in record.cells:
        show.out.print(f"  {cell_line(cell)}")


def _brief(record: RunRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "runbook": record.runbook,
        "status": record.status.value,
        "mode": record.mode.value,
        "target": record.target,
        "started": record.started.isoformat(timespec="seconds"),
        "seconds": round(record.seconds, 1),
        "who": record.who,
        "commit": record.commit,
    }


def _history_line(record: RunRecord) -> str:
    when = f"{record.started:%Y-%m-%d %H:%M}"
    head = f"{when}  {record.status.value:12} {record.seconds:7.1f} s  {record.mode.value:9}"
    return f"{head} {record.target:10} {record.id or record.runbook} by {record.who or 'unknown'}"

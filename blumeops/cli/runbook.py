"""The verbs over procedures: runbook."""

from __future__ import annotations

import json
from pathlib import Path

import click

from blumeops.cli.homelab import json_option, quiet_option
from blumeops.errors import BlumeOpsError


def _root() -> Path:
    from blumeops.repository import find

    return find(Path.cwd().resolve()).root


@click.group()
def runbook() -> None:
    """How-to pages that run."""


@runbook.command("list")
@json_option
def runbook_list(as_json: bool) -> int:
    """List the runbooks, each with its last run."""
    from blumeops import records, runbooks

    root = _root()
    rows = [(book, records.latest(root, book.name)) for book in runbooks.find(root)]
    if as_json:
        shown = [
            {"name": b.name, "title": b.title, "last": str(r.started) if r else None,
             "status": r.status.value if r else None, "commit": r.commit if r else None}
            for b, r in rows
        ]  # fmt: skip
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return 0
    for book, record in rows:
        click.echo(f"{book.name:24} {book.title}")
        click.echo(f"{'':24} {str(record).partition(': ')[2] if record else 'never run'}")
    return 0


@runbook.command("run")
@click.argument("name")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Set a parameter.")
@click.option("--save", is_flag=True, help="Also keep the record in runbooks/records, to be committed.")
@json_option
@quiet_option
def runbook_run(name: str, parameters: tuple[str, ...], save: bool, as_json: bool, quiet: bool) -> int:
    """Execute a runbook against the sandbox and keep its record; exit code 2 when a cell fails."""
    from blumeops import records, runbooks
    from blumeops.cli import show

    root = _root()
    book = runbooks.named(root, name)
    values = runbooks.parameters(book, parameters)
    record = runbooks.execute(root, book, parameters=values, notify=show.progress(quiet=quiet or as_json))
    if save and record.status is runbooks.RunStatus.PASSED:
        records.save(record, root / records.COMMITTED / f"{book.name}.json")
    if as_json:
        click.echo(runbooks.to_json(record))
    else:
        click.echo(str(record))
        for failure in runbooks.failures(record):
            click.echo(failure, err=True)
    return 0 if record.status is runbooks.RunStatus.PASSED else 2


@runbook.command("show")
@click.argument("name")
@json_option
def runbook_show(name: str, as_json: bool) -> int:
    """Show a runbook's last run, cell by cell."""
    from blumeops import records, runbooks

    root = _root()
    book = runbooks.named(root, name)
    record = records.latest(root, book.name)
    if record is None:
        raise BlumeOpsError(f"{book.name} never ran", hint=f"blumeops runbook run {book.name}")
    click.echo(runbooks.to_json(record) if as_json else runbooks.transcript(record))
    return 0


COMMANDS: tuple[click.Command, ...] = (runbook,)

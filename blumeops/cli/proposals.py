"""The verbs over what assistants proposed: list, show, plan, withdraw."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blumeops.cli.homelab import json_option, quiet_option, target_option
from blumeops.errors import BlumeOpsError

if TYPE_CHECKING:
    from blumeops.repository import Repository

name_argument = click.argument("branch", metavar="BRANCH")


@click.group()
def proposals() -> None:
    """Changes that an assistant has proposed: branches below `proposal/`, each with its plan."""


@proposals.command("list")
@json_option
def proposals_list(as_json: bool) -> int:
    """List the proposals, the newest first: open, merged, or changed by somebody since."""
    from blumeops.assistant import propose_branch
    from blumeops.context.untrusted import clean

    found = propose_branch.branches(_here())
    if as_json:
        told = [{**asdict(one), "state": one.state} for one in found]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    for one in found:
        state = f"merged into {one.into}" if one.into else one.state
        click.echo(clean(f"{one.date[:16]}  {state:8} {one.name}  {one.title}"))
    if not found:
        click.echo("there are no proposals", err=True)
    return 0


@proposals.command("show")
@name_argument
@json_option
def proposals_show(branch: str, as_json: bool) -> int:
    """Show a proposal: its reason, its diff, what was checked, and its plan."""
    from blumeops.assistant import propose_branch
    from blumeops.context.untrusted import clean

    place = _here()
    one = propose_branch.named(place, branch)
    how = ("--no-color", "--no-ext-diff", "--no-notes", "--stat", "--patch")
    diff = propose_branch.run(place, "show", *how, one.commit)
    if as_json:
        told = {**asdict(one), "state": one.state, "diff": diff}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    # What an assistant wrote is shown on a terminal: no sequences, nothing that is not seen.
    click.echo(clean(diff))
    click.echo(clean(one.note) if one.note else "(no plan: this commit is not as it was proposed)")
    return 0


@proposals.command("plan")
@name_argument
@target_option
@json_option
@quiet_option
def proposals_plan(branch: str, target: str, as_json: bool, quiet: bool) -> int:
    """Plan a proposal, on any target, and print the plan's token.

    Parts of a proposal may run on this machine while they are planned: read it first.
    """
    from blumeops.assistant import propose_person
    from blumeops.cli import show

    place = _here()
    found = propose_person.plan(place, branch, target, notify=show.progress(quiet=quiet or as_json))
    if found is None:
        click.echo("no layer's desired state changes: nothing to plan", err=True)
        return 0
    report, token = found
    if as_json:
        click.echo(json.dumps({**report.to_dict(), "token": token}, indent=2, ensure_ascii=False))
        return report.exit_code
    show.report(report, as_json=False, diffs=show.Diffs.ALL)
    click.echo(f"token: {token}" if token else "no token: a layer is unknown")
    return report.exit_code


@proposals.command("withdraw")
@name_argument
@json_option
def proposals_withdraw(branch: str, as_json: bool) -> int:
    """Remove a proposal that nobody has merged or worked on; its commit is said, to get it back."""
    from blumeops.assistant import propose_branch

    gone = propose_branch.withdraw(_here(), branch)
    if as_json:
        click.echo(json.dumps({"branch": gone.name, "commit": gone.commit}, indent=2))
    else:
        click.echo(f"removed {gone.name}; back with: git branch {gone.name} {gone.commit[:12]}")
    return 0


@proposals.command("rehearse-for-assistant", hidden=True)
@click.argument("name")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--dry-run", is_flag=True)
def proposals_rehearse(name: str, root: Path, dry_run: bool) -> int:
    """Run a runbook for the server: parameters as JSON on standard input, events as lines of JSON out."""
    import os

    from blumeops import records
    from blumeops.assistant import propose_runbook
    from blumeops.runbooks.running import EXIT_CODES

    def say(event: object) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: the run ends in order all the same
            click.echo(json.dumps(event, ensure_ascii=False))

    propose_runbook.outlive_the_server()
    say({"event": "start", "pid": os.getpid()})
    try:
        given = json.loads(sys.stdin.read() or "{}")
        record = propose_runbook.rehearse(root, name, given, dry_run=dry_run, say=say)
    except BlumeOpsError as error:
        about = {"what": error.what, "where": error.where, "hint": error.hint, "exit_code": error.exit_code}
        say({"event": "error", **about})
        return error.exit_code
    say({"event": "record", "record": records.to_plain(record)})
    return EXIT_CODES[record.status]


def _here() -> Repository:
    from blumeops.repository import find

    return find(Path.cwd().resolve())


COMMANDS: tuple[click.Command, ...] = (proposals,)

"""The verbs over the three layers: plan, drift, apply, status, rollback, and the journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from blumeops.errors import BlumeOpsError
from blumeops.target import SANDBOX

if TYPE_CHECKING:
    from blumeops.homelab import Homelab

LAYER_NAMES = ("tailnet", "hosts", "cluster")

layers_argument = click.argument("layers", nargs=-1, type=click.Choice(LAYER_NAMES), metavar="[LAYER]...")
target_option = click.option(
    "--target", default=SANDBOX, show_default=True, help="Where the layers point; see homelab/targets.toml."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress on standard error.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask; for scripts.")
diff_option = click.option(
    "--diff",
    type=click.Choice(["none", "existing", "all"]),
    default="existing",
    show_default=True,
    help="Which diffs: none, of what exists already, or all (of what is created and deleted too).",
)


@click.command()
@layers_argument
@target_option
@json_option
@diff_option
@click.option("--token", is_flag=True, help="Print the plan's token, too: `apply --plan` takes it.")
@quiet_option
def plan(layers: tuple[str, ...], target: str, as_json: bool, diff: str, token: bool, quiet: bool) -> int:
    """Show what apply would change: desired state against the live system.

    Exit code 0 says that nothing would change, 1 that something would.
    """
    from blumeops.cli import show

    homelab = _open(target)
    found = homelab.plan(layers, notify=show.progress(quiet=quiet or as_json))
    if not token:
        show.report(found, as_json=as_json, diffs=show.Diffs[diff.upper()])
        return found.exit_code
    from blumeops import plan_token

    made = plan_token.of(homelab, found)
    if as_json:
        told = {**found.to_dict(), "token": str(made or "")}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return found.exit_code
    show.report(found, as_json=False, diffs=show.Diffs[diff.upper()])
    why = "a layer is unknown, or something under homelab/ is not committed"
    click.echo(f"token: {made}" if made else f"no token: {why}")
    return found.exit_code


@click.command()
@layers_argument
@target_option
@json_option
@diff_option
@quiet_option
def drift(layers: tuple[str, ...], target: str, as_json: bool, diff: str, quiet: bool) -> int:
    """Show what changed behind Git's back: what was applied last against the live system."""
    from blumeops.cli import show

    found = _open(target).drift(layers, notify=show.progress(quiet=quiet or as_json))
    show.report(found, as_json=as_json, diffs=show.Diffs[diff.upper()])
    return found.exit_code


@click.command()
@layers_argument
@target_option
@json_option
@quiet_option
def status(layers: tuple[str, ...], target: str, as_json: bool, quiet: bool) -> int:
    """Show the state of each layer: in sync, pending, drifted, degraded or unknown."""
    from blumeops.cli import show

    found = _open(target).status(layers, notify=show.progress(quiet=quiet or as_json))
    show.report(found, as_json=as_json)
    return found.exit_code


@click.command()
@layers_argument
@target_option
@json_option
@yes_option
@click.option("--plan", "token", default="", metavar="TOKEN", help="Only if the plan is still this one.")
@quiet_option
def apply(layers: tuple[str, ...], target: str, as_json: bool, yes: bool, token: str, quiet: bool) -> int:
    """Make the live system what Git says, after showing the plan and asking.

    Layers are changed in order: tailnet, hosts, cluster. A failure stops the later ones; running apply
    again finishes it. Uncommitted changes under homelab/ are refused.

    With --plan, the layers are those of the token, and exit code 3 says that the plan is another one now.
    """
    from blumeops.cli import show

    homelab = _open(target)
    homelab.repository.require_clean()
    notify = show.progress(quiet=quiet or as_json)
    if token:
        from blumeops import plan_token

        wanted = plan_token.read(token, homelab.target.name)
        plans = homelab.plan(layers or wanted.layers, notify=notify)
        plan_token.require(homelab, wanted, plans)
    else:
        plans = homelab.plan(layers, notify=notify)
    _agree(homelab.target.identity, target, yes=yes, as_json=as_json)(plans)
    done = homelab.apply(layers, plans=plans, notify=notify)
    show.report(done, as_json=as_json)
    return done.exit_code


@click.command()
@click.argument("revision")
@target_option
@json_option
@yes_option
@quiet_option
def rollback(revision: str, target: str, as_json: bool, yes: bool, quiet: bool) -> int:
    """Go back: git revert REVISION (a commit, or a range A..B), then apply, over all layers.

    Refused whole when the revert conflicts; the repository is then as it was.
    """
    from blumeops.cli import show

    homelab = _open(target)
    agree = _agree(homelab.target.identity, target, yes=yes, as_json=as_json)

    done = homelab.rollback(revision, agree=agree, notify=show.progress(quiet=quiet or as_json))
    show.report(done, as_json=as_json)
    return done.exit_code


def _agree(identity: str, target: str, *, yes: bool, as_json: bool) -> Callable[..., bool]:
    """Show the plan, and the identity of a real target, and ask; without a terminal `--yes` must say it."""
    from blumeops.cli import show
    from blumeops.plan import Plan, Report

    def agree(plans: Report) -> bool:
        if not as_json:
            show.report(plans, as_json=False)
        if target != SANDBOX:
            click.echo(f"target {target}: {identity}", err=True)
        changes = sum(len(answer.changes) for answer in plans.answers if isinstance(answer, Plan))
        if yes or not changes:
            return True
        if not show.interactive():
            raise BlumeOpsError(
                f"{changes} changes would be made", hint="say --yes to make them without asking"
            )
        click.confirm(f"Make these {changes} changes on {target}?", abort=True, err=True)
        return True

    return agree


@click.command()
@target_option
@json_option
@click.option("-n", "--number", default=10, show_default=True, help="How many runs, newest first.")
def journal(target: str, as_json: bool, number: int) -> int:
    """Show what was applied and rolled back, newest first, and runs that were killed."""
    from blumeops.journal import Journal

    runs = Journal(_open(target).target.state / "journal").runs()[:number]
    if as_json:
        shown = [{"run": run.name, "finished": run.finished, "events": run.events} for run in runs]
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return 0
    for run in runs:
        end = run.events[-1].get("outcome", "") if run.finished else _killed(run.unfinished_layers())
        started = run.events[0] if run.events else {}
        click.echo(f"{started.get('at', '?')}  {run.verb:9} {started.get('revision', '')[:12]}  {end}")
    if not runs:
        click.echo("nothing was applied yet", err=True)
    return 0


def _killed(layers: tuple[str, ...]) -> str:
    where = f" while applying {', '.join(layers)}" if layers else ""
    return f"killed{where}; `blumeops apply` finishes it"


def _open(target: str) -> Homelab:
    from blumeops.homelab import Homelab

    return Homelab.open(target=target)


COMMANDS = (plan, drift, apply, status, rollback, journal)

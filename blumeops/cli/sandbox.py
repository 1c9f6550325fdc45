"""The verbs that set up this machine: up, down, sandbox, engines, doctor, env."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blumeops.cli.homelab import LAYER_NAMES, json_option, quiet_option
from blumeops.errors import BlumeOpsError

if TYPE_CHECKING:
    from blumeops.doctor import Prerequisite
    from blumeops.sandbox.layout import Layout


def _root() -> Path:
    from blumeops.repository import find

    return find(Path.cwd().resolve()).root


@click.command()
@click.option("--no-serve", is_flag=True, help="Do everything but serve the site, and return.")
@click.option("--no-runbooks", is_flag=True, help="Do not run the runbooks.")
@click.option("--port", type=click.IntRange(1024, 65535), help="Port of the site on 127.0.0.1.")
@quiet_option
def up(no_serve: bool, no_runbooks: bool, port: int | None, quiet: bool) -> int:
    """Bring up the whole homelab in a box: engines, sandbox, desired state, runbooks, site.

    The site is served first, with the last verified records; everything else goes on behind it. Ctrl-C
    ends the serving and what is being prepared; what runs in the sandbox stays until `blumeops down`.
    """
    from blumeops.cli.progress import Screen
    from blumeops.up import Up

    with Screen(quiet=quiet) as screen:
        outcome = Up(_root(), screen, serve=not no_serve, runbooks=not no_runbooks, port=port).run()
    return outcome


@click.command()
@quiet_option
def down(quiet: bool) -> int:
    """Take everything of the sandbox away: processes, bridge, NAT rules, mounts. Keeps its data."""
    from blumeops.cli import show
    from blumeops.sandbox.sandbox import Sandbox
    from blumeops.up import end_holder

    box = Sandbox.of(_root())
    notify = show.progress(quiet=quiet)
    end_holder(box, notify)
    with box.held("down"):
        box.down(notify)
    _report_leftovers(box.layout)
    return 0


def _report_leftovers(layout: Layout) -> None:
    from blumeops.sandbox.sandbox import leftovers

    left = leftovers(layout)
    if left:
        raise BlumeOpsError("still there:\n  " + "\n  ".join(left), hint="run `blumeops down` again")
    click.echo("the sandbox is down: no process, bridge, NAT rule or mount of it is left", err=True)


@click.group()
def sandbox() -> None:
    """The homelab in a box that every command works on by default."""


NODES = ("indri", "sifaka", "gilbert")
"""As in `sandbox.layout`, which is not imported before a command needs it."""

layers_argument = click.argument("layers", nargs=-1, type=click.Choice(LAYER_NAMES), metavar="[LAYER]...")


@sandbox.command("up")
@layers_argument
@click.option("--dry-run", is_flag=True, help="Print the components and steps, and start nothing.")
@quiet_option
def sandbox_up(layers: tuple[str, ...], dry_run: bool, quiet: bool) -> int:
    """Start the sandbox (or only the named layers of it) and leave it running."""
    from blumeops.cli import show
    from blumeops.sandbox.sandbox import LAYERS, Sandbox

    box = Sandbox.of(_root())
    if dry_run:
        click.echo(box.describe(), nl=False)
        return 0
    with box.held("sandbox up"):
        box.up(layers or LAYERS, notify=show.progress(quiet=quiet))
    for layer, reason in box.missing().items():
        click.echo(f"{layer}: not here: {reason}", err=True)
    return 0


sandbox.add_command(down, "down")


@sandbox.command("reset")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@quiet_option
def sandbox_reset(yes: bool, quiet: bool) -> int:
    """Take the sandbox down and forget its data; the built engines stay."""
    from blumeops.cli import show
    from blumeops.sandbox.sandbox import Sandbox
    from blumeops.up import end_holder

    box = Sandbox.of(_root())
    if not yes:
        if not show.interactive():
            raise BlumeOpsError("this forgets the sandbox's data", hint="say --yes to do it without asking")
        click.confirm(f"Forget everything in {box.layout.folder}?", abort=True, err=True)
    notify = show.progress(quiet=quiet)
    end_holder(box, notify)
    with box.held("sandbox reset"):
        box.down(notify)
    box.reset(notify)
    _report_leftovers(box.layout)
    return 0


@sandbox.command("rebuild")
@click.argument("node", type=click.Choice(NODES))
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@quiet_option
def sandbox_rebuild(node: str, yes: bool, quiet: bool) -> int:
    """Replace a node's disk with an empty one and boot it, to rehearse what comes after.

    The node is plain Debian then, and a new device of the tailnet under its old name: `apply` provisions it.
    """
    from blumeops.cli import show
    from blumeops.sandbox.sandbox import Sandbox

    box = Sandbox.of(_root())
    if not yes:
        if not show.interactive():
            raise BlumeOpsError(f"this forgets what {node} has", hint="say --yes to do it without asking")
        click.confirm(f"Forget everything that {node} of the sandbox has?", abort=True, err=True)
    box.rebuild(node, show.progress(quiet=quiet))
    return 0


@sandbox.command("status")
@json_option
def sandbox_status(as_json: bool) -> int:
    """Show every component: running, stopped or crashed, with the last lines of a crashed one's log.

    Exit code 0 says that all of them answer, 1 that some do not, 2 that one crashed.
    """
    from blumeops.sandbox.sandbox import Sandbox
    from blumeops.sandbox.supervisor import Life

    box = Sandbox.of(_root())
    found = box.status()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            words = (
                one.life.value if one.life is not Life.RUNNING or one.ready else "running, does not answer"
            )
            click.echo(f"{one.name:24} {words}" + (f" (process {one.pid})" if one.pid else ""))
            if one.last_lines:
                click.echo(one.last_lines)
        for layer, reason in box.missing().items():
            click.echo(f"{layer:24} not here: {reason}")
    if any(one.life is Life.CRASHED for one in found):
        return 2
    return 0 if all(one.ready for one in found) else 1


@click.group()
def engines() -> None:
    """The programs that the layers run on, built once from pinned sources."""


@engines.command("list")
@json_option
def engines_list(as_json: bool) -> int:
    """List every engine with its version and where it comes from; exit code 1 when one is missing."""
    from blumeops.sandbox import engines as built

    located = built.located()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in located], indent=2, default=str))
    else:
        for one in located:
            click.echo(f"{one.binary:26} {one.version:10} {one.source.value:8} {one.path or ''}".rstrip())
    return 1 if any(one.path is None for one in located) else 0


@engines.command("build")
@click.argument("names", nargs=-1)
@quiet_option
def engines_build(names: tuple[str, ...], quiet: bool) -> int:
    """Build what is missing (or only the named engines) into the cache; about 17 minutes on 2 cores."""
    from blumeops.cli.progress import Screen
    from blumeops.sandbox import engines as built
    from blumeops.sandbox.engines_build import build
    from blumeops.sandbox.engines_pinned import ENGINES

    missing = built.missing()
    unknown = set(names) - {engine.name for engine in ENGINES}
    if unknown:
        known = ", ".join(engine.name for engine in ENGINES)
        raise BlumeOpsError(f"there is no engine {sorted(unknown)[0]!r}", hint=f"the engines are {known}")
    with Screen(quiet=quiet) as screen:
        wanted = [engine for engine in missing if not names or engine.name in names]
        built_now = build(wanted, watch=screen.building)
        for name, seconds in built_now.seconds.items():
            screen.line(f"{name}: built in {seconds:.0f} s")
    return 0


@click.command()
@json_option
@click.option("--fix", is_flag=True, help="Install the missing Debian packages (needs root).")
def doctor(as_json: bool, fix: bool) -> int:
    """List every prerequisite and engine: version, where it comes from, and the fix for what is missing.

    Exit code 0 when nothing that is needed is missing, else 1.
    """
    from blumeops import doctor as doctors
    from blumeops.cli import show

    found = doctors.examine(_root())
    if fix and (packages := doctors.missing_packages()):
        doctors.install_packages(packages, show.progress(quiet=False))
        found = doctors.examine(_root())
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2, default=str))
    else:
        _prerequisites(found)
    return 1 if any(one.state == "missing" for one in found) else 0


def _prerequisites(found: Sequence[Prerequisite]) -> None:
    signs = {"ok": "✓", "missing": "✗", "optional": "-"}
    for one in found:
        line = f"{signs[one.state]} {one.name:26} {one.version or one.state:14} {one.source}"
        click.echo(line.rstrip())
        if one.state != "ok" and one.fix:
            click.echo(f"    fix: {one.fix}")


@click.command()
@click.option("--target", default="sandbox", show_default=True, help="Whose environment.")
def env(target: str) -> int:
    """Print the environment in which kubectl, pulumi, ansible-playbook, ssh and tailscale reach the target.

    Use it with: eval "$(blumeops env)"
    """
    from blumeops.homelab import Homelab
    from blumeops.layers import environment

    homelab = Homelab.open(target=target)
    # It names the inventory, which `ansible-playbook` would find only from inside that folder.
    config = {"ANSIBLE_CONFIG": str(homelab.root / "homelab" / "ansible" / "ansible.cfg")}
    for name, value in {**config, **environment(homelab.target)}.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    return 0


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("host")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--target", default="sandbox", show_default=True, help="Where the hosts are.")
def provision(host: str, arguments: tuple[str, ...], target: str) -> int:
    """Run Ansible's site playbook on one host; further ARGUMENTS go to ansible-playbook.

    For a look at one host: blumeops provision indri --check --diff. `apply hosts` is the verb that also
    records what it did.
    """
    from blumeops.homelab import Homelab
    from blumeops.layers.ansible import playbook

    homelab = Homelab.open(target=target)
    folder = homelab.root / "homelab"
    return playbook(homelab.target, folder, ["--limit", host, *arguments])


COMMANDS: tuple[click.Command, ...] = (up, down, sandbox, engines, doctor, env, provision)

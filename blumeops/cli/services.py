"""The verbs over the service map: list, show, check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blumeops.cli.homelab import json_option, quiet_option, target_option

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from blumeops.services.live import Check
    from blumeops.services.model import Aspect, Service, ServiceMap

TABLE_WIDTH = 132
"""Narrower terminals wrap whole lines, which is easier to read than words folded in seven columns."""

root_option = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="Another repository than this one.",
)


@click.group()
def services() -> None:
    """What runs where, how it is reached, watched, kept and shown: read from the repository."""


@services.command("list")
@root_option
@json_option
def services_list(root: Path | None, as_json: bool) -> int:
    """List every service with where it runs, its version, route, probe, backup and dashboard.

    What is missing is listed below, with its place and what to do. `blumeops docs check` fails on it.
    """
    from blumeops.cli import show
    from blumeops.services import map

    found = map.read(_root(root))
    if as_json:
        told = {
            "services": [asdict(s) for s in found.services],
            "problems": [asdict(p) for p in found.problems],
        }
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    _wide().print(_table(found.services))
    for problem in found.problems:
        show.err.print(str(problem), markup=False)
    show.err.print(f"{len(found.services)} services, {len(found.problems)} things missing")
    return 0


@services.command("show")
@click.argument("name")
@root_option
@json_option
def services_show(name: str, root: Path | None, as_json: bool) -> int:
    """Show everything that is known of one service, each fact with its file and line."""
    from blumeops.cli import show
    from blumeops.services import map

    found = _named(map.read(_root(root)), name)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return 0
    for kind, value, where in _facts(found):
        show.out.print(f"{kind:<10} {value}" + (f"  ({where})" if where else ""), markup=False)
    return 0


@services.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@target_option
@json_option
@quiet_option
def services_check(names: tuple[str, ...], target: str, as_json: bool, quiet: bool) -> int:
    """Look whether the services are as the map says: routes, units, ports, backups, workloads, images.

    Exit code 1 says that something is not as it should be, 4 that something could not be seen and nothing
    that was seen is wrong. What a sandbox only plays is said, and is not counted as seen.
    """
    from blumeops.cli import show
    from blumeops.services import live, map
    from blumeops.target import load

    root = _root(None)
    wanted = map.read(root)
    chosen = [_named(wanted, name) for name in names] or list(wanted.services)
    done = live.check(chosen, wanted, load(root, target), notify=show.progress(quiet=quiet or as_json))
    if as_json:
        told = {"target": target, "exit_code": done.exit_code, "findings": [asdict(f) for f in done.findings]}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _wide().print(_findings(done))
    return done.exit_code


def _root(given: Path | None) -> Path:
    from blumeops.repository import find

    return given.resolve() if given else find(Path.cwd().resolve()).root


def _named(shown: ServiceMap, name: str) -> Service:
    from blumeops.errors import BlumeOpsError
    from blumeops.services.model import normal

    by_name = {service.name: service for service in shown.services}
    if normal(name) not in by_name:
        raise BlumeOpsError(f"there is no service {name!r}", hint=f"known: {', '.join(by_name) or 'none'}")
    return by_name[normal(name)]


def _wide() -> Console:
    from rich.console import Console

    from blumeops.cli.show import out

    return Console(highlight=False, emoji=False, width=max(out.width, TABLE_WIDTH))


def _table(found: tuple[Service, ...]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("service", "runs on", "version", "reached as", "probe", "backup", "dashboard"):
        table.add_column(column, no_wrap=True)
    for one in found:
        where = ", ".join(host.value for host in one.hosts) or "unknown"
        version = str(one.version or ("package" if one.package else "unknown"))
        aspects = [_short(one.aspect(name)) for name in ("route", "probe", "backup", "dashboard")]
        table.add_row(*(escape(cell) for cell in (one.name, where, version, *aspects)))
    return table


def _short(aspect: Aspect) -> str:
    words = [str(fact) for fact in aspect.facts]
    if aspect.cover.name != "THERE":
        return aspect.cover.value.removeprefix("none, ")
    return words[0] + (f" and {len(words) - 1} more" if len(words) > 1 else "")


def _facts(one: Service) -> Iterator[tuple[str, str, str]]:
    yield "service", one.title, one.card.fact.where if one.card else "no card"
    for fact in one.made_by:
        yield "made by", fact.value, fact.where
    for kind, said in (("image", one.image), ("package", one.package), ("version", one.version)):
        if said:
            yield kind, said.value, said.where
    for kind, facts in (("host", one.hosts), ("tag", one.tags), ("unit", one.units)):
        for fact in facts:
            yield kind, fact.value, fact.where
    for aspect in one.aspects[1:]:
        if aspect.cover.name != "THERE":
            yield aspect.name, f"{aspect.cover.value}{f': {aspect.why}' if aspect.why else ''}", ""
        for fact in aspect.facts:
            yield aspect.name, fact.value, fact.where


def _findings(done: Check) -> Table:
    from rich.markup import escape
    from rich.table import Table

    colours = {"ok": "green", "failing": "red", "unknown": "red", "simulated": "yellow"}
    signs = {"ok": "✓", "failing": "✗", "unknown": "?", "simulated": "·"}
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for one in done.findings:
        word, colour = one.state.value, colours[one.state.value]
        table.add_row(
            f"[{colour}]{signs[word]}[/]", one.service, one.what, f"[{colour}]{word}[/]", escape(one.said)
        )
    return table


COMMANDS: tuple[click.Command, ...] = (services,)

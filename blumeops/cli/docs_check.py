"""The verb that compares the docs with the repository and, asked to, with the running homelab: docs check."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blumeops.cli.docs import docs, root_of, root_option
from blumeops.cli.homelab import json_option, target_option
from blumeops.errors import BadInput, Problem

if TYPE_CHECKING:
    from blumeops.facts.check import Checked
    from blumeops.facts.live import Seen

MOST_SHOWN = 200
"""More lines than this nobody reads on a terminal; `--json` has all of them."""


@docs.command("check")
@root_option
@click.option("--fix", is_flag=True, help="Rewrite values and generated blocks on the pages.")
@click.option("--live", is_flag=True, help="Compare with the running homelab, too.")
@target_option
@click.option("--strict", is_flag=True, help="Fail on warnings, too.")
@json_option
def docs_check(root: Path | None, fix: bool, live: bool, target: str, strict: bool, as_json: bool) -> int:
    """Check every link, and what the pages say against the repository: nothing is built.

    Values that are bound to a file, generated blocks, commands, paths, lists of what there is, versions,
    secrets where none may stand, and what assistants read first: AGENTS.md, CLAUDE.md, llms.txt.
    --fix rewrites pages, never what they are bound to.

    Exit code 2 says that a page is wrong, 4 that nothing is, but the homelab did not answer (--live).
    """
    place = root_of(root)
    checked, problems, warnings = found(place, fix=fix)
    seen = _live(place, target, checked) if live else None
    problems += seen.problems if seen else []
    if strict:
        problems, warnings = [*problems, *warnings], []
    unknown = list(seen.unknown) if seen else []
    if as_json:
        click.echo(json.dumps(_told(checked, problems, warnings, seen), indent=2, ensure_ascii=False))
    else:
        _show(checked, problems, warnings, seen)
    return 2 if problems else 4 if unknown else 0


def found(root: Path, *, fix: bool = False) -> tuple[Checked, list[Problem], list[Problem]]:
    """All that can be said of the pages without looking at the homelab: problems, and warnings."""
    from blumeops.cli import cli
    from blumeops.facts import assistant_files, check
    from blumeops.site.place import Place

    ours = Place.of(root).ours
    checked = check.check(root, fix=fix, clis={"blumeops": cli})
    broken, lonely = _links(root)
    problems, warnings = [*checked.problems, *broken], list(checked.warnings)
    for one in assistant_files.check(root, ours=ours):
        (problems if one.sure else warnings).append(one.problem)
    # Somebody else's vault may well be read by its folders; here a page that nothing leads to is a mistake.
    (problems if ours else warnings).extend(lonely)
    return checked, [*problems, *_services(root, checked), *_runbooks(root)], warnings


def _links(root: Path) -> tuple[Sequence[Problem], Sequence[Problem]]:
    """The broken links of the pages with whatever else would stop a build, and the pages nothing leads to."""
    from blumeops.facts import assistant_files
    from blumeops.site import build
    from blumeops.site.orphans import orphans
    from blumeops.site.place import Place

    try:
        staged = build.check(root)
    except BadInput as error:
        return error.problems, ()
    return assistant_files.map_problems(staged, Place.of(root).name), orphans(staged.vault, staged.links)


def _services(place: Path, checked: Checked) -> tuple[Problem, ...]:
    """What the services lack, where the cards say which services there are (`service:`)."""
    from blumeops.services import map

    return tuple(map.read(place).problems) if checked.has_service_cards else ()


def _runbooks(root: Path) -> list[Problem]:
    """What is wrong with the runbooks; their commands and secrets were looked at with those of all pages.

    Only where there is a homelab to run them on: the notebooks of another vault follow rules of their own.
    """
    from blumeops.repository import DESIRED_STATE
    from blumeops.runbooks import check
    from blumeops.site.place import Place

    ours = Place.of(root).ours and (root / DESIRED_STATE).is_dir()
    return check.check(root, prose=False) if ours else []


def _live(place: Path, target: str, checked: Checked) -> Seen:
    from blumeops.facts import live

    return live.check(place, target, checked.facts)


def _told(
    checked: Checked, problems: list[Problem], warnings: list[Problem], seen: Seen | None
) -> dict[str, object]:
    about: dict[str, object] = {
        "problems": [asdict(problem) for problem in problems],
        "warnings": [asdict(problem) for problem in warnings],
        "fixed": list(checked.fixed),
        "pages": checked.pages,
        "facts": len(checked.facts),
        "blocks": checked.blocks,
        "commands": checked.commands,
    }
    if seen:
        about |= {"live": seen.looked, "unknown": [asdict(problem) for problem in seen.unknown]}
    return about


def _show(checked: Checked, problems: list[Problem], warnings: list[Problem], seen: Seen | None) -> None:
    for line in checked.fixed:
        click.echo(f"fixed  {line}", err=True)
    _grouped("", problems)
    _grouped("warning: ", warnings)
    _grouped("unknown: ", list(seen.unknown) if seen else [])
    _grouped("simulated: ", list(seen.simulated) if seen else [])
    counted = [
        _counted(checked.pages, "page"),
        _counted(len(checked.facts), "fact"),
        _counted(checked.blocks, "block"),
        _counted(checked.commands, "command"),
        *([f"{seen.looked} looked at live"] if seen else []),
    ]
    found = f"{_counted(len(problems), 'problem')}, {_counted(len(warnings), 'warning')}"
    unknown = f", {len(seen.unknown)} unknown" if seen else ""
    click.echo(f"{', '.join(counted)} checked: {found}{unknown}", err=True)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _grouped(head: str, problems: Iterable[Problem]) -> None:
    """Problems under the name of their file, in the order of their lines."""
    order = sorted(problems, key=lambda one: (one.path, one.line, one.column))
    shown = 0
    for path, group in itertools.groupby(order, key=lambda one: one.path):
        if shown >= MOST_SHOWN:
            continue
        click.echo(click.style(path, bold=True))
        for one in group:
            shown += 1
            place = ":".join(str(n) for n in (one.line, one.column) if n)
            click.echo(f"  {place:>8}  {head}{one.what}")
            if one.hint:
                click.echo(f"            {one.hint}")
    if len(order) > shown:
        click.echo(f"and {len(order) - shown} more; --json has all of them")

"""The verbs over the tailnet's policy: explain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blumeops.cli.homelab import json_option

if TYPE_CHECKING:
    from blumeops.tailnet.explain import Explanation


@click.group()
def policy() -> None:
    """Who may reach what on the tailnet, as its policy says."""


@policy.command("explain")
@click.argument("src", required=False, default="")
@click.argument("dst", required=False, default="")
@click.option("--port", type=click.IntRange(1, 65535), help="Answer with yes or no for this port.")
@click.option("--proto", default="tcp", show_default=True, help="Its protocol, by name or number.")
@json_option
def policy_explain(src: str, dst: str, port: int | None, proto: str, as_json: bool) -> int:
    """Say which rules let SRC reach DST, each with its lines.

    Both are a user, group, tag, host, address or device. Without DST: all that SRC may reach. `*` for SRC:
    whoever reaches DST. Nothing is asked but the files of this repository.
    """
    from blumeops.repository import find
    from blumeops.tailnet import explain

    rules, topology = explain.read(find(Path.cwd().resolve()).root)
    who = "" if src == "*" else src
    said = explain.explain(rules, topology, src=who, dst=dst, port=port or 0, proto=proto)
    if as_json:
        click.echo(json.dumps(asdict(said), indent=2, ensure_ascii=False))
    else:
        for line in _lines(said):
            click.echo(line)
    return 0


def _lines(said: Explanation) -> Iterator[str]:
    yield click.style(str(said), bold=True)
    for end in (said.src, said.dst):
        yield from (f"  {why}" for why in (end.because if end else ()))
    for rule in said.rules:
        yield f"  {rule.src} → {rule.dst}  {rule.what}"
        yield click.style(f"      {rule.section}, {rule.where}", dim=True)
    if not said.rules:
        yield "  no rule lets it through"


COMMANDS: tuple[click.Command, ...] = (policy,)

"""The verbs that try runbooks and open them: runbook test, runbook open."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blumeops.cli import runbook_complete as complete
from blumeops.cli.homelab import json_option, quiet_option, target_option
from blumeops.cli.runbook import runbook

if TYPE_CHECKING:
    from blumeops.runbooks.model import Runbook
    from blumeops.runbooks.testing import Rehearsal, Suite


@runbook.command("test")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@target_option
@click.option("--seed", type=click.IntRange(0), help="The order to run them in; a new one each time.")
@click.option("--after-each", is_flag=True, help="Look for what was left behind after every runbook.")
@click.option("-x", "--exit-first", is_flag=True, help="Stop at the first runbook that does not pass.")
@click.option("--record", is_flag=True, help="Keep the records in runbooks/records, when all passed.")
@json_option
@quiet_option
def runbook_test(
    names: tuple[str, ...], target: str, seed: int | None, after_each: bool, exit_first: bool,
    record: bool, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Rehearse runbooks on the sandbox: forward, back, and nothing left behind.

    All of them unless some are named, in a shuffled order: the seed is printed, and --seed repeats it. In
    the end the plan and the drift must be empty; --after-each finds out who left something.

    Exit code 0 says that all passed, 1 that a step failed or something was left, 5 that a precondition did
    not hold, 124 that one took too long.
    """
    from blumeops import runbooks
    from blumeops.cli import show
    from blumeops.cli.progress import clock
    from blumeops.runbooks import testing

    root = complete.root()
    books = [runbooks.named(root, name) for name in dict.fromkeys(names)] or runbooks.find(root)
    say = show.progress(quiet=quiet or as_json)
    begun = time.monotonic()

    def begins(number: int, book: Runbook) -> None:
        say(f"[{clock(begun)}] {number} of {len(books)} · {book.name}")

    def ended(one: Rehearsal) -> None:
        say(f"[{clock(begun)}] {one.name}: {one.problem or 'passed'} [{one.seconds:.1f} s]")

    done = testing.suite(
        root, books, seed=seed, target=target, after_each=after_each, exit_first=exit_first,
        notify=lambda line: say(f"    {line}"), begins=begins, watch=ended,
    )  # fmt: skip
    _report(done, as_json=as_json)
    if record and done.passed:
        named = {book.name: book for book in books}
        for one in done.rehearsals:
            runbooks.keep(root, named[one.name], one.record)
    return done.exit_code


@runbook.command("open")
@click.argument("name")
@click.option("--port", type=click.IntRange(1, 65535), help="On 127.0.0.1; by default one that is free.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def runbook_open(name: str, port: int | None, no_browser: bool) -> int:
    """Open a runbook as a notebook in JupyterLab, on this machine only; Ctrl-C ends it.

    Saving writes the page without outputs, and leaves what you did not change as it is.
    """
    from blumeops.runbooks import lab, lab_git

    root = complete.root()
    page = lab.page(root, name)
    lab.require()
    lab_git.set_up(root)
    click.echo("starting JupyterLab", err=True)
    with lab.running(root, page, port=port) as (server, wait):
        click.echo(server.page)
        click.echo("Ctrl-C ends it, with its kernels", err=True)
        if not no_browser and sys.stdout.isatty():
            click.launch(server.page)
        with contextlib.suppress(KeyboardInterrupt):
            wait()
    return 0


@runbook.command("refuse-outputs", hidden=True)
@click.argument("paths", nargs=-1)
def runbook_refuse_outputs(paths: tuple[str, ...]) -> int:
    """Refuse notebooks that are staged with outputs; a hook calls it."""
    from blumeops.errors import BadInput
    from blumeops.runbooks import lab_git

    if problems := tuple(lab_git.with_outputs(Path.cwd(), paths)):
        raise BadInput(problems)
    return 0


def _report(done: Suite, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(done.to_dict(), indent=2, ensure_ascii=False))
        return
    from rich.markup import escape
    from rich.table import Table

    from blumeops.cli import show
    from blumeops.runbooks import rehearsing

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("", "runbook", "result", "seconds", "outside cells"):
        table.add_column(head, justify="right" if head in ("seconds", "outside cells") else "left")
    for one in done.rehearsals:
        mark = "[green]✓[/]" if one.passed else "[red]✗[/]"
        word = one.status.value if not one.left else f"{one.status.value}, left something behind"
        outside = f"{max(0.0, one.seconds - one.in_cells):.1f}"
        table.add_row(mark, escape(one.name), escape(word), f"{one.seconds:.1f}", outside)
    show.out.print(table)
    for one in done.rehearsals:
        if not one.passed:
            show.err.print(f"\n[red]{escape(one.name)}[/]\n{escape(rehearsing.story(one))}")
    if done.left is not None:
        show.out.print(escape(str(done.left)))
    show.out.print(escape(str(done)))
    if not done.passed:
        again = " ".join(["blumeops runbook test", f"--seed {done.seed}", "--after-each"])
        show.err.print(f"hint: the same order again: `{again}`")

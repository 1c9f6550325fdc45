"""The command line: the only package that prints or exits.

Data goes to standard output; progress, questions and hints go to standard error. Exit codes: 0 nothing to
do, 1 changes or drift, 2 error, 3 stale plan or locked, 4 partial (a layer is unknown), 130 interrupted.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import traceback
from dataclasses import asdict
from types import FrameType

import click

from blumeops import __version__
from blumeops.cli import context, docs, homelab, mcp, policy, proposals, runbook, sandbox, services
from blumeops.cli import docs_check as docs_check  # its verb and the next one add themselves to `docs`
from blumeops.cli import docs_review as docs_review
from blumeops.cli import runbook_pages as runbook_pages  # this one and the next add their verbs to `runbook`
from blumeops.cli import runbook_runs as runbook_runs
from blumeops.cli import runbook_test as runbook_test
from blumeops.errors import BadInput, BlumeOpsError, EngineMissing, Interrupted

EXIT_CODES = """\b
Exit codes:
  0    nothing to do, or done
  1    changes or drift were found
  2    error
  3    stale plan, or locked by another run
  4    partial: a layer is unknown
  130  interrupted
"""


READER_GONE = 141
"""The exit status when nobody reads our output to its end (`| head`): a shell's word for SIGPIPE."""


class _ReaderGone(Exception):
    """Our output has no reader any more. click would end with 1 here, which says that changes were found."""


class _Cli(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGone from error


@click.group(
    cls=_Cli,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="blumeops")
def cli() -> None:
    """Run a homelab by Git: plan, apply and roll back its tailnet, hosts and cluster.

    Every command works on the sandbox unless --target names a real one.
    """


SHELLS = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/completions/blumeops.fish"}


@cli.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    Load it with: eval "$(blumeops completion bash)"
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise BlumeOpsError(f"no completion for {shell}")
    click.echo(kind(cli, {}, "blumeops", "_BLUMEOPS_COMPLETE").source())


for command in (
    *homelab.COMMANDS,
    *sandbox.COMMANDS,
    *runbook.COMMANDS,
    *docs.COMMANDS,
    *services.COMMANDS,
    *context.COMMANDS,
    *policy.COMMANDS,
    *proposals.COMMANDS,
    *mcp.COMMANDS,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, _terminated)
    # A shell starts a job in the background with SIGINT ignored; whoever sends it there means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no "✓" gets "?"; without this it would get a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = run(sys.argv[1:])
    # How it ended is decided: a last, impatient Ctrl-C does not change the exit code.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            # The reader has gone (`| head`); send the interpreter's own last flush nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = READER_GONE
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line for its words; the exit code. Every error has been said when this returns."""
    try:
        return cli.main(arguments, prog_name="blumeops", standalone_mode=False) or 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        if "--json" in arguments:
            _say(BlumeOpsError(error.format_message()), as_json=True)
        else:
            error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return Interrupted.exit_code
    except _ReaderGone:
        return READER_GONE
    except BlumeOpsError as error:
        _say(error, as_json="--json" in arguments)
        return error.exit_code
    except ModuleNotFoundError as error:
        missing = EngineMissing(f"the Python package {error.name} is missing", hint="make setup")
        _say(missing, as_json="--json" in arguments)
        return missing.exit_code
    except Exception:
        # Python's own exit status would be 1, which says here that changes were found.
        traceback.print_exc()
        return BlumeOpsError.exit_code


def _say(error: BlumeOpsError, *, as_json: bool) -> None:
    if as_json:
        about = {"what": error.what, "where": error.where, "hint": error.hint, "exit_code": error.exit_code}
        if isinstance(error, BadInput):
            about["problems"] = [asdict(problem) for problem in error.problems]
        click.echo(json.dumps({"error": about}, indent=2, ensure_ascii=False))
    else:
        head = "error: " if "NO_COLOR" in os.environ else click.style("error: ", fg="red", bold=True)
        click.echo(head + str(error), err=True)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

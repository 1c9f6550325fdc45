"""Run a script on a host of a target, as root: the target's own way there (`vantage`), or else ssh.

The script goes in through standard input, so nothing of it is quoted twice on the way, and no secret in it
stands in a process's arguments. `ask` is for looking; whether a script only looks is its author's word.
"""

from __future__ import annotations

from collections.abc import Sequence

from blumeops import mode, probe, process
from blumeops.errors import EngineError, Unreachable
from blumeops.target import Target

SECONDS = 60.0
ROOT = ("sudo", "-n")
"""Works for root too, and fails with a word where a password would be asked for."""

SHELL = ("sh", "-s")
PYTHON = ("python3", "-")


def ask(
    target: Target,
    host: str,
    script: str,
    *,
    program: Sequence[str] = SHELL,
    user: str = "root",
    timeout: float = SECONDS,
) -> str:
    """Run a script that only looks, and return what it says.

    Raises `Unreachable` when the host does not answer, `EngineError` when the script fails.
    """
    words = probe.way(target, host, [*ROOT, "-u", user, *program])
    done = process.run(words, env=target.environment(), input=script, timeout=timeout)
    said = "\n  ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-8:])
    if done.returncode == 255:  # ssh's own status
        raise Unreachable(said or "the connection failed", where=host)
    if not done.ok:
        raise EngineError(f"exit {done.returncode}: {said or '(no output)'}", where=host)
    return done.stdout


def change(target: Target, host: str, script: str, *, what: str, timeout: float = SECONDS) -> str:
    """Run a shell script that changes the host; `what` names the change where only looking is allowed.

    The script ends at its first command that fails. Raises like `ask`, and `ReadOnly`.
    """
    mode.require_change(f"{what} on {host}")
    return ask(target, host, f"set -eu\n{script}", timeout=timeout)

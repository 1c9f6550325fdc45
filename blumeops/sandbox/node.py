"""Run a program on a node of the sandbox: `python -m blumeops.sandbox.node CHECKOUT NODE PROGRAM …`.

This is what `.sandbox/bin/on` calls, and what probes use to look at the tailnet from the laptop.
"""

from __future__ import annotations

import sys
from pathlib import Path

from blumeops.errors import BlumeOpsError
from blumeops.sandbox import hosts
from blumeops.sandbox.layout import layout


def main(arguments: list[str]) -> int:
    """Run the program there and return its exit status; its output is passed on."""
    root, node, *argv = arguments
    try:
        done = hosts.execute(layout(Path(root)), node, argv)
    except BlumeOpsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

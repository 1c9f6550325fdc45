"""Run a program on a node of the sandbox: `python -m blumeops.sandbox.node CHECKOUT NODE PROGRAM …`.

This is what `.sandbox/bin/on` calls, and what probes use to look at the tailnet from the laptop. Like `ssh`
it passes on what comes in and goes out, and it waits as long as the program runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from blumeops.errors import BlumeOpsError
from blumeops.sandbox import hosts
from blumeops.sandbox.layout import layout


def main(arguments: list[str]) -> int:
    """Become the program there; returns only when it cannot be started."""
    root, node, *argv = arguments
    try:
        words, env = hosts.entering(layout(Path(root)), node, argv)
    except BlumeOpsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    os.execvpe(words[0], words, env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

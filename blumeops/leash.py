"""Runs a program that must not outlive the process which asked for it, not even when that one is killed.

`process.py` starts this file as a script in its own session, where no import of ours works:

    python leash.py PARENT NICE PROGRAM ARGUMENT…

A killed parent cannot end its children, and a compiler that goes on for minutes in the background is what
people remember. So this process waits beside the program, and when PARENT is gone it ends the whole group.
"""

from __future__ import annotations

import os
import signal
import sys
import time

POLL_SECONDS = 0.1
_POLITE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(argv: list[str]) -> int:
    """Run the program to its end and return its exit status, as a shell would (128 + signal)."""
    parent, nice, *program = argv
    os.nice(int(nice))
    child = os.fork()
    if child == 0:
        os.execvp(program[0], program)
    # A polite signal goes to the whole group: the program answers it, and we report how it ended.
    for number in _POLITE:
        signal.signal(number, signal.SIG_IGN)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if os.getppid() != int(parent):
            os.killpg(0, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

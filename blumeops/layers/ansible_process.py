"""The process in which ansible-runner runs: settings as JSON on standard input, events as JSON lines out.

The last line is `{"returncode": …, "output": …}`; without it the run was cut short.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

CANCEL_POLL_SECONDS = 0.3


def main() -> int:
    """Run Ansible with the given settings and hand over every event as it comes."""
    import ansible_runner

    settings = json.load(sys.stdin)
    out = sys.stdout

    def take(event: dict[str, Any]) -> bool:
        out.write(json.dumps(event, default=str) + "\n")
        out.flush()
        return False  # do not keep it on disk: it may hold what the report masks

    done = ansible_runner.run(
        **settings, quiet=True, event_handler=take, settings={"pexpect_timeout": CANCEL_POLL_SECONDS}
    )
    output = ""
    with contextlib.suppress(OSError):
        output = done.stdout.read()
    returncode = done.rc if done.rc is not None else -1
    out.write(json.dumps({"returncode": returncode, "output": output}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

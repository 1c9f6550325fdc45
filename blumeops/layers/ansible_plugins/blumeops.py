"""An Ansible callback for what ansible-runner's events leave out: why a task was skipped, and whether a task
with `no_log` changed something.

It runs inside ansible-playbook and imports nothing of ours. Each line of its file is one JSON object, without
any value of a result.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from ansible.plugins.callback import CallbackBase

if TYPE_CHECKING:
    from ansible.executor.task_result import CallbackTaskResult

DOCUMENTATION = """
name: blumeops
type: aggregate
short_description: Says why tasks were skipped
description: [Writes one JSON object per line to the file named by BLUMEOPS_ANSIBLE_ASIDES.]
"""

WORDS = ("skipped", "skip_reason", "skipped_reason", "false_condition", "changed")


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible has no types
    """Writes an aside for each skipped task and each task whose result is hidden."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "blumeops"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """A skipped task: by its `when`, or because check mode cannot run it."""
        self._write(result, {} if result.result.get("results") else {"skipped": True})

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """A task that went well, if its result is hidden."""
        if "censored" in result.result or result.result.get("_ansible_no_log"):
            self._write(result, {})

    def _write(self, result: CallbackTaskResult, also: dict[str, bool]) -> None:
        parts = [part for part in result.result.get("results", []) if isinstance(part, dict)]
        said = [
            {word: part[word] for word in WORDS if word in part} | also for part in parts or [result.result]
        ]
        line = {"host": result.host.get_name(), "task": result.task._uuid, "results": said}
        with open(os.environ["BLUMEOPS_ANSIBLE_ASIDES"], "a") as file:
            file.write(json.dumps(line, default=str) + "\n")

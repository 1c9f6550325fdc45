"""What a run of Ansible said, translated once: changes, what could not be checked, who failed, who is silent.

The shapes are those of ansible-runner's events (`runner_on_ok`, `runner_item_on_ok`, …) of ansible-core 2.19.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from blumeops.layers.ansible_run import Run, Said
from blumeops.plan import Action, Change, Coverage, Outcome

REVISION_ROLE = "revision"
"""The role that writes the record; it is the layer's own, so it is neither a change nor part of coverage."""

MASKED = "[masked: the task says no_log]"
_INSTALLING = {"apt", "package", "command", "shell", "git", "get_url", "unarchive"}
_PRIVILEGE = (
    "Missing sudo password",
    "Incorrect sudo password",
    "a password is required",
    "is not in the sudoers",
)
"""What sudo and Ansible's become plugin say; there is no structured word for it."""


_BAD = ("runner_on_failed", "runner_on_unreachable")
_WHOLE = ("runner_on_ok", "runner_on_skipped", *_BAD)
_SINGLE = ("runner_on_ok", "runner_on_failed")
_ITEMS = ("runner_item_on_ok", "runner_item_on_failed")
_RESULTS = (*_WHOLE, *_ITEMS)


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed on a host, or a host that did not answer."""

    host: str
    task: str
    message: str

    @property
    def privilege(self) -> bool:
        """True when the login works and becoming root does not."""
        return any(words in self.message for words in _PRIVILEGE)

    def __str__(self) -> str:
        return f"{self.host}: {self.task}: {self.message}"


@dataclass(slots=True)
class CheckReport:
    """Everything of one run that we know how to say."""

    changes: list[Change] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    handlers: list[str] = field(default_factory=list)
    uncheckable: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    unreachable: list[Failure] = field(default_factory=list)
    completed: dict[str, str] = field(default_factory=dict)
    tasks: int = 0

    @property
    def fingerprint(self) -> str:
        """A hash of what the check saw: the live system, as far as Ansible can compare it."""
        seen = sorted([change.action.value, change.address, change.diff] for change in self.changes)
        silent = sorted(failure.host for failure in self.unreachable)
        text = json.dumps([seen, sorted(self.uncheckable), silent])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def coverage(self) -> Coverage:
        """How many tasks were compared; the notes name those that check mode cannot check."""
        cannot = tuple(f"{task}: check mode cannot check it" for task in self.uncheckable)
        would = tuple(f"would also run: {handler}" for handler in self.handlers)
        return Coverage(self.tasks - len(self.uncheckable), self.tasks, cannot + would)


def read(run: Run) -> CheckReport:
    """Translate one run."""
    report, handlers, seen = CheckReport(), set[str](), Counter[str]()
    for event in run.events:
        kind, data = event["event"], event.get("event_data", {})
        if kind == "playbook_on_task_start" and data.get(
            "is_conditional"
        ):  # ansible-runner's word for a handler
            handlers.add(data["task_uuid"])
        if kind not in _RESULTS:
            continue
        aside = run.asides.get((data["host"], data["task_uuid"]), ())
        handler = data["task_uuid"] in handlers
        if kind in _WHOLE and (data.get("role") != REVISION_ROLE or kind in _BAD):
            _task(report, kind, data, aside, handler=handler)
        if kind in _ITEMS or (kind in _SINGLE and "results" not in data.get("res", {})):
            changed = bool(data["res"].get("changed") or any(part.get("changed") for part in aside))
            if data.get("role") != REVISION_ROLE and not handler:
                _result(report, kind, data, seen, changed=changed)
    return report


def task_name(data: Said) -> str:
    """`host: role : task`, as Ansible itself writes tasks; items are named by their label."""
    role = f"{data['role']} : " if data.get("role") else ""
    label = data.get("res", {}).get("_ansible_item_label")
    item = "" if label is None else f" [{label}]"
    return f"{data['host']}: {role}{data['task']}{item}"


def _task(report: CheckReport, kind: str, data: Said, aside: tuple[Said, ...], *, handler: bool) -> None:
    name, result = task_name(data), data.get("res", {})
    if kind == "runner_on_unreachable":
        # A task may be delegated: then it is the other host that does not answer.
        delegated = result.get("_ansible_delegated_vars", {}).get("ansible_delegated_host")
        report.unreachable.append(Failure(delegated or data["host"], _local(data), message(result)))
        return
    if kind == "runner_on_failed" and not data.get("ignore_errors"):
        report.failures.append(Failure(data["host"], _local(data), message(result)))
        return
    report.completed[data["host"]] = _local(data)
    if handler:
        if kind == "runner_on_ok":
            report.handlers.append(name)
        return
    report.tasks += 1
    if any(_left_out(part) for part in aside):
        report.uncheckable.append(name)


def _local(data: Said) -> str:
    return task_name(data).removeprefix(f"{data['host']}: ")


def _left_out(aside: Said) -> bool:
    """A task that check mode left out, by its module or by its own `when`; a false condition is no gap."""
    if "false_condition" in aside:
        return "ansible_check_mode" in str(aside["false_condition"])
    return bool(aside.get("skipped")) and not aside.keys() & {"skip_reason", "skipped_reason"}


def _result(report: CheckReport, kind: str, data: Said, seen: Counter[str], *, changed: bool) -> None:
    """One result of a task that is not a loop, or of one item of a loop."""
    name, result = task_name(data), data.get("res", {})
    seen[name] += 1
    address = name if seen[name] == 1 else f"{name} ({seen[name]})"
    failed = kind.endswith("_failed") and not data.get("ignore_errors")
    report.outcomes[address] = Outcome.FAILED if failed else Outcome.DONE
    if changed and not failed:
        report.changed.add(address)
        hidden = "censored" in result
        change = Change(Action.UPDATE, address, MASKED) if hidden else _change(address, data, result)
        report.changes.append(change)


def _change(address: str, data: Said, result: Said) -> Change:
    diffs = result.get("diff") or []
    diffs = [part for part in (diffs if isinstance(diffs, list) else [diffs]) if part]
    module = str(data.get("resolved_action", "")).rpartition(".")[2]
    arguments = result.get("invocation", {}).get("module_args", {})
    action = next((_action(part) for part in diffs if "before" in part), None)
    if action is None:
        action = Action.CREATE if module in _INSTALLING else Action.UPDATE
        action = Action.DELETE if arguments.get("state") == "absent" else action
    text = "".join(_text(part, str(arguments.get("dest") or arguments.get("path") or "")) for part in diffs)
    return Change(action, address, text or _in_words(module, arguments, result))


def _action(diff: Said) -> Action:
    before, after = diff.get("before"), diff.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        if before.get("state") == "absent" and after.get("state") != "absent":
            return Action.CREATE
        gone = after.get("state") == "absent" and before.get("state") != "absent"
        return Action.DELETE if gone else Action.UPDATE
    if not before and not diff.get("before_header"):
        return Action.CREATE
    return Action.UPDATE


def _text(diff: Said, path: str) -> str:
    """A unified diff. Ansible's own header of the new side may be a temporary file: it is not shown."""
    if "prepared" in diff:
        return str(diff["prepared"]).rstrip("\n") + "\n"
    before, after = _lines(diff.get("before", "")), _lines(diff.get("after", ""))
    shown = path or str(diff.get("before_header") or "")
    header = str(diff.get("after_header") or "")
    shown = shown or (header if header.startswith("/") and "/ansible-local-" not in header else "")
    lines = difflib.unified_diff(before, after, f"{shown} (live)", f"{shown} (desired)")
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _lines(side: object) -> list[str]:
    text = side if isinstance(side, str) else json.dumps(side, indent=2, sort_keys=True, default=str) + "\n"
    return text.splitlines(keepends=True)


def _in_words(module: str, arguments: Said, result: Said) -> str:
    """What a module without a diff would do: its arguments that say something."""
    wanted = ("name", "state", "enabled", "masked", "cmd", "creates", "path", "dest")
    words = [f"{key}: {arguments[key]}" for key in wanted if arguments.get(key) not in (None, "", [])]
    return f"{module}: {', '.join(words)}\n" if words else str(result.get("msg", "")).rstrip("\n")


def message(result: Said) -> str:
    """What went wrong, from the result of a task or of the first item that failed.

    A program's own last words stand behind Ansible's, which often only say that there was no answer.
    """
    if "censored" in result:
        return MASKED
    failed = next((part for part in _items(result) if part.get("failed")), result)
    text = str(failed.get("msg") or result.get("msg") or "no message").strip()
    said = str(failed.get("stderr") or failed.get("module_stderr") or "").strip()
    return f"{text}: {said.splitlines()[-1]}" if said and said not in text else text


def _items(result: Said) -> Iterator[Said]:
    return (part for part in result.get("results", []) if isinstance(part, dict))

"""The hosts layer: Ansible, always judged by its events.

    plan      `--check --diff` of the desired revision
    drift     the same, of the revision that the hosts recorded
    recorded  the local fact `blumeops.revision` on every host, written by the role `revision`
    live      a hash of what the check saw

A clean check is "no drift seen", never "in sync": the coverage names the tasks that check mode left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blumeops import mode, process, repository
from blumeops.errors import AccessDenied, BadInput, EngineError, StalePlan, Unreachable
from blumeops.layer import Desired, Notify
from blumeops.layers import ansible_lint, ansible_report, ansible_run
from blumeops.layers.ansible_report import CheckReport, Failure
from blumeops.layers.ansible_run import Event, Run, Said, environment
from blumeops.plan import Comparison, Outcome, Plan, Result, State, Status
from blumeops.target import Target

__all__ = ["AnsibleLayer", "environment", "playbook"]

FOLDER = "ansible"
"""The folder of this layer inside `homelab/`."""

_RECORD = "Read the recorded revision"
_UNITS = "Read the failed units"
_LOOK = (
    {
        "name": _RECORD,
        "ansible.builtin.setup": {"gather_subset": ["!all", "!min", "local"], "filter": ["ansible_local"]},
    },
    {
        "name": _UNITS,
        "ansible.builtin.command": "systemctl list-units --failed --plain --no-legend",
        "changed_when": False,
        "check_mode": False,
    },
)


@dataclass(frozen=True, slots=True)
class Host:
    """What a look at one host said: the revision it recorded, and its units that failed."""

    name: str
    revision: str | None = None
    failed_units: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class AnsibleLayer:
    """The hosts of one target. `folder` holds site.yaml and the inventory that names the hosts.

    Without it, `homelab/ansible` of the repository around the current folder.
    """

    target: Target
    folder: Path | None = None

    @property
    def name(self) -> str:
        """`hosts`."""
        return "hosts"

    def lint(self, desired: Desired) -> None:
        """Check YAML, keys, roles and inventory without any host. Raises `BadInput`."""
        ansible_lint.files(desired.folder / FOLDER)
        ansible_lint.syntax(self.target, desired.folder / FOLDER)

    def recorded(self) -> str | None:
        """The revision that all hosts record; None when a host has none or they differ.

        They differ after an apply that reached only some of them: then there is no one revision to compare
        with, and the plan says what is left to do. Raises `Unreachable` when a host does not answer.
        """
        hosts = self._look()
        _require_reachable([host.failure for host in hosts if host.failure])
        revisions = {host.revision for host in hosts}
        return revisions.pop() if len(revisions) == 1 else None

    def plan(self, desired: Desired) -> Plan:
        """What `apply` would change, by a check of every host. Changes nothing.

        Raises `Unreachable` as soon as one host does not answer: a plan without it would not be one.
        """
        report = self._check(desired)
        return Plan(self.name, desired.revision, report.fingerprint, tuple(report.changes), report.coverage)

    def drift(self, recorded: Desired) -> Plan:
        """What changed on the hosts since they were provisioned."""
        return replace(self.plan(recorded), comparison=Comparison.DRIFT)

    def apply(self, plan: Plan, desired: Desired, notify: Notify, *, recheck: bool = True) -> Result:
        """Provision every host, after a second check (unless told not to) that must see what the plan saw."""
        mode.require_change("apply")
        begun = time.monotonic()
        if plan.desired != desired.revision:
            raise StalePlan(
                f"the plan is for {plan.desired[:12]}, Git is at {desired.revision[:12]}",
                where=self.name,
                hint="plan again",
            )
        if recheck and self._check(desired).fingerprint != plan.live:
            raise StalePlan("the hosts changed since the plan was made", where=self.name, hint="plan again")
        words = ["--extra-vars", f"blumeops_revision={desired.revision}"]
        words += [] if plan.changes or plan.coverage.notes else ["--tags", "revision"]

        def tell(event: Event) -> None:
            if line := _progress(event):
                notify(line)

        run = ansible_run.play(self.target, desired.folder / FOLDER, words, on_event=tell)
        report = ansible_report.read(run)
        return _result(plan, report, run, seconds=time.monotonic() - begun)

    def health(self) -> Status:
        """Whether every host answers, records one revision, and has no failed unit."""
        hosts = self._look()
        if silent := [host.failure for host in hosts if host.failure]:
            return Status(self.name, State.UNKNOWN, "; ".join(map(str, silent)), retryable=True)
        details = tuple(f"{host.name}: {unit} failed" for host in hosts for unit in host.failed_units)
        revisions = {host.name: (host.revision or "nothing")[:12] for host in hosts}
        if len(set(revisions.values())) > 1:
            said = ", ".join(f"{name} records {revision}" for name, revision in revisions.items())
            details += (f"{said}: run `blumeops apply hosts`",)
        if details:
            return Status(self.name, State.DEGRADED, details[0], details=details)
        recorded = hosts[0].revision or ""
        return Status(self.name, State.IN_SYNC, f"{len(hosts)} hosts answer", recorded=recorded)

    def _check(self, desired: Desired) -> CheckReport:
        folder = desired.folder / FOLDER
        ansible_lint.files(folder)
        run = ansible_run.play(self.target, folder, ["--check", "--diff"], on_event=lambda _event: None)
        report = ansible_report.read(run)
        _require_reachable(report.unreachable)
        _require_success(report.failures)
        _require_complete(run, folder)
        return report

    def _look(self) -> tuple[Host, ...]:
        folder = self.folder or repository.find(Path.cwd()).root / repository.DESIRED_STATE / FOLDER
        run = ansible_run.ask(self.target, folder, _LOOK)
        hosts: dict[str, Host] = {}
        for event in run.events:
            data = event.get("event_data", {})
            if event["event"] in ("runner_on_ok", "runner_on_failed", "runner_on_unreachable"):
                host = hosts.get(data["host"], Host(data["host"]))
                hosts[host.name] = _seen(host, event["event"], data)
        _require_complete(run, folder)
        if not hosts:
            raise BadInput([ansible_lint.origin("the inventory names no hosts", folder)])
        return tuple(hosts.values())


def playbook(
    target: Target, folder: Path, arguments: Sequence[str] = (), *, revision: str | None = None
) -> int:
    """Run `site.yaml` in the terminal, and return ansible-playbook's exit status.

    `folder` is the desired state (`homelab/`); `arguments` are passed on as they are (`--limit indri --check
    --diff`). With a `revision`, the hosts record it.
    """
    ansible = folder / FOLDER
    argv = [ansible_run.program("ansible-playbook"), "-i", str(ansible / "inventory")]
    argv += ["--extra-vars", f"blumeops_revision={revision}"] if revision else []
    env = {**target.environment(), **environment(target), "ANSIBLE_CONFIG": str(ansible / "ansible.cfg")}
    return process.attach([*argv, str(ansible / ansible_run.SITE), *arguments], env=env)


def _seen(host: Host, kind: str, data: Said) -> Host:
    result = data.get("res", {})
    if kind != "runner_on_ok":
        return replace(host, failure=Failure(host.name, data["task"], ansible_report.message(result)))
    if data["task"] == _RECORD:
        local = result.get("ansible_facts", {}).get("ansible_local", {})
        fact = local.get("blumeops") if isinstance(local, dict) else None
        return replace(host, revision=fact.get("revision") if isinstance(fact, dict) else None)
    if data["task"] == _UNITS:
        lines = str(result.get("stdout", "")).splitlines()
        return replace(host, failed_units=tuple(line.split()[0] for line in lines if line.strip()))
    return host


def _progress(event: Event) -> str:
    data = event.get("event_data", {})
    result = data.get("res", {})
    match event["event"]:
        case "runner_on_unreachable" | "runner_on_failed" if not data.get("ignore_errors"):
            return f"{ansible_report.task_name(data)}: failed"
        case "runner_on_ok" if result.get("changed"):
            return f"{ansible_report.task_name(data)}: changed"
        case _:
            return ""


def _require_reachable(silent: list[Failure]) -> None:
    if silent:
        names = ", ".join(dict.fromkeys(failure.host for failure in silent))
        retryable = not any("Host key verification failed" in failure.message for failure in silent)
        hint = (
            "is it on? `ssh` to it the same way"
            if retryable
            else "compare its host key with the one you know"
        )
        raise Unreachable(silent[0].message, where=names, hint=hint, retryable=retryable)


def _require_success(failures: list[Failure]) -> None:
    for failure in failures:
        if failure.privilege:
            raise AccessDenied(
                f"the login works, becoming root does not: {failure.message}",
                where=failure.host,
                hint="let this user use sudo without a password, or pass `--ask-become-pass` to provision",
            )
    if failures:
        raise EngineError(
            "\n".join(str(failure) for failure in failures),
            where="ansible --check",
            hint="nothing was changed; fix the task, then plan again",
        )


def _require_complete(run: Run, folder: Path) -> None:
    """No recap means that Ansible never came to run: a parse error, a bad inventory, or it was killed."""
    if not run.complete:
        raise BadInput([ansible_lint.origin(run.output, folder)])


def _result(plan: Plan, report: CheckReport, run: Run, *, seconds: float) -> Result:
    lost = {failure.host for failure in report.unreachable}
    addresses = [change.address for change in plan.changes]
    outcomes = tuple(_outcome(address, report, lost) for address in addresses)
    planned = set(addresses)
    notes = [f"ran: {handler}" for handler in report.handlers]
    notes += [f"{address}: changed without being planned" for address in sorted(report.changed - planned)]
    notes += [
        f"{address}: planned, and then there was nothing to do"
        for address in addresses
        if report.outcomes.get(address) is Outcome.DONE and address not in report.changed
    ]
    notes += [
        f"{host}: came as far as {report.completed.get(host, 'nothing')}; its handlers may not have run"
        for host in sorted(lost | {failure.host for failure in report.failures})
    ]
    return Result(
        plan.layer,
        plan.desired,
        plan.changes,
        outcomes,
        _error(report, run),
        seconds=seconds,
        notes=tuple(notes),
    )


def _outcome(address: str, report: CheckReport, lost: set[str]) -> Outcome:
    """A change of a host that fell silent may have been done or not: unknown, unless an event says so."""
    if (known := report.outcomes.get(address)) is not None:
        return known
    silent_at = {f"{failure.host}: {failure.task}" for failure in report.unreachable}
    return Outcome.UNKNOWN if address in silent_at else Outcome.NOT_STARTED


def _error(report: CheckReport, run: Run) -> str:
    if failed := [*report.unreachable, *report.failures]:
        kind = "may not become root: " if any(failure.privilege for failure in report.failures) else ""
        return f"{kind}{'; '.join(map(str, failed))}. Fix it and apply again: it goes on where it stopped"
    if not run.complete:
        last = run.output.strip().splitlines()[-1:] or ["no output"]
        return f"Ansible did not come to its end: {last[0]}. Apply again: it goes on where it stopped"
    return ""

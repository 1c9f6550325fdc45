"""Pulumi's command line and its stack: the Automation API over our own runner of processes.

One stack is used by one of us at a time (a file lock in the workspace), so a lock that Pulumi itself left
behind on the same machine, by a process that is dead, can be taken away.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from blumeops import process
from blumeops.errors import AccessDenied, BlumeOpsError, EngineError, Locked
from blumeops.layers import pulumi_plugin
from blumeops.sandbox import engines
from blumeops.target import Tailnet, Target

if TYPE_CHECKING:
    from pulumi import automation
    from semver import VersionInfo

PROJECT = "homelab"
"""The name in `homelab/pulumi/Pulumi.yaml`; a stack's full name is `organization/PROJECT/STACK`."""
RUN_SECONDS = 600.0
LOCK_SECONDS = 120.0
REVISION = "revision"
"""The stack output that records which Git revision was applied."""
_MARKUP = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")
_PYTHON_PREFIX = re.compile(r"Unexpected <class '[\w.]+'>: ")


def tailnet_of(target: Target) -> Tailnet:
    """The target's tailnet. Raises `BlumeOpsError` when it has none."""
    if target.tailnet is None:
        raise BlumeOpsError(f"target {target.name!r} has no tailnet")
    return target.tailnet


def environment(target: Target) -> dict[str, str]:
    """The variables with which `pulumi` run by hand uses this target's stack; two of them are secrets."""
    tailnet = tailnet_of(target)
    _make_backend(tailnet.backend)
    return {
        "PULUMI_BACKEND_URL": tailnet.backend,
        "PULUMI_STACK": f"organization/{PROJECT}/{tailnet.stack}",
        "PULUMI_CONFIG_PASSPHRASE": tailnet.passphrase.reveal(),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
        "TAILSCALE_API_KEY": tailnet.api_key.reveal(),
        "TAILSCALE_TAILNET": tailnet.tailnet,
        "TAILSCALE_BASE_URL": tailnet.base_url,
        **pulumi_plugin.variables(target),
    }


def _make_backend(url: str) -> None:
    if url.startswith("file://"):
        Path(url.removeprefix("file://")).mkdir(mode=0o700, parents=True, exist_ok=True)


@contextlib.contextmanager
def opened(
    target: Target, program: Callable[[], None], said: list[str], *, exists: bool
) -> Iterator[automation.Stack]:
    """The target's stack with an inline program; ours alone for the length of the context.

    The stack is created when it is not there: that is Pulumi's own bookkeeping, not the live system. `said`
    collects the errors that events report meanwhile. Raises `Locked`, `EngineMissing`, or `EngineError`.
    """
    from pulumi import automation

    tailnet = tailnet_of(target)
    with _workspace(target, program) as workspace, translated(said):
        _break_dead_locks(tailnet)
        if not exists:
            with contextlib.suppress(automation.StackAlreadyExistsError):
                workspace.create_stack(tailnet.stack)
        yield automation.Stack.select(tailnet.stack, workspace)


def exported(target: Target) -> Mapping[str, Any]:
    """The stack's deployment as Pulumi stored it; empty when there is none yet."""
    from pulumi import automation

    with _workspace(target, lambda: None) as workspace, translated([]):
        try:
            # Not `export_stack`, which decrypts: nothing here needs a secret.
            words = ["stack", "export", "--stack", tailnet_of(target).stack]
            done = workspace.pulumi_command.run(words, workspace.work_dir, {})
        except automation.StackNotFoundError:
            return {}
    return json.loads(done.stdout).get("deployment") or {}


def recorded(deployment: Mapping[str, Any]) -> str | None:
    """The revision that a deployment records."""
    for resource in deployment.get("resources") or ():
        if resource["type"] == "pulumi:pulumi:Stack":
            return (resource.get("outputs") or {}).get(REVISION)
    return None


@contextlib.contextmanager
def _workspace(target: Target, program: Callable[[], None]) -> Iterator[automation.LocalWorkspace]:
    from pulumi import automation

    folder = (target.state / "workspace").absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    variables = {**target.environment(), **environment(target)}
    settings = automation.ProjectSettings(name=PROJECT, runtime="python")
    lock = FileLock(folder / "lock", timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise Locked("another run uses the Pulumi stack", where=str(folder)) from error
    try:
        yield _workspace_class()(
            work_dir=str(folder),
            program=program,
            pulumi_command=_command(variables),
            project_settings=settings,
        )
    finally:
        lock.release()


@functools.cache
def _workspace_class() -> type[automation.LocalWorkspace]:
    from pulumi import automation

    class Workspace(automation.LocalWorkspace):
        def select_stack(self, stack_name: str) -> None:
            """Nothing: every command names its stack, and selecting only writes to Pulumi's home."""

    return Workspace


def _command(variables: Mapping[str, str]) -> automation.PulumiCommand:
    """Pulumi's command line, run by `blumeops.process` with a whole environment of ours."""
    from pulumi import automation
    from pulumi.automation.errors import create_command_error

    class Command(automation.PulumiCommand):
        def __init__(self) -> None:
            self.command = str(engines.require("pulumi"))
            self.version = _version(self.command)

        def run(
            self,
            args: list[str],
            cwd: str,
            additional_env: Mapping[str, str],
            on_output: Callable[[str], object] | None = None,
            on_error: Callable[[str], object] | None = None,
        ) -> automation.CommandResult:
            env = {**variables, **additional_env, "PULUMI_AUTOMATION_API": "true"}
            words = [self.command, "--non-interactive", *args]
            done = process.run(words, cwd=Path(cwd), env=env, timeout=RUN_SECONDS)
            result = automation.CommandResult(done.stdout, done.stderr, done.returncode)
            if not done.ok:
                raise create_command_error(result)
            return result

    return Command()


@functools.cache
def _version(binary: str) -> VersionInfo:
    from semver import VersionInfo

    done = process.run([binary, "version"], env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}, timeout=30.0)
    return VersionInfo.parse(done.check().stdout.strip().removeprefix("v"))


def _break_dead_locks(tailnet: Tailnet) -> None:
    """Take away Pulumi's lock when its holder was a process of this machine that is gone."""
    if not tailnet.backend.startswith("file://"):
        return
    folder = Path(tailnet.backend.removeprefix("file://")) / ".pulumi" / "locks"
    for path in folder.glob(f"**/{PROJECT}/{tailnet.stack}/*.json"):
        try:
            holder = json.loads(path.read_text())
            pid, host = int(holder["pid"]), holder["hostname"]
        except (OSError, ValueError, KeyError):
            continue
        if host == socket.gethostname() and process.start_time(pid) is None:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def translated(said: list[str]) -> Iterator[None]:
    """Turn Pulumi's errors into ours; `said` holds what its events reported as errors."""
    from pulumi import automation

    try:
        yield
    except automation.ConcurrentUpdateError as error:
        raise Locked(
            "another run holds Pulumi's lock", where="pulumi", hint="wait for it, or `pulumi cancel`"
        ) from error
    except automation.CommandError as error:
        raise engine_error(said, str(error).partition("\n stderr: ")[2] or str(error)) from error


def engine_error(said: list[str], stderr: str) -> BlumeOpsError:
    """The error of a failed run: what its events reported, else the last lines of its standard error."""
    text = clean("\n".join(said) if said else "\n".join(stderr.strip().splitlines()[-12:]))
    if "incorrect passphrase" in text or "incorrect passphrase" in stderr:
        return BlumeOpsError(
            "wrong passphrase for the stack's secrets",
            where="PULUMI_CONFIG_PASSPHRASE",
            hint="the target's passphrase must be the one that the stack was made with",
        )
    if "API key was refused" in text:
        return AccessDenied(text, where="pulumi", hint="check the target's TAILSCALE_API_KEY")
    return EngineError(text or "failed without a word", where="pulumi")


def clean(text: str) -> str:
    """Pulumi's text without its colour marks and the wrapping of a plugin's exceptions."""
    return _PYTHON_PREFIX.sub("", _MARKUP.sub("", text)).strip()

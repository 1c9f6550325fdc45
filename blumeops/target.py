"""Where the layers point: the sandbox (the default) or a real target named in `homelab/targets.toml`.

The sandbox writes `.sandbox/target.toml`; it and the library meet in that one file.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from blumeops.errors import BadInput, BlumeOpsError, Problem

SANDBOX = "sandbox"


class Secret:
    """A value that is never shown: its `str` and `repr` are `[secret]`; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one call that needs it."""
        return self._value

    def __str__(self) -> str:
        return "[secret]"

    __repr__ = __str__


class Publish(StrEnum):
    """What `apply` may do with the Git remote that Argo CD reads.

    `REFUSE`: the revision must be there already (the operator pushes). `MIRROR`: apply publishes the
    revision itself, and keeps what it replaces under `refs/blumeops/replaced/`; for the sandbox only.
    """

    REFUSE = "refuse"
    MIRROR = "mirror"


@dataclass(frozen=True, slots=True)
class GitRemote:
    """The Git remote that Argo CD reads; `path` is the folder of desired state inside the repository."""

    url: str
    branch: str = "main"
    publish: Publish = Publish.REFUSE


@dataclass(frozen=True, slots=True)
class Tailnet:
    """How Pulumi reaches the tailnet's control plane, and where it keeps its state."""

    base_url: str
    api_key: Secret
    backend: str
    passphrase: Secret
    tailnet: str = "-"
    stack: str = SANDBOX


@dataclass(frozen=True, slots=True)
class Hosts:
    """How Ansible reaches the hosts: an OpenSSH client configuration that knows them by inventory name."""

    ssh_config: Path | None = None
    vault_password_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """How to reach the cluster that runs Argo CD, and the `kustomize` that renders its manifests."""

    kubeconfig: Path
    context: str
    namespace: str = "argocd"
    kustomize: str = "kustomize"


@dataclass(frozen=True, slots=True)
class Target:
    """One place that the layers can point at. A layer whose part is None is not part of this target.

    `identity` is what a person checks before anything changes; `missing` says, per layer that should
    be there and is not, what it needs. `env` is added to the environment of every engine. `vantage` maps a
    node's name to the command prefix that runs a program there (empty: this machine), for probes.
    """

    name: str
    identity: str
    state: Path
    git: GitRemote
    tailnet: Tailnet | None = None
    hosts: Hosts | None = None
    cluster: Cluster | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    vantage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_sandbox(self) -> bool:
        """True for the sandbox, the only target that may be changed without naming it."""
        return self.name == SANDBOX

    def environment(self) -> dict[str, str]:
        """The whole environment for an engine: ours, with this target's values on top."""
        return {**os.environ, **self.env}


def load(root: Path, name: str = SANDBOX) -> Target:
    """Read one target: `.sandbox/target.toml` for the sandbox, else its table in `homelab/targets.toml`.

    Raises `BlumeOpsError` when there is no such target and `BadInput` when its file is wrong.
    """
    if name == SANDBOX:
        path = root / ".sandbox" / "target.toml"
        if not path.exists():
            raise BlumeOpsError("the sandbox is not up", where=str(path), hint="run `blumeops sandbox up`")
        return _target(name, _read(path), path)
    path = root / "homelab" / "targets.toml"
    tables = _read(path) if path.exists() else {}
    if name not in tables:
        known = ", ".join([SANDBOX, *tables])
        raise BlumeOpsError(f"there is no target {name!r}", where=str(path), hint=f"known targets: {known}")
    return _target(name, tables[name], path)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # TOMLDecodeError, which says line and column, or not UTF-8
        raise BadInput([Problem(str(error), str(path))]) from error


def _target(name: str, table: Mapping[str, Any], path: Path) -> Target:
    base = path.parent
    _require_known_keys(name, table, path)
    try:
        return Target(
            name=name,
            identity=table["identity"],
            state=base / table.get("state", f".blumeops/{name}"),
            git=_git(table["git"]),
            tailnet=_tailnet(table["tailnet"], base) if "tailnet" in table else None,
            hosts=_hosts(table["hosts"], base) if "hosts" in table else None,
            cluster=_cluster(table["cluster"], base) if "cluster" in table else None,
            env=dict(table.get("env", {})),
            missing=dict(table.get("missing", {})),
            vantage={node: tuple(prefix) for node, prefix in table.get("vantage", {}).items()},
        )
    except KeyError as error:
        raise BadInput([Problem(f"target {name!r} lacks the key {error}", str(path))]) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput([Problem(f"target {name!r}: {error}", str(path))]) from error


_KEYS = {
    "": {"identity", "state", "git", "tailnet", "hosts", "cluster", "env", "missing", "vantage"},
    "git": {"url", "branch", "publish"},
    "tailnet": {"base_url", "backend", "tailnet", "stack"}
    | {f"{key}_{kind}" for key in ("api_key", "passphrase") for kind in ("file", "env")},
    "hosts": {"ssh_config", "vault_password_file"},
    "cluster": {"kubeconfig", "context", "namespace", "kustomize"},
}
"""The keys of a target's table and of the tables in it."""


def _require_known_keys(name: str, table: Mapping[str, Any], path: Path) -> None:
    """Refuse what we do not know: a misspelt key would silently leave its default in force."""
    problems = []
    for part, known in _KEYS.items():
        place = f"target {name!r}" + (f", table {part!r}" if part else "")
        values = table.get(part, {}) if part and isinstance(table, Mapping) else table
        if not isinstance(values, Mapping):
            problems.append(Problem(f"{place} is not a table", str(path)))
            continue
        for key in values.keys() - known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
            problems.append(Problem(f"{place} has an unknown key {key!r}", str(path), hint=hint))
    if name != SANDBOX and not problems and table.get("git", {}).get("publish") == Publish.MIRROR:
        hint = "take the line away; apply then waits until you have pushed"
        problems.append(
            Problem(f"target {name!r}: publish = 'mirror' is for the sandbox only", str(path), hint=hint)
        )
    if problems:
        raise BadInput(problems)


def _git(table: Mapping[str, Any]) -> GitRemote:
    return GitRemote(
        url=table["url"], branch=table.get("branch", "main"), publish=Publish(table.get("publish", "refuse"))
    )


def _tailnet(table: Mapping[str, Any], base: Path) -> Tailnet:
    return Tailnet(
        base_url=table["base_url"],
        api_key=_secret(table, "api_key", base),
        backend=table["backend"],
        passphrase=_secret(table, "passphrase", base),
        tailnet=table.get("tailnet", "-"),
        stack=table.get("stack", SANDBOX),
    )


def _hosts(table: Mapping[str, Any], base: Path) -> Hosts:
    vault = table.get("vault_password_file")
    config = table.get("ssh_config")
    return Hosts(base / config if config else None, base / vault if vault else None)


def _cluster(table: Mapping[str, Any], base: Path) -> Cluster:
    return Cluster(
        base / table["kubeconfig"],
        table["context"],
        namespace=table.get("namespace", "argocd"),
        kustomize=table.get("kustomize", "kustomize"),
    )


def _secret(table: Mapping[str, Any], key: str, base: Path) -> Secret:
    """A secret stands in a file (`KEY_file`) or an environment variable (`KEY_env`), never in the table."""
    if f"{key}_file" in table:
        path = base / table[f"{key}_file"]
        if not path.exists():
            raise BlumeOpsError(f"the file of {key} is not there", where=str(path))
        return Secret(path.read_text(encoding="utf-8").strip())
    variable = table[f"{key}_env"]
    if variable not in os.environ:
        raise BlumeOpsError(f"{key} is not set", hint=f"export {variable}=…")
    return Secret(os.environ[variable])

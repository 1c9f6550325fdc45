"""The sandbox as a whole: which parts it has here, starting, stopping, and the target file it writes.

It owns no desired state. It and the library meet in one file, `.sandbox/target.toml`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from blumeops import journal, mode, process
from blumeops import target as targets
from blumeops.errors import BlumeOpsError, EngineMissing, Locked
from blumeops.layer import Notify
from blumeops.sandbox import cgroup, cluster, engines, hosts, tailnet
from blumeops.sandbox import layout as layouts
from blumeops.sandbox.component import Component, Part, Step
from blumeops.sandbox.layout import LAPTOP, NODES, Layout
from blumeops.sandbox.supervisor import Life, Supervisor, answers, write_private

LAYERS = ("tailnet", "hosts", "cluster")
TOOLS = ("kubectl", "pulumi", "argocd", "kustomize")
"""Engines that people use by hand; they stand in `.sandbox/bin` under their own names."""

_CONTENT_KEY = re.compile(r"(?<=[a-z0-9])-[0-9a-f]{16}\b")
"""What the cache adds to a name to tell builds apart."""


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One component of the sandbox: whether it lives and answers, and its last words if it crashed."""

    name: str
    life: Life
    ready: bool
    pid: int | None = None
    last_lines: str = ""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The sandbox of one checkout."""

    layout: Layout

    @classmethod
    def of(cls, root: Path) -> Sandbox:
        """The sandbox of a checkout, running or not."""
        return cls(layouts.layout(root))

    @property
    def supervisor(self) -> Supervisor:
        """Its processes."""
        return Supervisor(self.layout.folder)

    @property
    def target(self) -> targets.Target:
        """Where the layers point when they point here. Raises `BlumeOpsError` when the sandbox is down."""
        return targets.load(self.layout.root)

    @contextlib.contextmanager
    def held(self, what: str) -> Iterator[None]:
        """Hold this sandbox; raises `Locked`, naming the holder, when another command does."""
        layouts.keep(self.layout)
        try:
            with journal.lock(self.layout.folder / "lock", what):
                yield
        except Locked as error:
            error.hint = "wait for it, or end it: `blumeops down`"
            raise

    def missing(self) -> dict[str, str]:
        """What cannot be here, and why: one line for each layer."""
        reasons = {"tailnet": None, "hosts": hosts.missing(), "cluster": cluster.missing()}
        return {layer: reason for layer, reason in reasons.items() if reason}

    def parts(self, layers: Sequence[str] = LAYERS) -> tuple[Part, ...]:
        """The parts of the named layers, in an order in which they could start one by one."""
        absent = self.missing()
        wanted = [layer for layer in layers if layer not in absent]
        with_hosts = "hosts" not in absent
        machines = hosts.components(self.layout) if with_hosts else ()
        network = [part for part in machines if isinstance(part, Step)]
        made: list[Part] = []
        if "tailnet" in wanted:
            made += [*network, *tailnet.control(self.layout, bridged=with_hosts)]
        if "hosts" in wanted:
            made += [part for part in machines if part not in made]
            made += tailnet.joins(self.layout) if "tailnet" in wanted else ()
        if "cluster" in wanted:
            made += cluster.components(self.layout)
        return tuple(made)

    def up(
        self, layers: Sequence[str] = LAYERS, *, notify: Notify, stop: threading.Event | None = None
    ) -> targets.Target:
        """Start what does not run yet and write the target file.

        On a failure, what this call had started is ended again. Raises `EngineError` with the last lines of
        the log of a component that crashed.
        """
        mode.require_change("sandbox up")
        layouts.keep(self.layout)
        before = set(self.supervisor.names())
        parts = self.parts(layers)
        _require_built(parts)
        self._sweep(notify)
        try:
            self._tools()
            self.supervisor.start(parts, notify, stop=stop)
        except BaseException:
            started = [part for part in parts if part.name not in before]
            self.supervisor.stop([part for part in started if isinstance(part, Component)], notify)
            raise
        self._write_target()
        return self.target

    def _sweep(self, notify: Notify) -> None:
        for name in self.supervisor.names():
            if self.supervisor.life(name) is Life.CRASHED:
                notify(f"{name}: had died; its last words:\n{self.supervisor.last_lines(name, 5)}")
                self.supervisor.end(name)

    def down(self, notify: Notify) -> None:
        """End every process and take away the bridge, NAT rules and mounts; idempotent."""
        mode.require_change("sandbox down")
        if not self.layout.folder.exists():
            return
        with journal.lock(self.layout.folder / "nodes.lock", "sandbox down"):
            self._down(notify)

    def _down(self, notify: Notify) -> None:
        known = {part.name: part for part in self.parts()}
        strays = [name for name in self.supervisor.names() if name not in known]
        for name in strays:
            if self.supervisor.end(name):
                notify(f"{name}: stopped")
        self.supervisor.stop(known.values(), notify)
        (self.layout.folder / "target.toml").unlink(missing_ok=True)

    def reset(self, notify: Notify) -> None:
        """Take the sandbox down and forget everything that it knew."""
        mode.require_change("sandbox reset")
        self.down(notify)
        if self.layout.folder.exists():
            shutil.rmtree(self.layout.folder)

    def rebuild(self, node: str, notify: Notify) -> None:
        """Give a running node an empty disk and boot it: plain Debian that joins the tailnet by its old name.

        As at home after a reinstall it is a new device there, without tags, and nothing is provisioned.
        What stays is what belongs to the place and not to the disk: its address, its SSH host key (which a
        client would else have to be told), and the Debian packages that it downloaded.

        `up` may hold the sandbox meanwhile, as it does while it serves the site; raises `Locked` when another
        rebuild or `down` is on.
        """
        mode.require_change("sandbox rebuild")
        if node not in NODES:
            raise BlumeOpsError(f"there is no node {node!r}", hint=f"the nodes are {', '.join(NODES)}")
        with journal.lock(self.layout.folder / "nodes.lock", f"sandbox rebuild {node}"):
            self._rebuild(node, notify)

    def _rebuild(self, node: str, notify: Notify) -> None:
        running = set(self.supervisor.names())
        if node not in running:
            raise BlumeOpsError("does not run", where=node, hint="`blumeops sandbox up hosts`")
        parts = self.parts(("tailnet", "hosts") if "control" in running else ("hosts",))
        hosts.cut_power(self.layout, node)
        notify(f"{node}: its disk is gone")
        if "control" in running:
            tailnet.forget(self.layout, node)
        try:
            self.supervisor.start(parts, notify)
        finally:
            self._write_target()  # without the node, if it did not come back

    def status(self) -> tuple[ComponentStatus, ...]:
        """Every component that this machine can have, with its state."""
        return tuple(self._component(part) for part in self.parts() if isinstance(part, Component))

    def _component(self, part: Component) -> ComponentStatus:
        life = self.supervisor.life(part.name)
        ready = life is Life.RUNNING and answers(part.ready)
        words = self.supervisor.last_lines(part.name) if life is Life.CRASHED else ""
        return ComponentStatus(part.name, life, ready, self.supervisor.pid(part.name), words)

    def describe(self) -> str:
        """What `up` would start, as text that is the same on every machine."""
        lines = []
        for part in self.parts():
            after = f" after {', '.join(part.after)}" if part.after else ""
            if isinstance(part, Step):
                lines.append(f"step {part.name}{after}: {self._neutral(part.says)}")
            else:
                lines.append(f"component {part.name}{after}, ready when {self._neutral(str(part.ready))}")
                lines.append("    " + self._neutral(shlex.join(part.argv)))
        return "\n".join(lines) + "\n"

    def _neutral(self, text: str) -> str:
        """The text with this machine's paths, ports and addresses replaced by their names."""
        names = [(str(self.layout.folder), "SANDBOX"), (str(self.layout.root), "CHECKOUT")]
        names += [
            (str(engines.default_store().cache), "CACHE"),
            (sys.executable, "PYTHON"),
            (self.layout.bridge, "BRIDGE"),
        ]
        names += [(self.layout.machine(node), f"MACHINE({node})") for node in layouts.NODES]
        names += [(f"{self.layout.key}/", "KEY/")]
        names += [(self.layout.address(node), f"ADDRESS({node})") for node in layouts.NODES]
        names += [(self.layout.gateway, "GATEWAY"), (self.layout.subnet, "SUBNET")]
        names += [(str(self.layout.port(name)), f"PORT({name})") for name in layouts.PORTS]
        for value, name in sorted(names, key=lambda pair: -len(pair[0])):
            text = text.replace(value, name)
        return _CONTENT_KEY.sub("", text)

    def _tools(self) -> None:
        """Put the engines' own tools into `.sandbox/bin`, so that they talk to this sandbox."""
        folder = self.layout.folder / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        for tool in TOOLS:
            if found := engines.find(tool):
                link = folder / tool
                link.unlink(missing_ok=True)
                link.symlink_to(found)
        for name, line in self._scripts().items():
            path = folder / name
            write_private(path, f"#!/bin/sh\n{line}\n")
            path.chmod(0o755)

    def _scripts(self) -> dict[str, str]:
        scripts = {}
        if tool := engines.find("tailscaled"):
            socket = self.layout.folder / LAPTOP / "tailscaled.sock"
            scripts["tailscale"] = f'TS_BE_CLI=1 exec {tool} --socket={shlex.quote(str(socket))} "$@"'
        config = shlex.quote(str(self.layout.folder / "ssh_config"))
        scripts |= {name: f'exec /usr/bin/{name} -F {config} "$@"' for name in ("ssh", "scp", "sftp")}
        root = shlex.quote(str(self.layout.root))
        scripts["on"] = f'exec {shlex.quote(sys.executable)} -P -m blumeops.sandbox.node {root} "$@"'
        return scripts

    def _write_target(self) -> None:
        table: dict[str, object] = {
            "identity": f"sandbox {self.layout.key} in {self.layout.root}",
            "state": "state",
            "git": {
                "url": cluster.git_remote(self.layout).as_uri(),
                "branch": cluster.BRANCH,
                "publish": targets.Publish.MIRROR.value,
            },
        }
        running = set(self.supervisor.names())
        if "control" in running:
            table["tailnet"] = tailnet.target_table(self.layout)
        if "indri" in running:
            table["hosts"] = hosts.target_table(self.layout)
        if "kube-apiserver" in running:
            table["cluster"] = cluster.target_table(self.layout)["cluster"]
        absent = {
            layer: f"not started: `blumeops sandbox up {layer}`" for layer in LAYERS if layer not in table
        }
        table["missing"] = absent | self.missing()
        folder = self.layout.folder / "bin"
        table["env"] = {
            "PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
        }
        on = str(folder / "on")
        table["vantage"] = {node: [on, node] for node in layouts.NODES if node in running}
        write_private(self.layout.folder / "target.toml", tomli_w.dumps(table))


def _require_built(parts: Sequence[Part]) -> None:
    """Raise `EngineMissing` before anything is started when a program of the sandbox is not there."""
    programs = [Path(word) for part in parts if isinstance(part, Component) for word in part.argv[:4]]
    called = {"control": "headscale", "indri": "tailscaled"}
    programs += [engines.expected(called[part.name]) for part in parts if part.name in called]
    absent = [path for path in programs if path.parent.name == "bin" and not path.exists()]
    if absent:
        names = ", ".join(dict.fromkeys(path.name for path in absent))
        raise EngineMissing(
            f"not built yet: {names}", hint="`blumeops engines build`, or `blumeops up` for everything"
        )


def leftovers(layout: Layout) -> tuple[str, ...]:
    """What of this sandbox is still on the machine: processes, links, mounts, firewall rules."""
    found = []
    folder = str(layout.folder)
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if entry.name.isdigit() and int(entry.name) != os.getpid() and _daemon(words, folder, layout):
                found.append(f"process {entry.name}: {words[:100]}")
    links = process.run(["ip", "-brief", "link"], timeout=10).stdout.splitlines()
    found += [f"link {line.split()[0]}" for line in links if layout.key[:5] in line.split()[0]]
    if sys.platform == "linux":
        found += [f"control group {path}" for node in NODES for path in cgroup.groups(layout.machine(node))]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    found += [f"mount {line.split()[1]}" for line in mounts if folder in line]
    if shutil.which("nft"):
        rules = process.run(["nft", "list", "ruleset"], timeout=10).stdout.splitlines()
        found += [f"rule {line.strip()}" for line in rules if layout.bridge in line]
    return tuple(found)


def _daemon(words: str, folder: str, layout: Layout) -> bool:
    return (f"{folder}/" in words and "pytest" not in words) or f"--machine={layout.key}" in words

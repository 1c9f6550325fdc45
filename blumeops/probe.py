"""Look at a homelab from one of its nodes: does a port open, what does a page say.

A probe is a fact about the live system, seen with real connections from where a person would be; it never
reads the policy. It needs `python3` on the node.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from blumeops import process
from blumeops.errors import BlumeOpsError, Unreachable
from blumeops.target import Target

CONNECT_SECONDS = 3.0

_Seen = TypeVar("_Seen")
"""What any probe answers."""


class Reach(StrEnum):
    """What became of a connection: it opened, was refused by the host, or never got an answer.

    A tailnet's nodes drop what the policy does not allow, so "not allowed" looks like `NO_ANSWER`.
    """

    OPEN = "open"
    REFUSED = "refused"
    NO_ANSWER = "no answer"
    NO_NAME = "name not found"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one probe saw. `status` and `body` are those of HTTP; both empty for a bare connection.

    A status of 0 on an open port says that what answers there is not HTTP.
    """

    source: str
    url: str
    reach: Reach
    status: int = 0
    body: str = ""

    def __str__(self) -> str:
        said = f", HTTP {self.status}" if self.status else ""
        return f"{self.source} → {self.url}: {self.reach.value}{said}"


_LOOK = """
import json, socket, sys, http.client
host, port, path, name, wait = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5])
said = {"reach": "open", "status": 0, "body": ""}
sock = None
try:
    sock = socket.create_connection((host, port), timeout=wait)
except (socket.gaierror, UnicodeError):
    said["reach"] = "name not found"
except ConnectionRefusedError:
    said["reach"] = "refused"
except OSError:
    said["reach"] = "no answer"
if sock and path:
    http_ = http.client.HTTPConnection(host, port, timeout=wait)
    http_.sock = sock
    try:
        http_.request("GET", path, headers={"Host": name or host})
        answer = http_.getresponse()
        said.update(status=answer.status, body=answer.read(65536).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException):
        pass  # it opened; what answers does not speak HTTP, or stopped in the middle
print(json.dumps(said))
"""


def way(target: Target, node: str, argv: Sequence[str]) -> tuple[str, ...]:
    """The words that run a program on a node: the target's own way, or else ssh with its configuration."""
    prefix = target.vantage.get(node)
    if prefix is None:
        if target.hosts is None:
            known = ", ".join(target.vantage) or "none"
            what = f"no way to look from {node!r} on target {target.name!r}"
            raise BlumeOpsError(what, hint=f"known: {known}")
        config = () if target.hosts.ssh_config is None else ("-F", str(target.hosts.ssh_config))
        prefix = ("ssh", *config, "-o", "BatchMode=yes", "-o", "ConnectTimeout=8", "--", node)
    # ssh hands one line to a shell over there, so each word has to be quoted for it.
    over_ssh = bool(prefix) and prefix[0].rpartition("/")[2] == "ssh"
    return (*prefix, shlex.join(argv)) if over_ssh else (*prefix, *argv)


def connect(target: Target, source: str, host: str, port: int) -> Answer:
    """Open a TCP connection from a node to a host by name, and say what became of it."""
    return _look(target, source, host, port, "", "", f"{host}:{port}")


def get(target: Target, source: str, host: str, path: str = "/", *, port: int = 80, name: str = "") -> Answer:
    """Request a page over HTTP from a node; `name` is the virtual host asked for, by default the host."""
    place = f"{name or host}" + (f":{port}" if port != 80 else "")
    return _look(target, source, host, port, path, name, f"http://{place}{path}")


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment as the cluster runs it: its image, and how many of its pods are ready."""

    name: str
    image: str
    ready: int
    wanted: int

    def __str__(self) -> str:
        return f"{self.name}: {self.image}, {self.ready} of {self.wanted} ready"


def workload(target: Target, namespace: str, name: str) -> Workload:
    """Look at a Deployment with `kubectl`. Raises `Unreachable` when the cluster does not tell."""
    said = _get(target, namespace, "deployment", name)
    if not said:
        raise Unreachable("there is no such Deployment", where=f"{namespace}/{name}")
    found = json.loads(said)
    image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    ready = found["status"].get("updatedReplicas", 0) and found["status"].get("readyReplicas", 0)
    return Workload(f"{namespace}/{name}", image, ready, found["spec"]["replicas"])


@dataclass(frozen=True, slots=True)
class Application:
    """An Argo CD Application in Argo CD's own words: `Synced`, `Healthy`, and the commit that it is at."""

    name: str
    sync: str
    health: str
    revision: str

    def __str__(self) -> str:
        return f"{self.name}: {self.sync}, {self.health}, at {self.revision[:12] or 'no commit'}"


def application(target: Target, name: str) -> Application | None:
    """Look at an Application; None when there is none. Raises `Unreachable` without an answer."""
    said = _get(target, target.cluster.namespace if target.cluster else "", "application", name)
    if not said:
        return None
    status = json.loads(said).get("status") or {}
    sync, health = status.get("sync") or {}, status.get("health") or {}
    return Application(
        name, sync.get("status", "Unknown"), health.get("status", "Unknown"), sync.get("revision", "")
    )


def objects(target: Target, namespace: str) -> tuple[str, ...]:
    """The Deployments, StatefulSets and Services of a namespace, as `kind/name`; none where there is none."""
    said = _get(target, namespace, "deployments,statefulsets,services")
    found = json.loads(said)["items"] if said else []
    return tuple(f"{one['kind']}/{one['metadata']['name']}" for one in found)


def _get(target: Target, namespace: str, *words: str) -> str:
    """What `kubectl get` says as JSON; empty when a named object is not there."""
    if target.cluster is None:
        raise BlumeOpsError(f"target {target.name!r} has no cluster")
    argv = ["kubectl", "--kubeconfig", str(target.cluster.kubeconfig), "--context", target.cluster.context]
    argv += ["--namespace", namespace, "get", *words, "--ignore-not-found", "--output", "json"]
    done = process.run(argv, env=target.environment(), timeout=20)
    if not done.ok:
        raise Unreachable(done.stderr.strip(), where="/".join((namespace, *words)))
    return done.stdout


def until(ask: Callable[[], _Seen], wanted: Callable[[_Seen], object], *, seconds: float = 20.0) -> _Seen:
    """Ask again until `wanted(answer)` holds or the time is over, and return the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if wanted(answer) or time.monotonic() > deadline:
            return answer
        time.sleep(0.3)


def _look(target: Target, source: str, host: str, port: int, path: str, name: str, url: str) -> Answer:
    words = ["python3", "-c", _LOOK, host, str(port), path, name, str(CONNECT_SECONDS)]
    done = process.run(way(target, source, words), env=target.environment(), timeout=CONNECT_SECONDS * 4 + 10)
    if not done.ok:
        raise Unreachable(done.stderr.strip() or f"exit {done.returncode}", where=source)
    said = json.loads(done.stdout)
    return Answer(source, url, Reach(said["reach"]), said["status"], said["body"])

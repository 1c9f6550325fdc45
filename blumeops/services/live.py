"""Look whether the services are as the map says: with real connections, from where a person would be.

A look that cannot be made is `unknown` with its reason and never fine. A cluster whose nodes are played
(kwok) says which image it would run, but nothing runs: that is `simulated`, and its services are not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from blumeops import probe
from blumeops.errors import BlumeOpsError
from blumeops.probe import Reach
from blumeops.services import live_cluster, live_hosts
from blumeops.services.live_cluster import Pods
from blumeops.services.model import Layer, Route, Service, ServiceMap, Workload
from blumeops.target import Target

PATIENCE_SECONDS = 8.0
"""How long a proxy is asked again that does not answer: two nodes may just be finding each other."""
AT_ONCE = 6
"""Looks at the same time: each waits for a network more than it computes."""


class State(StrEnum):
    """What a look found; `SIMULATED` is neither seen to be fine nor to be wrong."""

    OK = "ok"
    FAILING = "failing"
    UNKNOWN = "unknown"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Finding:
    """One look at one service: at what, what became of it, and the words for it."""

    service: str
    what: str
    state: State
    said: str

    def __str__(self) -> str:
        return f"{self.service}: {self.what}: {self.state.value}: {self.said}"


@dataclass(frozen=True, slots=True)
class Check:
    """All findings. What is known to be wrong weighs more than what could not be seen."""

    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 when all is as it should be, 1 when something is not, 4 when something could not be seen."""
        states = {finding.state for finding in self.findings}
        return 1 if State.FAILING in states else 4 if State.UNKNOWN in states or not states else 0


Look = tuple[str, str, Callable[[], tuple[State, str]]]
"""A service, what is looked at, and the look itself."""


def check(
    services: Sequence[Service], wanted: ServiceMap, target: Target, *, notify: Callable[[str], None]
) -> Check:
    """Look at these services of a map on a target, several at once. A look never raises: it is unknown."""
    notify(f"looking at {len(services)} services on {target.name}")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pods = pool.submit(live_cluster.pods, target) if _any_cluster(services) else None
        seen = pods.result() if pods else Pods(reason="no service of the cluster was asked for")
        looks = [look for service in services for look in _looks(service, wanted, target, seen)]
        findings = pool.map(_look, looks)
        return Check(tuple(findings))


def _any_cluster(services: Sequence[Service]) -> bool:
    return any(service.layer is Layer.CLUSTER for service in services)


def _look(look: Look) -> Finding:
    service, what, ask = look
    try:
        state, said = ask()
    except BlumeOpsError as error:
        state, said = State.UNKNOWN, str(error).replace("\n", "; ")
    return Finding(service, what, state, said)


def _looks(service: Service, wanted: ServiceMap, target: Target, pods: Pods) -> Iterator[Look]:
    for route in service.routes:
        played = service.layer is Layer.CLUSTER and pods.simulated
        yield service.name, f"route {route.host}", partial(_route, route, wanted, target, played=played)
    for role in service.roles:
        for host in (fact.value for fact in role.hosts):
            for unit in role.units:
                yield service.name, f"{unit} on {host}", partial(_unit, target, host, unit.value)
                if unit.value.endswith(".timer"):
                    what = f"last run of {unit.value.removesuffix('.timer')} on {host}"
                    yield service.name, what, partial(_timer, target, host, unit.value)
            for port in role.ports:
                yield service.name, f"port {port} on {host}", partial(_port, target, host, int(port.value))
    for workload in service.application.workloads if service.application else ():
        what = f"{workload.kind} {workload.name}"
        yield service.name, f"{what}, image", partial(_image, pods, workload)
        yield service.name, f"{what}, pods", partial(_pods, pods, workload)


def _route(route: Route, wanted: ServiceMap, target: Target, *, played: bool) -> tuple[State, str]:
    """Ask for the site by its name, at the proxy, from a node that is no proxy."""
    proxies = [h.value for s in wanted.services for r in s.roles if r.name == route.proxy for h in r.hosts]
    if not proxies:
        return State.UNKNOWN, "the repository does not say on which host the proxy is"
    source = next((node for node in target.vantage if node not in _machines(wanted)), None)
    source = source or next(iter(target.vantage), None)
    if source is None:
        return State.UNKNOWN, f"target {target.name!r} has no node to look from (`vantage`)"
    # The first packet between two nodes may only open the way between them.
    answer = probe.until(
        partial(probe.get, target, source, proxies[0], name=route.host),
        lambda one: one.reach is not Reach.NO_ANSWER,
        seconds=PATIENCE_SECONDS,
    )
    if answer.reach is not Reach.OPEN:
        return State.FAILING, f"{proxies[0]} from {source}: {answer.reach.value}"
    if played:
        return State.SIMULATED, f"simulated: not probed; the proxy answers with HTTP {answer.status}"
    state = State.OK if 0 < answer.status < 500 else State.FAILING
    return state, f"HTTP {answer.status or 'nothing'} from {source}"


def _machines(wanted: ServiceMap) -> set[str]:
    return {host.value for service in wanted.services for host in service.hosts}


def _unit(target: Target, host: str, unit: str) -> tuple[State, str]:
    said = live_hosts.is_active(target, host, unit)
    return (State.OK if said == "active" else State.FAILING), said


def _timer(target: Target, host: str, unit: str) -> tuple[State, str]:
    seen = live_hosts.timer(target, host, unit)
    return (State.OK if seen.fine else State.FAILING), str(seen)


def _port(target: Target, host: str, port: int) -> tuple[State, str]:
    answer = probe.connect(target, host, "127.0.0.1", port)
    return (State.OK if answer.reach is Reach.OPEN else State.FAILING), answer.reach.value


def _image(pods: Pods, workload: Workload) -> tuple[State, str]:
    seen = pods.find(workload)
    if seen is None:
        return (State.UNKNOWN, pods.reason) if pods.reason else (State.FAILING, "it is not in the cluster")
    git = {fact.value for fact in workload.images}
    if git == set(seen.images):
        return State.OK, f"{', '.join(sorted(git))}, as in Git"
    return State.FAILING, f"{', '.join(seen.images)}; Git says {', '.join(sorted(git))}"


def _pods(pods: Pods, workload: Workload) -> tuple[State, str]:
    seen = pods.find(workload)
    if seen is None:
        return (State.UNKNOWN, pods.reason) if pods.reason else (State.FAILING, "it is not in the cluster")
    said = f"{seen.ready} of {seen.wanted} ready"
    if seen.ready < seen.wanted:
        return State.FAILING, said
    return (State.SIMULATED, f"{said}; simulated: not probed") if pods.simulated else (State.OK, said)

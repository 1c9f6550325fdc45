"""Where a live value stands: what the cluster runs, where a host listens, what the tailnet's API says.

    live:cluster/NAMESPACE/KIND/NAME#image      the image of a workload; #image:tag its tag alone
    live:host/HOST/port/NUMBER                  the port is open on the host
    live:tailnet/device/NAME/tags               the tags of a device
    live:tailnet/dns/nameservers                also search_paths, magic_dns

Each of the three is asked once; what it does not tell is `Unseen`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from blumeops import probe
from blumeops.facts.census_cluster import parse
from blumeops.probe import Reach
from blumeops.target import Tailnet, Target

if TYPE_CHECKING:
    from blumeops.services.live_cluster import Pods, Seen

NODE_PORTS = range(30000, 32768)
"""The ports that a cluster opens on its nodes, unless it is told otherwise."""


class Unseen(Exception):
    """The homelab does not tell; `simulated` when a sandbox only plays it."""

    def __init__(self, why: str, *, simulated: bool = False) -> None:
        super().__init__(why)
        self.simulated = simulated


class Absent(Exception):
    """What a place names is not there, as the homelab itself says."""


class Live:
    """One target, asked for what it is. Safe to use from several threads: each part is asked once."""

    def __init__(self, target: Target) -> None:
        self.target = target

    @cached_property
    def pods(self) -> Pods:
        """The workloads of the cluster."""
        from blumeops.services import live_cluster

        return live_cluster.pods(self.target)

    @cached_property
    def devices(self) -> dict[str, tuple[str, ...]]:
        """The devices of the tailnet by the first part of their name, with their tags."""
        from blumeops.tailnet import client

        found = client.client_of(self._tailnet()).devices()
        return {str(one["name"]).partition(".")[0]: tuple(one.get("tags") or ()) for one in found}

    @cached_property
    def dns(self) -> dict[str, str]:
        """The tailnet's DNS settings as the docs write them."""
        from blumeops.tailnet import client

        said = client.client_of(self._tailnet()).dns()
        return {
            "nameservers": ", ".join(said.nameservers),
            "search_paths": ", ".join(said.search_paths),
            "magic_dns": "on" if said.magic_dns else "off",
        }

    def _tailnet(self) -> Tailnet:
        if self.target.tailnet is None:
            raise Unseen(self.target.missing.get("tailnet", f"target {self.target.name} has no tailnet"))
        return self.target.tailnet

    def compare(self, place: str, value: str) -> str:
        """What is wrong with a value bound to a live place, if anything. Raises `Unseen`, `Absent`."""
        kind, _, rest = place.removeprefix("live:").partition("/")
        way, _, part = rest.partition("#")
        match kind, way.split("/"):
            case "cluster", [namespace, workload, name]:
                return _differs(value, self._image(namespace, workload, name, part))
            case "host", [host, "port", port] if port.isdigit():
                return self.listens(host, int(port))
            case "tailnet", ["device", name, "tags"]:
                return _differs(value, ", ".join(self._tags(name)))
            case "tailnet", ["dns", setting] if setting in ("nameservers", "search_paths", "magic_dns"):
                return _differs(value, self.dns[setting])
        raise Absent("this is no live place; docs/reference/facts.md has every form")

    def _image(self, namespace: str, kind: str, name: str, part: str) -> str:
        seen = (self._workloads()).get((kind, namespace, name))
        if seen is None or not seen.images:
            raise Absent(f"the cluster runs no {kind} {namespace}/{name}")
        found = parse(seen.images[0])
        return found.tag if found and part.endswith(":tag") else seen.images[0]

    def _workloads(self) -> dict[tuple[str, str, str], Seen]:
        if self.pods.workloads is None:
            raise Unseen(self.pods.reason or "the cluster does not answer")
        return self.pods.workloads

    def runs(self, namespace: str, name: str, tag: str) -> str:
        """What is wrong with an image in a namespace; empty when something there runs it."""
        there = [i for (_, n, _), seen in self._workloads().items() if n == namespace for i in seen.images]
        if not there:
            return f"nothing runs in the namespace {namespace}"
        short = name.rpartition("/")[2]
        same = [image for image in there if _short(image) == short]
        if not same:
            return f"no workload in {namespace} has this image; there is {', '.join(sorted(set(there)))}"
        tags = {found.tag for image in same if (found := parse(image))}
        return "" if tag in tags else f"the cluster has {', '.join(sorted(same))}"

    def _tags(self, name: str) -> tuple[str, ...]:
        if name not in self.devices:
            raise Absent(f"the tailnet has no device {name}")
        return self.devices[name]

    def is_device(self, name: str) -> str:
        """What is wrong with a host's place in the tailnet."""
        return "" if name in self.devices else f"the tailnet has no device {name}"

    def has_tag(self, name: str, tag: str) -> str:
        """What is wrong with a device's tag."""
        tags = self._tags(name)
        return "" if tag in tags else f"its tags are {', '.join(tags) or 'none'}"

    def listens(self, host: str, port: int) -> str:
        """What is wrong with a port, asked on the host itself: no policy closes it there."""
        if port in NODE_PORTS and self.pods.simulated:
            raise Unseen("no container runs in this cluster", simulated=True)
        answers = [probe.connect(self.target, host, name, port) for name in (host, "127.0.0.1")]
        if any(answer.reach is Reach.OPEN for answer in answers):
            return ""
        return f"nothing answers there ({answers[0].reach.value})"


def _differs(value: str, live: str) -> str:
    said = {word.strip() for word in value.split(",")}
    return "" if said == {word.strip() for word in live.split(",")} else f"the homelab says {live!r}"


def _short(reference: str) -> str:
    """The last part of an image's name, without its tag."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]

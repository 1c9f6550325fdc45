"""What the laws need to know of each layer: how to edit its desired state, and how to edit it by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from blumeops import process
from blumeops.homelab import Homelab
from blumeops.tailnet.client import Client, client_of

PROXIES = "ansible/inventory/group_vars/proxies.yaml"
MINIFLUX = "argocd/workloads/miniflux/overlays/homelab/kustomization.yaml"
PAGE = "/srv/www/docs/index.html"


@dataclass(frozen=True, slots=True)
class Case:
    """One layer: an edit of Git, what leaves Git, an edit by hand, and a raw look at what is live.

    `changed` and `deleted` are parts of the addresses that the plan must name.
    """

    layer: str
    edit: Callable[[Homelab], None]
    changed: str
    leave: Callable[[Homelab], None]
    deleted: str
    by_hand: Callable[[Homelab], None]
    look: Callable[[Homelab], str]


def console(homelab: Homelab) -> Client:
    """The tailnet's API as a person at the admin console has it."""
    assert homelab.target.tailnet is not None
    return client_of(homelab.target.tailnet)


def on(homelab: Homelab, node: str, *argv: str) -> str:
    """Run a program on a node as root."""
    words = [*homelab.target.vantage[node], *argv]
    return process.run(words, env=homelab.target.environment(), timeout=60).check().stdout


def kubectl(homelab: Homelab, *words: str) -> str:
    """Run kubectl against the target's cluster."""
    place = homelab.target.cluster
    assert place is not None
    argv = ["kubectl", "--kubeconfig", place.kubeconfig, "--context", place.context, *words]
    return process.run(argv, env=homelab.target.environment(), timeout=60).check().stdout


def _a_tag_for_the_television(homelab: Homelab) -> None:
    old = '"tag:nas":     ["group:admins"],'
    homelab.repository.edit("pulumi/policy.hujson", old, f'{old}\n\t\t"tag:tv": ["group:family"],')


def _split_dns_leaves(homelab: Homelab) -> None:
    homelab.repository.edit("pulumi/tailnet.toml", '"lan.homelab.test" = ["192.168.1.1"]\n', "")


def _a_tag_by_hand(homelab: Homelab) -> None:
    text, _ = console(homelab).policy()
    console(homelab).set_policy(
        text.replace('"tagOwners": {', '"tagOwners": {"tag:byhand": ["group:admins"],', 1)
    )


def _tailnet_now(homelab: Homelab) -> str:
    tags = [(device["hostname"], device.get("tags")) for device in console(homelab).devices()]
    return f"{console(homelab).policy()} {console(homelab).dns()} {sorted(tags)}"


def _another_text(homelab: Homelab) -> None:
    homelab.repository.edit(PROXIES, "The published knowledge base.", "Another text.")


def _a_page_leaves(homelab: Homelab) -> None:
    site = (
        "  - name: docs\n    title: Documentation\n    text: The published knowledge base.\n    root: true\n"
    )
    homelab.repository.edit(PROXIES, site, "")


def _a_page_by_hand(homelab: Homelab) -> None:
    on(homelab, "indri", "sed", "-i", "s/knowledge/KNOWLEDGE/", PAGE)


def _hosts_now(homelab: Homelab) -> str:
    files = "find /etc /srv -xdev -type f -newer /etc/os-release -exec sha256sum {} + | sort"
    return on(homelab, "indri", "sh", "-c", files) + on(homelab, "sifaka", "sh", "-c", files)


def _another_version(homelab: Homelab) -> None:
    homelab.repository.edit(MINIFLUX, "newTag: 2.2.9", "newTag: 2.2.13")


def _an_application_leaves(homelab: Homelab) -> None:
    homelab.repository.edit("argocd/apps/kustomization.yaml", "  - paperless.yaml\n", "")
    (homelab.root / "homelab/argocd/apps/paperless.yaml").unlink()


def _a_replica_by_hand(homelab: Homelab) -> None:
    kubectl(homelab, "--namespace", "paperless", "scale", "deployment/paperless", "--replicas=2")


def _cluster_now(homelab: Homelab) -> str:
    kinds = "deployments,services,configmaps,statefulsets,applications.argoproj.io"
    found = json.loads(kubectl(homelab, "get", kinds, "--all-namespaces", "--output", "json"))
    return json.dumps([[o["metadata"]["uid"], o.get("spec"), o.get("data")] for o in found["items"]])


CASES = (
    Case(
        layer="tailnet",
        edit=_a_tag_for_the_television,
        changed="Acl",
        leave=_split_dns_leaves,
        deleted="split-lan.homelab.test",
        by_hand=_a_tag_by_hand,
        look=_tailnet_now,
    ),
    Case(
        layer="hosts",
        edit=_another_text,
        changed="indri",
        leave=_a_page_leaves,
        deleted="indri: caddy : Page of a removed site deleted",
        by_hand=_a_page_by_hand,
        look=_hosts_now,
    ),
    Case(
        layer="cluster",
        edit=_another_version,
        changed="apps/Deployment miniflux/miniflux",
        leave=_an_application_leaves,
        deleted="Deployment paperless/paperless",
        by_hand=_a_replica_by_hand,
        look=_cluster_now,
    ),
)

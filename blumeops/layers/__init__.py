"""The three layers, each a translation of one engine's words into plans and results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from blumeops.layer import Layer
from blumeops.target import Target

Factory = Callable[[Target, Path], Layer | None]
"""Makes a target's layer, given its desired state's folder; None when the target does not have that layer."""


def tailnet(target: Target, _desired: Path) -> Layer | None:
    """The tailnet, by Pulumi."""
    if target.tailnet is None:
        return None
    from blumeops.layers.pulumi import PulumiLayer

    return PulumiLayer(target)


def hosts(target: Target, desired: Path) -> Layer | None:
    """The hosts, by Ansible."""
    if target.hosts is None:
        return None
    from blumeops.layers.ansible import AnsibleLayer

    return AnsibleLayer(target, desired)


def cluster(target: Target, _desired: Path) -> Layer | None:
    """The cluster, by Argo CD."""
    if target.cluster is None:
        return None
    from blumeops.layers.argocd import ArgocdLayer

    return ArgocdLayer(target)


FACTORIES: Mapping[str, Factory] = {"tailnet": tailnet, "hosts": hosts, "cluster": cluster}
"""The three layers, in the order in which they are applied."""


def environment(target: Target) -> dict[str, str]:
    """The variables with which the engines' own tools reach a target, all layers together."""
    values = dict(target.env)
    if target.tailnet is not None:
        from blumeops.layers import pulumi

        values |= pulumi.environment(target)
    if target.hosts is not None:
        from blumeops.layers import ansible

        values |= ansible.environment(target)
    if target.cluster is not None:
        from blumeops.layers import argocd

        values |= argocd.environment(target)
    return values

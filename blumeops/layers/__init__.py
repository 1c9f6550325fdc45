"""The three layers, each a translation of one engine's words into plans and results."""

from __future__ import annotations

from blumeops.target import Target


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

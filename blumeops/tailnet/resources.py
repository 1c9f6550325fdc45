"""The policy and the DNS settings as resources of `pulumi_tailscale`, in terms of Tailscale's API.

Names, properties and what forces a replacement follow the official package 0.29; so do its answers to
drift: what is gone from the tailnet is dropped from the state, and planned again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blumeops.errors import EngineError
from blumeops.tailnet import hujson
from blumeops.tailnet.client import DEFAULT_POLICY, ApiError, Client
from blumeops.tailnet.resource import Property, Values, required, same_policy, same_set


class Acl:
    """The whole policy. Unless told otherwise, it is created only over the one that a tailnet comes with."""

    secrets: frozenset[str] = frozenset()
    inputs: Mapping[str, Property] = {
        "acl": required(str, same=same_policy),
        "overwriteExistingContent": Property(bool),
        "resetAclOnDestroy": Property(bool),
    }

    def create(self, client: Client, new: Values) -> tuple[str, Values]:
        """Set the policy; if it is there already, an interrupted run has set it."""
        try:
            client.set_policy(
                new["acl"], if_match="" if new.get("overwriteExistingContent") else DEFAULT_POLICY
            )
        except ApiError as error:
            if error.status != 412:
                raise
            if not same_policy(client.policy()[0], new["acl"]):
                raise EngineError(
                    "the tailnet has a policy that nobody adopted, and it is not overwritten",
                    where=error.where,
                    hint="`pulumi import tailscale:index/acl:Acl NAME acl`, or set overwriteExistingContent",
                ) from error
        return "acl", new

    def read(self, client: Client, identity: str, old: Values) -> Values:
        """The live policy, comments and all."""
        return {**old, "acl": client.policy()[0]}

    def update(self, client: Client, identity: str, old: Values, new: Values) -> Values:
        """Replace the policy, but only the one that the plan was made against."""
        if same_policy(old.get("acl"), new["acl"]):
            return new
        try:
            client.set_policy(new["acl"], if_match=hujson.etag(old["acl"]))
        except ApiError as error:
            if error.status != 412:
                raise
            raise EngineError(
                "the policy was changed by someone else meanwhile", where=error.where, hint="plan again"
            ) from error
        return new

    def delete(self, client: Client, identity: str, old: Values) -> None:
        """Leave the policy as it is, or reset it if `resetAclOnDestroy` says so."""
        if old.get("resetAclOnDestroy"):
            client.set_policy("")


@dataclass(frozen=True, slots=True)
class DnsSetting:
    """One DNS setting with an endpoint of its own: property `name` of the resource, `key` of the API."""

    identity: str
    endpoint: str
    name: str
    key: str
    type: type
    empty: object
    secrets: frozenset[str] = frozenset()

    @property
    def inputs(self) -> Mapping[str, Property]:
        """The one property."""
        return {self.name: required(self.type)}

    def create(self, client: Client, new: Values) -> tuple[str, Values]:
        """Set it; it is always there, so creating is setting."""
        return self.identity, self.update(client, self.identity, {}, new)

    def read(self, client: Client, identity: str, old: Values) -> Values:
        """The live value."""
        return {self.name: client.request("GET", client.path(self.endpoint)).json()[self.key]}

    def update(self, client: Client, identity: str, old: Values, new: Values) -> Values:
        """Set it."""
        client.request("POST", client.path(self.endpoint), body={self.key: new[self.name]})
        return new

    def delete(self, client: Client, identity: str, old: Values) -> None:
        """Set it to what a tailnet without it has."""
        client.request("POST", client.path(self.endpoint), body={self.key: self.empty})


class DnsSplitNameservers:
    """The nameservers of one domain; the domain is the resource's id."""

    secrets: frozenset[str] = frozenset()
    inputs: Mapping[str, Property] = {
        "domain": required(str, replaces=True),
        "nameservers": required(list, same=same_set),
    }

    def create(self, client: Client, new: Values) -> tuple[str, Values]:
        """Set the domain's nameservers."""
        return new["domain"], self.update(client, new["domain"], {}, new)

    def read(self, client: Client, identity: str, old: Values) -> Values | None:
        """The live nameservers; gone when the domain has none."""
        live = client.request("GET", client.path("/dns/split-dns")).json().get(identity)
        return {"domain": identity, "nameservers": live} if live else None

    def update(self, client: Client, identity: str, old: Values, new: Values) -> Values:
        """Set the domain's nameservers and leave other domains alone."""
        self._patch(client, identity, new["nameservers"])
        return new

    def delete(self, client: Client, identity: str, old: Values) -> None:
        """Clear the domain's nameservers."""
        self._patch(client, identity, [])

    def _patch(self, client: Client, domain: str, nameservers: list[str]) -> None:
        client.request("PATCH", client.path("/dns/split-dns"), body={domain: nameservers})


def policy(client: Client, arguments: Values) -> Values:
    """`getAcl`: the live policy, as HuJSON and as JSON."""
    as_json = client.request("GET", client.path("/acl")).text
    return {"id": "acl", "hujson": client.policy()[0], "json": as_json}

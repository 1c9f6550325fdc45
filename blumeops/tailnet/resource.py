"""What a resource is to the provider: properties with their rules, and four verbs over Tailscale's API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from blumeops.errors import BadInput
from blumeops.tailnet import hujson
from blumeops.tailnet.client import Client

Values = Mapping[str, Any]
"""The properties of one resource, as plain Python values; an absent one is not in it."""


def same_value(old: object, new: object) -> bool:
    """Equal as they stand."""
    return old == new


def same_set(old: object, new: object) -> bool:
    """Equal as sets: the API gives these lists back in any order."""
    return isinstance(old, list) and isinstance(new, list) and sorted(old) == sorted(new)


def same_policy(old: object, new: object) -> bool:
    """Equal but for layout, as the official provider compares policies."""
    try:
        return old == new or hujson.format(str(old)) == hujson.format(str(new))
    except BadInput:
        return False


@dataclass(frozen=True, slots=True)
class Property:
    """One input of a resource; `replaces` says that a change of it makes a new resource."""

    type: type
    required: bool = False
    default: object = None
    replaces: bool = False
    same: Callable[[object, object], bool] = same_value


class Resource(Protocol):
    """One type of resource. `read` gives None when it is gone; all calls may raise `BlumeOpsError`."""

    @property
    def inputs(self) -> Mapping[str, Property]:
        """Its properties by name."""
        ...

    @property
    def secrets(self) -> frozenset[str]:
        """The properties that Pulumi keeps encrypted."""
        ...

    def create(self, client: Client, new: Values) -> tuple[str, Values]:
        """Make it, and give its id and properties."""
        ...

    def read(self, client: Client, identity: str, old: Values) -> Values | None:
        """Its live properties; `old` holds what the API does not tell."""
        ...

    def update(self, client: Client, identity: str, old: Values, new: Values) -> Values:
        """Change it in place, and give its properties."""
        ...

    def delete(self, client: Client, identity: str, old: Values) -> None:
        """Take it away."""
        ...


def required(kind: type, **options: Any) -> Property:
    """A property that must be given."""
    return Property(kind, required=True, **options)

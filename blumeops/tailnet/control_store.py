"""What the control plane itself remembers: the policy as written, DNS, keys and settings, in one folder.

headscale keeps a translation of the policy without its comments, and no DNS at all. Every file is
replaced whole, so a kill at any moment leaves the old one or the new one; a power cut is not
provided against, for a sandbox that starts anew after one.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blumeops.tailnet import hujson
from blumeops.tailnet.client import Dns

DEFAULT_POLICY = """\
// The policy of a tailnet on which nobody has set one yet: every device may reach every other.
{
	"acls": [
		{"action": "accept", "src": ["*"], "dst": ["*:*"]},
	],
}
"""
SETTINGS: dict[str, object] = {
    "aclsExternallyManagedOn": False,
    "aclsExternalLink": "",
    "devicesApprovalOn": False,
    "devicesAutoUpdatesOn": False,
    "devicesKeyDurationDays": 180,
    "usersApprovalOn": False,
    "usersRoleAllowedToJoinExternalTailnets": "none",
    "networkFlowLoggingOn": False,
    "regionalRoutingOn": False,
    "postureIdentityCollectionOn": False,
    "httpsEnabled": False,
}


class Store:
    """The folder, read once at the start and written at every change."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.policy = self._read("policy.hujson", DEFAULT_POLICY)
        self.keys: dict[str, dict[str, Any]] = json.loads(self._read("keys.json", "{}"))
        self.settings: dict[str, object] = {**SETTINGS, **json.loads(self._read("settings.json", "{}"))}
        self.dns = _dns(json.loads(self._read("dns.json", "{}")))

    def _read(self, name: str, default: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else default

    def write(self, name: str, text: str) -> Path:
        """Replace one file of the folder, readable by its owner only."""
        path = self.folder / name
        partial = path.with_name(f".{name}.partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        partial.replace(path)
        return path

    @property
    def etag(self) -> str:
        """The policy's ETag, which does not change with its layout."""
        return hujson.etag(self.policy)

    @property
    def is_default(self) -> bool:
        """True while the policy is the one that the tailnet came with."""
        return self.etag == hujson.etag(DEFAULT_POLICY)

    def keep_policy(self, text: str) -> None:
        """Remember a policy that headscale has taken."""
        self.write("policy.hujson", text)
        self.policy = text

    def keep_dns(self, dns: Dns) -> None:
        """Remember the DNS settings."""
        self.write("dns.json", json.dumps(asdict(dns), indent=2))
        self.dns = dns

    def keep_key(self, key: dict[str, Any]) -> None:
        """Remember a key's description; its secret is not part of it."""
        self.keys[key["id"]] = key
        self.write("keys.json", json.dumps(self.keys, indent=2))

    def keep_settings(self, settings: dict[str, object]) -> None:
        """Remember the tailnet's settings."""
        self.write("settings.json", json.dumps(settings, indent=2))
        self.settings = settings


def _dns(stored: dict[str, Any]) -> Dns:
    return Dns(
        tuple(stored.get("nameservers", ())),
        stored.get("magic_dns", False),
        tuple(stored.get("search_paths", ())),
        {domain: tuple(addresses) for domain, addresses in (stored.get("split") or {}).items()},
    )

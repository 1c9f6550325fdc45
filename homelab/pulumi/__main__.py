"""The homelab's tailnet: its policy, its DNS, and the tags of its devices.

An ordinary Pulumi program; what it declares stands in `policy.hujson` and `tailnet.toml` beside it.
"""

import tomllib
from pathlib import Path

import pulumi
import pulumi_tailscale as tailscale

here = Path(__file__).parent
tailnet = tomllib.loads((here / "tailnet.toml").read_text())
dns = tailnet["dns"]

policy = tailscale.Acl("policy", acl=(here / "policy.hujson").read_text())

nameservers = tailscale.DnsNameservers("nameservers", nameservers=dns["nameservers"])
# Tailscale refuses MagicDNS without a nameserver, and turns it off when the last one goes.
tailscale.DnsPreferences(
    "magic-dns", magic_dns=dns["magic_dns"], opts=pulumi.ResourceOptions(depends_on=[nameservers])
)
tailscale.DnsSearchPaths("search-paths", search_paths=dns["search_paths"])
for domain, servers in dns["split"].items():
    tailscale.DnsSplitNameservers(f"split-{domain}", domain=domain, nameservers=servers)

joined = {device.hostname: device.id for device in tailscale.get_devices().devices}
absent = [name for name in tailnet["devices"] if name not in joined]
for name, tags in tailnet["devices"].items():
    if name in joined:
        # A tag must be in the policy's tagOwners before a device can have it.
        tailscale.DeviceTags(
            name, device_id=joined[name], tags=tags, opts=pulumi.ResourceOptions(depends_on=[policy])
        )
    else:
        pulumi.log.warn(f"{name} has not joined the tailnet, so it has no tags yet")

pulumi.export("absent", absent)

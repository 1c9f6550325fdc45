"""A homelab in a box: real engines on loopback and a private bridge."""

"""Facts: what the pages say of a repository, compared with the repository itself."""

from blumeops.facts.bound import strip

__all__ = ["strip"]

"""Documentation-first knowledge base and executable runbooks over three GitOps layers.

Start with `Homelab`, which holds the layers on one target, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blumeops.homelab import Homelab
    from blumeops.runbooks.references import SecretRef, reveal

__all__ = ["Homelab", "SecretRef", "__version__", "reveal"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import a name on its first use, so that `import blumeops` costs nothing (PEP 562)."""
    if name == "Homelab":
        from blumeops.homelab import Homelab

        return Homelab
    if name in ("SecretRef", "reveal"):
        from blumeops.runbooks import references

        return getattr(references, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Documentation-first knowledge base and executable runbooks over three GitOps layers.

Start with `Homelab`, which holds the layers on one target, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blumeops.homelab import Homelab

__all__ = ["Homelab", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import `Homelab` on first use, so that `import blumeops` costs nothing (PEP 562)."""
    if name == "Homelab":
        from blumeops.homelab import Homelab

        return Homelab
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""As much of Markdown as links need: what is prose and what is code, and the headings with their anchors."""

from __future__ import annotations

from blumeops.site.headings import Heading, headings, plain, slugify
from blumeops.site.prose import LEAD, Fence, Hidden, Kind, blank, fences, hidden, mask, mask_blocks, place

__all__ = [
    "LEAD",
    "Fence",
    "Heading",
    "Hidden",
    "Kind",
    "blank",
    "fences",
    "headings",
    "hidden",
    "mask",
    "mask_blocks",
    "place",
    "plain",
    "slugify",
]

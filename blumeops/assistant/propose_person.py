"""What a person does with a proposal that an assistant may not: plan it on any target, after reading it."""

from __future__ import annotations

from dataclasses import replace

from blumeops import plan_token
from blumeops.assistant import propose_branch as branch
from blumeops.assistant import propose_local as local
from blumeops.homelab import Homelab
from blumeops.layer import Notify
from blumeops.plan import Report
from blumeops.repository import Repository


def plan(place: Repository, name: str, target: str, *, notify: Notify) -> tuple[Report, str] | None:
    """A proposal's plan on a target, of the layers that it touches, and its token; None when it touches none.

    The token holds after a merge, too, as long as it brings the same files.
    """
    one = branch.named(place, name)
    base = branch.run(place, "merge-base", "HEAD", one.commit).strip()
    paths = branch.run(place, "diff", "--name-only", "-z", "--no-renames", base, one.commit).split("\0")
    layers = local.touched(dict.fromkeys(filter(None, paths)))
    if not layers:
        return None
    homelab = Homelab.open(target=target, root=place.root)
    with branch.workshop(place, one.commit) as made:
        there = replace(homelab, repository=made)
        report = there.plan(layers, notify=notify)
        return report, str(plan_token.of(there, report) or "")

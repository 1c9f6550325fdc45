"""Prompts that a person picks: what to do first, in which order, and where to stop."""

from __future__ import annotations

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from blumeops.context.untrusted import fence

LONGEST = 2000
"""Characters of what a person says; it is theirs, and still stands in a fence: people paste logs."""

Said = Annotated[str, Field(min_length=1, max_length=LONGEST)]


def add(server: MCPServer) -> None:
    """Offer them."""

    @server.prompt(title="Diagnose a problem")
    def diagnose(problem: Said) -> str:
        """Find out why something does not work, without changing anything."""
        return f"""Find out why this does not work. Change nothing, and propose nothing before you know.

{fence(problem, "what the person says")}

1. `context` with the problem in whole words: the pages, the desired state, the runbook for it.
2. `status` for the layers concerned; `drift` when a layer is not in sync; `journal` for what changed last.
3. `policy_explain` when somebody cannot reach something.
4. Say what you know and by which file and line or layer, what you assume, and what you could not see. A layer
   that is unknown is not in sync.
5. Name the runbook that mends it, with its parameters. A person runs it."""

    @server.prompt(title="Plan a change")
    def plan_a_change(change: Said) -> str:
        """Work out which files a change touches, whom it affects, and how to go back."""
        return f"""Work out this change. Do not make it.

{fence(change, "what the person wants")}

1. `context` with the change in whole words; read the files it names with `page`.
2. Name every file under `homelab/` to edit, with the lines, and every page of `docs/` that becomes wrong.
   A rule of the policy and its test change together.
3. `policy_explain` for whom access changes; `services` for what depends on it.
4. `plan` shows what is not applied yet already: a change comes on top of that.
5. Say the order of the layers (tailnet, hosts, cluster), what can fail, and how to go back. A person
   applies it."""

    @server.prompt(title="Explain a page")
    def explain_a_page(page: Annotated[str, Field(min_length=1, max_length=400)]) -> str:
        """Explain a page of the homelab in one's own words, and say what of it may be stale."""
        return f"""Explain this page to somebody who knows computers and not this homelab.

{fence(page, "the page that the person names")}

1. `page` with that path or name; follow its links only where it cannot be understood without.
2. `context` with its title says which of its facts no longer hold; say so first.
3. What it is for, how it works here, what one does with it. Quote values with their file and line."""

"""The tools that read what the repository means: services, runbook, policy_explain, journal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import Field

from blumeops.assistant import telling
from blumeops.assistant.bounded import lines
from blumeops.assistant.limits import Budget, Name, Selector
from blumeops.assistant.reading import Reader
from blumeops.assistant.tool import Answer, StrictTool
from blumeops.context.untrusted import label

if TYPE_CHECKING:
    from blumeops.services.model import ServiceMap

Protocol = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[a-z0-9-]+$")]


class Told(Answer):
    """What is known, in a fence that names its source; `names` are the things that it is about."""

    names: list[str]
    text: str
    left_out: int = 0

    def markdown(self) -> str:
        """The fence, and how to get the rest."""
        more = "ask for one of them by its name, or with a higher `tokens`"
        return self.text + (f"\n\n{self.left_out} more lines: {more}." if self.left_out else "")


class Runbooks(Told):
    """All runbooks, or one: then what it may do, where its page stands, and how its last run ended."""

    risk: str = ""
    path: str = ""
    last_run: str = ""
    stale: bool = False


class Reaches(Told):
    """Who may reach what: yes, no, or `null` for an open question; and the places of the rules."""

    allowed: bool | None
    rules: list[str]


@dataclass(frozen=True, slots=True)
class LookAround:
    """The tools over the meaning of one repository."""

    reader: Reader
    target: str

    @property
    def root(self) -> Path:
        """The top of the repository."""
        return self.reader.place.root

    def tools(self) -> Iterator[StrictTool]:
        """Each of them, in the order in which they are listed."""
        yield StrictTool.of(self.services, title="What runs where")
        yield StrictTool.of(self.runbook, title="Read a runbook")
        yield StrictTool.of(self.policy_explain, title="Who may reach what, and why")
        yield StrictTool.of(self.journal, title="What was applied")

    def services(
        self,
        name: Annotated[Name | None, Field(description="One service; without it all of them")] = None,
        tokens: Annotated[Budget, Field(description="How large the answer may be")] = 3000,
    ) -> Annotated[CallToolResult, Told]:
        """List the services with where they run, version, route, probe, backup and dashboard, and what is
        missing; or all that is known of one, each fact with its file and line. Read from files, not live."""
        from blumeops.services import map

        found = map.read(self.root)
        if name is None:
            names = [label(one.name) for one in found.services]
            said = lines(telling.services(found), "the service map of this repository", budget=tokens)
            return Told(names=names, text=said.text, left_out=said.left_out).result()
        one = found[_service(found, name)]
        said = lines(telling.service(one, found.problems), f"service {label(one.name)}", budget=tokens)
        return Told(names=[label(one.name)], text=said.text, left_out=said.left_out).result()

    def runbook(
        self,
        name: Annotated[Name | None, Field(description="One runbook; without it all of them")] = None,
        tokens: Annotated[Budget, Field(description="How large the answer may be")] = 3000,
    ) -> Annotated[CallToolResult, Runbooks]:
        """List the runbooks with purpose, risk and last run; or read one: purpose, risk, parameters, steps
        with their gates, and what its last run said. It runs none; a person does: `blumeops runbook run`."""
        from blumeops import records
        from blumeops.runbooks import depends, format

        if name is None:
            books, _ = format.found(self.root)
            said = lines(telling.runbooks(self.root, books), "runbooks of this repository", budget=tokens)
            names = [label(book.name) for book in books]
            return Runbooks(names=names, text=said.text, left_out=said.left_out).result()
        book = format.read(self.root / format.FOLDER / f"{self._runbook(name)}.md")
        record = records.latest(self.root, book.name)
        stale = bool(record and depends.changed_since(self.root, record))
        path = f"{format.FOLDER}/{label(book.name)}.md"
        said = lines(telling.runbook(book), path, budget=tokens)
        text = said.text
        if record:
            run = f"record of {label(book.name)}, {record.started:%Y-%m-%d %H:%M} UTC"
            text += f"\n\n{lines(telling.record(record), run, budget=tokens // 2).said('see its page')}"
        last = f"{record.status.value}, {record.started:%Y-%m-%d %H:%M} UTC" if record else "never run"
        return Runbooks(
            names=[label(book.name)], text=text, left_out=said.left_out, risk=book.risk.value, path=path,
            last_run=last, stale=stale,
        ).result()  # fmt: skip

    def _runbook(self, name: str) -> str:
        from blumeops.runbooks import format

        readable = self.reader.paths()
        names = [one for one in format.names(self.root) if f"{format.FOLDER}/{one}.md" in readable]
        return _known(name.removesuffix(".md"), names, "runbook")

    def policy_explain(
        self,
        src: Annotated[Selector | None, Field(description="Who: group:family, tag:nas, a device")] = None,
        dst: Annotated[Selector | None, Field(description="What: tag:homelab, indri, an address")] = None,
        port: Annotated[int | None, Field(ge=1, le=65535, description="Yes or no for this port")] = None,
        proto: Annotated[Protocol, Field(description="Its protocol")] = "tcp",
    ) -> Annotated[CallToolResult, Reaches]:
        """Say who may reach what on the tailnet and by which rule of the policy, with its lines. Give one end
        for all that it reaches or is reached by, both ends and a port for yes or no. From Git, not live."""
        from blumeops.tailnet import explain

        policy, topology = explain.read(self.root)
        said = explain.explain(policy, topology, src=src or "", dst=dst or "", port=port or 0, proto=proto)
        shown = lines(telling.explained(said), label(policy.document.path), budget=3000)
        return Reaches(
            names=[label(name) for name in (src, dst) if name], text=shown.text, left_out=shown.left_out,
            allowed=said.allowed, rules=list(dict.fromkeys(label(rule.where) for rule in said.rules)),
        ).result()  # fmt: skip

    def journal(
        self,
        number: Annotated[int, Field(ge=1, le=50, description="How many runs, the newest first")] = 5,
        verb: Annotated[Literal["apply", "rollback"] | None, Field(description="Only these")] = None,
        tokens: Annotated[Budget, Field(description="How large the answer may be")] = 3000,
    ) -> Annotated[CallToolResult, Told]:
        """Tell what was applied and rolled back on the target, newest first: when, which commit, what was
        planned, what became of it, and runs that were killed."""
        from blumeops.journal import Journal

        runs = [run for run in Journal(telling.state(self.root, self.target) / "journal").runs()]
        wanted = [run for run in runs if verb in (None, run.verb)][:number]
        said = lines(telling.journal(wanted), f"journal of {label(self.target)}", budget=tokens)
        names = [label(run.name) for run in wanted]
        return Told(names=names, text=said.text, left_out=said.left_out).result()


def _service(found: ServiceMap, name: str) -> str:
    from blumeops.services.model import normal

    return _known(normal(name), [one.name for one in found.services], "service")


def _known(name: str, names: Iterable[str], what: str) -> str:
    """A name that is one of these. Raises `ToolError`, which says the one that is likely meant."""
    all_of_them = list(names)
    if name in all_of_them:
        return name
    near = difflib.get_close_matches(name, all_of_them, 1, 0.6)
    known = ", ".join(label(one) for one in all_of_them[:60]) or "none"
    hint = f"did you mean {label(near[0])}?" if near else f"known: {known}"
    raise ToolError(f"there is no {what} {label(name)}; {hint}")

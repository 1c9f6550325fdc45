"""The tools that read pages and files: search, context, page, section."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import Field

from blumeops.assistant.limits import Budget, FilePath, Heading, Line, Name, Question
from blumeops.assistant.reading import Reader
from blumeops.assistant.tool import Answer, StrictTool
from blumeops.context.untrusted import label

EXCERPT = 160
"""Tokens of each section that a search shows: enough to see what it is about."""


class Piece(Answer):
    """A piece of a file in a fence, with its place; `next_line` is where the rest begins, 0 for no rest."""

    path: str
    line: int
    last: int
    text: str
    next_line: int = 0

    def markdown(self) -> str:
        """The fence, and how to get the rest."""
        more = f'page(path="{self.path}", line={self.next_line})'
        return self.text + (f"\n\nThere is more: `{more}`." if self.next_line else "")


class Found(Answer):
    """What a search found, the best first; `more` says that there are further ones."""

    found: list[Piece]
    more: bool = False

    def markdown(self) -> str:
        """Every piece in its fence."""
        if not self.found:
            return "Nothing was found. Ask with other words, or the names of things. Do not guess."
        more = "\n\nThere are more: ask with a higher `limit`, or in other words." if self.more else ""
        return "\n\n".join(piece.text for piece in self.found) + more


class Pack(Answer):
    """A context pack as Markdown, and how many tokens it has."""

    text: str
    tokens: int

    def markdown(self) -> str:
        """The pack."""
        return self.text


@dataclass(frozen=True, slots=True)
class LookUp:
    """The tools over the files of one repository."""

    reader: Reader

    def tools(self) -> Iterator[StrictTool]:
        """Each of them, in the order in which they are listed."""
        yield StrictTool.of(self.search, title="Search the homelab")
        yield StrictTool.of(self.context, title="Context for a task")
        yield StrictTool.of(self.page, title="Read a page or file")
        yield StrictTool.of(self.section, title="Read one section")

    def search(
        self,
        question: Annotated[Question, Field(description="A question or words, in any language")],
        limit: Annotated[int, Field(ge=1, le=20, description="How many sections at most")] = 6,
    ) -> Annotated[CallToolResult, Found]:
        """Find the sections of docs, runbooks, desired state and code that answer a question, best first,
        each with its path, line and beginning. For one fact; read on with `page` or `section`."""
        from blumeops.context.index import Index

        with Index.open(self.reader.place) as index:
            hits = [hit.section for hit in index.search(question, limit=limit + 1)]
        found = [self._piece(one.path, one.line, one.last, EXCERPT) for one in hits[:limit]]
        return Found(found=found, more=len(hits) > limit).result()

    def context(
        self,
        question: Annotated[Question, Field(description="The question or task, in whole words")],
        tokens: Annotated[Budget, Field(description="How large the answer may be")] = 4000,
        focus: Annotated[Name | None, Field(description="A layer, page or runbook that it is for")] = None,
    ) -> Annotated[CallToolResult, Pack]:
        """Collect what a task needs within a budget: the guard rails, the runbook, the sections that
        answer, the desired state they speak of, and what of it no longer holds. Begin a task with it."""
        from blumeops.context import pack

        made = pack.pack(self.reader.place.root, question, budget=tokens, focus=focus or "")
        return Pack(text=made.markdown(), tokens=made.tokens).result()

    def page(
        self,
        path: Annotated[FilePath, Field(description="Its path, or the name of a page: caddy")],
        line: Annotated[Line, Field(description="From which line on")] = 1,
        tokens: Annotated[Budget, Field(description="How much of it at most")] = 4000,
    ) -> Annotated[CallToolResult, Piece]:
        """Read a page, runbook, file of desired state or module from a line on, with its path and lines."""
        return self._piece(self.reader.known(path), line, 0, tokens).result()

    def section(
        self,
        path: Annotated[FilePath, Field(description="Its path, or the name of a page: caddy")],
        heading: Annotated[Heading, Field(description="The heading, or its anchor on the site")],
        tokens: Annotated[Budget, Field(description="How much of it at most")] = 2000,
    ) -> Annotated[CallToolResult, Piece]:
        """Read one section of a page, by its heading."""
        from blumeops.context.index import Index

        known = self.reader.known(path)
        wanted = heading.strip("# ").casefold()
        with Index.open(self.reader.place) as index:
            parts = index.sections(known)
        names = {one.anchor: one.headings[-1] if one.headings else one.title for one in parts}
        anchor = next((a for a, name in names.items() if wanted in (a.casefold(), name.casefold())), None)
        if anchor is None:
            headings = ", ".join(label(anchor) for anchor in names if anchor)
            raise ToolError(f"{label(known)} has no such section; its anchors: {headings[:1500] or 'none'}")
        mine = [one for one in parts if one.anchor == anchor]
        return self._piece(known, mine[0].line, mine[-1].last, tokens).result()

    def _piece(self, path: str, first: int, last: int, budget: int) -> Piece:
        shown = self.reader.shown(path, first=first, last=last, budget=budget)
        return Piece(
            path=label(path), line=shown.line, last=shown.last, text=shown.text, next_line=shown.next_line
        )

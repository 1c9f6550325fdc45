"""The tools that read the repository: search, page, section."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from blumeops.assistant.limits import Budget, FilePath, Line, Question
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
    """What a search found, the best first; `more` further sections matched."""

    found: list[Piece]
    more: int = 0

    def markdown(self) -> str:
        """Every piece in its fence."""
        if not self.found:
            return "Nothing was found. Ask with other words, or the names of things."
        more = f"\n\n{self.more} more: ask with a higher `limit`, or in other words." if self.more else ""
        return "\n\n".join(piece.text for piece in self.found) + more


@dataclass(frozen=True, slots=True)
class LookUp:
    """The tools over one repository."""

    reader: Reader

    def tools(self) -> Iterator[StrictTool]:
        """Each of them, in the order in which they are listed."""
        yield StrictTool.of(self.search, title="Search the homelab")
        yield StrictTool.of(self.page, title="Read a page or file")

    def search(
        self,
        question: Annotated[Question, Field(description="A question or words, in any language")],
        limit: Annotated[int, Field(ge=1, le=20, description="How many sections at most")] = 6,
    ) -> Annotated[CallToolResult, Found]:
        """Find the sections of docs, runbooks, desired state and code that answer a question, best first,
        each with its path, line and beginning. Use it first; read on with `page`."""
        from blumeops.context.index import Index

        hits = Index.open(self.reader.place.root).search(question, limit=limit + 1)
        found = [
            self._piece(hit.section.path, hit.section.line, hit.section.last, EXCERPT) for hit in hits[:limit]
        ]
        return Found(found=found, more=max(0, len(hits) - limit)).result()

    def page(
        self,
        path: Annotated[FilePath, Field(description="Its path, or the name of a page: caddy")],
        line: Annotated[Line, Field(description="From which line on")] = 1,
        tokens: Annotated[Budget, Field(description="How much of it at most")] = 4000,
    ) -> Annotated[CallToolResult, Piece]:
        """Read a page, runbook, file of desired state or module from a line on, with its path and lines."""
        return self._piece(self.reader.known(path), line, 0, tokens).result()

    def _piece(self, path: str, first: int, last: int, budget: int) -> Piece:
        shown = self.reader.shown(path, first=first, last=last, budget=budget)
        return Piece(
            path=label(path), line=shown.line, last=shown.last, text=shown.text, next_line=shown.next_line
        )

"""Asks a server as a client does, in memory; and what an answer says inside of fences and outside of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import anyio
from markdown_it import MarkdownIt
from mcp import Client
from mcp.server import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent, TextResourceContents

from blumeops.context.untrusted import clean, label

Call = tuple[str, dict[str, Any]]


def ask(server: MCPServer, *calls: Call) -> list[CallToolResult]:
    """The answers to some calls of tools, in order, over one connection."""

    async def run() -> list[CallToolResult]:
        async with Client(server) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return anyio.run(run)


def read(server: MCPServer, uri: str) -> list[str]:
    """The texts of a resource. Raises `MCPError` as a client gets it, out of the client's group of tasks."""

    async def run() -> list[str] | MCPError:
        async with Client(server) as client:
            try:
                found = await client.read_resource(uri)
            except MCPError as error:
                return error
            return [one.text for one in found.contents if isinstance(one, TextResourceContents)]

    answer = anyio.run(run)
    if isinstance(answer, MCPError):
        raise answer
    return answer


def said(result: CallToolResult) -> str:
    """The text of an answer."""
    [only] = result.content
    assert isinstance(only, TextContent)
    return only.text


def strings(result: CallToolResult) -> Iterator[str]:
    """Every text that an answer carries: what is read, and every string of what is for programs."""
    yield said(result)
    yield from _strings(result.structured_content)


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, one in value.items():
                yield name
                yield from _strings(one)
        case list():
            for one in value:
                yield from _strings(one)


@dataclass(frozen=True, slots=True)
class Fenced:
    """A fence of an answer: the words of its first line, and what stands in it."""

    source: str
    text: str


def split(text: str) -> tuple[list[Fenced], str]:
    """The fences of a text as a Markdown parser reads them, and all that stands outside."""
    lines = text.split("\n")
    fences = []
    for token in MarkdownIt().parse(text):
        if token.type == "fence" and token.map and token.level == 0:
            first, last = token.map
            assert lines[last - 1].strip("`") == "", "a fence that nothing closes takes in what follows"
            fences.append(Fenced(token.info.partition(" ")[2], token.content))
            lines[first:last] = [""] * (last - first)
    return fences, "\n".join(lines)


_APART = re.compile(r"[\s\"'`(),;!?→\[\]]+")


def law(result: CallToolResult, mark: str, source: str, *, hidden: bool) -> bool:
    """Whether a mark was seen; fails unless it stands only in fences with that source, in cleaned form.

    Outside it may stand in a name alone, one word that no sentence can be. `source` is a regular expression.
    """
    seen = False
    for text in strings(result):
        if mark not in text:
            continue
        fences, outside = split(text)
        for one in (one for one in fences if mark in one.text):
            seen = True
            assert re.match(source, one.source), (mark, one.source)
            assert one.text == clean(one.text), (mark, one.text)
        for word in (word for word in _APART.split(outside) if mark in word):
            assert label(unquote(word)).rstrip("…") == word.rstrip("…."), (mark, word)
    assert not (seen and hidden), f"{mark} is hidden from people, and arrived"
    return seen

"""Resources: the index, and pages, runbooks and service cards by their address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from pydantic import TypeAdapter, ValidationError

from blumeops.assistant.bounded import lines
from blumeops.assistant.limits import MAX_TOKENS, FilePath, Name
from blumeops.assistant.reading import Reader
from blumeops.context.model import Kind
from blumeops.context.untrusted import label

if TYPE_CHECKING:
    from blumeops.services.model import Card

MARKDOWN = "text/markdown"
_PATHS: TypeAdapter[str] = TypeAdapter(FilePath)
_NAMES: TypeAdapter[str] = TypeAdapter(Name)


def add(server: MCPServer, reader: Reader) -> None:
    """Offer them; their text is fenced like any other, and no longer than a tool's answer."""

    @server.resource("blumeops://index", title="Index", mime_type=MARKDOWN)
    def index() -> str:
        """Every page and runbook: its path, title and description."""
        said = lines(_index(reader), "docs/ and runbooks/ of this repository", budget=MAX_TOKENS)
        return said.said("read blumeops://page/PATH, or ask `search`")

    @server.resource("blumeops://page/{+path}", title="Page", mime_type=MARKDOWN)
    def page(path: str) -> str:
        """A page or file by its path: blumeops://page/docs/index.md"""
        return _read(reader, path, _PATHS)

    @server.resource("blumeops://runbook/{name}", title="Runbook", mime_type=MARKDOWN)
    def runbook(name: str) -> str:
        """A runbook's page by its name: blumeops://runbook/find-and-undo-drift"""
        return _read(reader, f"runbooks/{_checked(name, _NAMES)}.md", _PATHS)

    @server.resource("blumeops://service/{name}", title="Service card", mime_type=MARKDOWN)
    def service(name: str) -> str:
        """The card of a service by its name: blumeops://service/caddy"""
        wanted = _checked(name, _NAMES)
        for card in _cards(reader):
            if card.service.casefold() == wanted.casefold():
                return _read(reader, card.fact.path, _PATHS)
        raise ResourceNotFoundError(f"there is no card of a service {label(wanted)}")


def _read(reader: Reader, path: str, kind: TypeAdapter[str]) -> str:
    try:
        shown = reader.shown(reader.known(_checked(path, kind)), budget=MAX_TOKENS)
    except ToolError as error:
        raise ResourceNotFoundError(str(error)) from error
    more = f"\n\nThere is more, from line {shown.next_line} on: the tool `page` reads it."
    return shown.text + (more if shown.next_line else "")


def _checked(given: str, kind: TypeAdapter[str]) -> str:
    try:
        return kind.validate_python(unquote(given), strict=True)
    except ValidationError as error:
        said = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise ResourceError(f"{label(given[:100])}: {said}") from error


def _index(reader: Reader) -> Iterator[str]:
    from blumeops.errors import BadInput
    from blumeops.site import frontmatter

    for path in reader.paths():
        if reader.rules.kind(path) not in (Kind.PAGE, Kind.RUNBOOK):
            continue
        text = "\n".join(reader.lines(path))
        try:
            front = frontmatter.read(text, source=path)
        except BadInput:
            yield f"{path}: (its front matter cannot be read)"
            continue
        title = front.text("title") or path.rpartition("/")[2].removesuffix(".md")
        yield f"{path}: {title}. {front.text('description')}".rstrip()


def _cards(reader: Reader) -> Iterator[Card]:
    from blumeops.services import map

    return (one.card for one in map.read(reader.place.root).services if one.card)

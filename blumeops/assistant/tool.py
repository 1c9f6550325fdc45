"""A tool as this server offers it: strict about what comes in, and never a traceback as the answer."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, ConfigDict, ValidationError

from blumeops.context.untrusted import clean, fence
from blumeops.errors import BlumeOpsError

log = logging.getLogger(__name__)

LOOKS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
"""What a client may know about a tool that reads files of the repository."""

MAX_SAID = 400
"""Characters of a value that was refused, or of a message about it, that are said back."""


class Part(BaseModel):
    """A part of an answer, which has no text of its own: its schema forbids further fields."""

    model_config = ConfigDict(extra="forbid")


class Answer(Part, ABC):
    """What a tool gives: fields for programs, and `markdown` for whoever reads.

    Text from outside stands in it only inside of a fence (`blumeops.context.untrusted`).
    """

    @abstractmethod
    def markdown(self) -> str:
        """The answer as text."""

    def result(self) -> CallToolResult:
        """The answer as the protocol carries it."""
        told = TextContent(type="text", text=self.markdown())
        return CallToolResult(content=[told], structured_content=self.model_dump(mode="json"))


class StrictTool(Tool):
    """A tool that refuses unknown arguments and values of another type, and explains errors of ours."""

    @classmethod
    def of(cls, fn: Callable[..., Any], *, title: str, annotations: ToolAnnotations = LOOKS) -> StrictTool:
        """A tool from a function: its docstring is the description, `Annotated[…]` its types."""
        words = " ".join((fn.__doc__ or "").split())
        made = cls.from_function(fn, title=title, description=words, annotations=annotations)
        base = made.fn_metadata.arg_model
        strict = ConfigDict(**{**base.model_config, "extra": "forbid", "strict": True})
        made.fn_metadata.arg_model = type(base.__name__, (base,), {"model_config": strict})
        made.parameters = made.fn_metadata.arg_model.model_json_schema(by_alias=True)
        return made  # type: ignore[return-value]  # typed as the class above ours

    async def run(self, arguments: dict[str, Any], context: Any, convert_result: bool = False) -> Any:
        """Run it; what goes wrong becomes an error that a reader can act on."""
        try:
            return await super().run(arguments, context, convert_result)
        except ToolError as error:
            raise ToolError(self._said(error)) from error.__cause__

    def _said(self, error: ToolError) -> str:
        match error.__cause__:
            case ValidationError() as wrong if not isinstance(error, UnexpectedToolError):
                return "\n".join(
                    [f"{self.name}: these arguments are refused", *map(_problem, wrong.errors())]
                )
            case BlumeOpsError() as ours:
                return f"{self.name} has no answer:\n\n{fence(str(ours), f'error of {self.name}')}"
            case ToolError() as told:
                return str(told)
            case cause:
                log.error("%s failed", self.name, exc_info=cause)
                kind = type(cause).__name__ if cause else "an error"
                return f"{self.name} failed ({kind}); the server's log on standard error says why"


def _problem(wrong: Any) -> str:
    """One refused argument in a line: its name, what is wrong, and the beginning of what came."""
    where = ".".join(str(part) for part in wrong["loc"]) or "arguments"
    given = clean(repr(wrong.get("input"))[:80])
    said = clean(str(wrong["msg"]).removeprefix("Value error, "))[:MAX_SAID]
    return f"- {clean(where)[:60]}: {said} (got {given})".replace("`", "'")

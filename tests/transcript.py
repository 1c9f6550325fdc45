"""The tool calls on the page "Work with an AI assistant": made again, and written down.

    .venv/bin/python -m tests.transcript          # shows what the server answers now
    .venv/bin/python -m tests.transcript --write  # puts it on the page

The calls are made by the protocol's own client, over standard input and output, to `blumeops mcp` on this
repository. No model takes part. Only calls are chosen whose answers depend on the repository alone: no clock,
no commit, no homelab that has to run.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tutorials" / "work-with-an-assistant.md"
BLUMEOPS = Path(sys.executable).with_name("blumeops")
ANSWER_SECONDS = 120.0
"""Patience with one answer, on a machine that does much else."""

WIDTH = 78
"""Characters of a line that a page of the site shows beside its navigation."""

_PASSING = (
    (re.compile(r"^\*\*Doubtful:\*\* .*\n", re.MULTILINE), ""),
    (re.compile(r"(?<=\): )(?:passed|last run|never run)[^;\n]*"), "…"),
    (re.compile(r"(?<=^Left out for want of room: ).*", re.MULTILINE), "…"),
)
"""What an answer says of the day, of the last commits and of how many pages there are. It is left out, or `…`
stands for it: all else is as the server said it."""

BEGIN, END = "<!-- transcript: tests/transcript.py -->\n", "<!-- end of the transcript -->"
_ENTRY = re.compile(r"^(?P<marks>`{4,})[^\n]*\n.*?^(?P=marks)$|^[^\n]+$", re.DOTALL | re.MULTILINE)
"""A whole fence, or a line outside of one."""

_PLACE = re.compile(r"^(`{4,}.*?):\d.*\n(`{4,})$", re.DOTALL)
"""A fence with its place. Which lines of a file are in a pack moves with every page that anybody writes."""

_TICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool; `question` are the words of a person that lead to it, empty when it follows one.

    Of the answer the page shows `lines`, and says when there are more. Of a context pack it shows the
    first entry under each heading as far as what is to be read (`first`): the rest moves with every page that
    anybody writes.
    """

    question: str
    tool: str
    arguments: Mapping[str, object]
    lines: int = 40
    first: bool = False

    def __str__(self) -> str:
        return f"`{self.tool}` with `{json.dumps(self.arguments, ensure_ascii=False)}`"


CALLS: tuple[Call, ...] = (
    Call(
        "Documents are gone from Paperless. How do I get them back?",
        "context",
        {
            "question": "documents are gone, how do I get them back?",
            "focus": "paperless",
            "tokens": 1500,
        },
        first=True,
    ),
    Call("", "section", {"path": "paperless", "heading": "When it is in trouble"}),
    Call("", "runbook", {"name": "restore-a-backup"}, lines=38),
    Call("Then do it.", "run_runbook", {"name": "restore-a-backup"}),
    Call("Which machine are the backups on, and who may reach it?", "policy_explain", {"dst": "sifaka"}),
    Call(
        "May the family log in there?", "policy_explain", {"src": "group:family", "dst": "sifaka", "port": 22}
    ),
    Call("What do I lose when I update Miniflux?", "section", {"path": "miniflux", "heading": "Update it"}),
    Call("Is there a password in /etc/shadow?", "page", {"path": "/etc/shadow"}),
)


async def answers(calls: Iterable[Call]) -> tuple[str, ...]:
    """What the server says to each call, in one session."""
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters

    given = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    server = StdioServerParameters(
        command=str(BLUMEOPS), args=["mcp", "--root", str(ROOT)], env=given or None, cwd="/"
    )
    async with Client(server, read_timeout_seconds=ANSWER_SECONDS) as client:
        said = [await client.call_tool(call.tool, dict(call.arguments)) for call in calls]
    return tuple(steady("\n".join(block.text for block in one.content)) for one in said)


def rendered(calls: Iterable[Call], said: Iterable[str]) -> str:
    """The calls and answers as they stand on the page."""
    return "".join(_exchange(call, text) for call, text in zip(calls, said, strict=True)) + "\n"


def written(page: str) -> str:
    """The transcript that stands on the page."""
    return _parts(page)[1]


def main(words: list[str]) -> int:
    """Show the transcript of now, or write it."""
    now = rendered(CALLS, asyncio.run(answers(CALLS)))
    if words == ["--write"]:
        page = PAGE.read_text()
        before, _, after = _parts(page)
        PAGE.write_text(before + now + after)
    elif words:
        print(__doc__, file=sys.stderr)
        return 2
    else:
        print(now)
    return 0


def firsts(pack: str) -> str:
    """A pack's first lines, and the first entry under each heading as far as *Read*, without its text."""
    kept, left = [], len(pack)
    for entry in (found[0] for found in _ENTRY.finditer(pack.partition("\n## Desired state\n")[0])):
        left = 2 if entry.startswith("## ") else left
        kept += [_PLACE.sub(r"\g<1>:…\n…\n\g<2>", entry)] if left > 0 else []
        left -= 1
    return "\n".join(kept)


def _parts(page: str) -> tuple[str, str, str]:
    """The page before the transcript, the transcript, and the page after it."""
    if (page.count(BEGIN), page.count(END)) != (1, 1) or page.index(BEGIN) > page.index(END):
        raise ValueError(f"{PAGE.name} has no single place for the transcript: {BEGIN}{END}")
    first, last = page.index(BEGIN) + len(BEGIN), page.index(END)
    return page[:first], page[first:last], page[last:]


def steady(said: str) -> str:
    """An answer without what it says of the day and the last commits."""
    for passing, instead in _PASSING:
        said = passing.sub(instead, said)
    return said.strip("\n")


def _exchange(call: Call, said: str) -> str:
    kept = firsts(said) if call.first else said
    lines = [short for line in kept.split("\n") for short in _broken(line)]
    shown = "\n".join(lines[: call.lines])
    more = "\nThe answer goes on.\n" if len(lines) > call.lines or kept != said else ""
    marks = "`" * max(3, 1 + max(map(len, _TICKS.findall(shown)), default=0))
    question = f"\n> {call.question}\n" if call.question else ""
    return f"{question}\nCalled: {call}\n\n{marks}text\n{shown}\n{marks}\n{more}"


def _broken(line: str) -> list[str]:
    """A long line as several, or a reader of the page sees half of it."""
    if len(line) <= WIDTH:
        return [line]
    return textwrap.wrap(
        line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

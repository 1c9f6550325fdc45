"""The pages about assistants: each snippet starts the server, and the transcript is what it answers."""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests import transcript
from tests.conftest import BLUMEOPS

ROOT = Path(__file__).resolve().parents[1]
CONNECT = ROOT / "docs" / "how-to" / "connect-an-assistant.md"
PROPOSE = ROOT / "docs" / "how-to" / "let-an-assistant-propose.md"
SERVER = ROOT / "docs" / "reference" / "mcp-server.md"
LOOKS = (str(BLUMEOPS), "mcp", "--root", str(ROOT))
PLACEHOLDER = "/home/you/blumeops"
"""What a reader replaces by the folder of the clone."""

SERVERS = ("mcpServers", "servers", "context_servers", "mcp_servers")
"""The key under which a client keeps its servers."""

CLIENTS = ("Claude Code", "Claude Desktop", "VS Code", "Cursor", "Codex", "Zed")
IN_THE_CLONE = ("Claude Code",)
"""Clients that start a server where they were started, and whose snippet counts on it."""

_SNIPPET = re.compile(
    r"^## (?P<client>[^\n]+)\n(?:(?!^## ).)*?^```(?P<kind>json|toml)\n(?P<text>.*?)^```", re.M | re.S
)
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Snippet:
    """The configuration that the page gives for one client."""

    client: str
    kind: str
    text: str

    @property
    def server(self) -> dict[str, object]:
        """The one server in it."""
        whole = tomllib.loads(self.text) if self.kind == "toml" else json.loads(self.text)
        ((key, servers),) = whole.items()
        assert key in SERVERS
        ((name, server),) = servers.items()
        assert name == "blumeops"
        return server

    def words(self) -> tuple[str, ...]:
        """The command and its arguments, on a machine whose clone is this one."""
        return tuple(resolved(word) for word in (self.server["command"], *self.server["args"]))

    def folder(self) -> Path:
        """Where the client starts it; `/` stands for any folder that has nothing to do with us."""
        return ROOT if self.client in IN_THE_CLONE else Path("/")


def snippets() -> list[Snippet]:
    found = _SNIPPET.finditer(CONNECT.read_text())
    return [Snippet(one["client"], one["kind"], one["text"]) for one in found]


@dataclass(frozen=True, slots=True)
class Offered:
    """What a server says that it has, by name or address."""

    tools: frozenset[str]
    prompts: frozenset[str]
    resources: frozenset[str]


@cache
def offered(words: tuple[str, ...], folder: Path) -> Offered:
    """What the server has that a command starts; two clients with one command need one start."""
    command, *arguments = words
    server = StdioServerParameters(command=command, args=arguments, cwd=folder)

    async def ask() -> Offered:
        async with Client(server, read_timeout_seconds=transcript.ANSWER_SECONDS) as client:
            templates = (await client.list_resource_templates()).resource_templates
            return Offered(
                frozenset(one.name for one in (await client.list_tools()).tools),
                frozenset(one.name for one in (await client.list_prompts()).prompts),
                frozenset(str(one.uri) for one in (await client.list_resources()).resources)
                | {one.uri_template for one in templates},
            )

    return asyncio.run(ask())


def first_cells(page: Path, heading: str) -> set[str]:
    """The code in the first cells of the table below a heading."""
    below = page.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", below, re.MULTILINE))


def resolved(word: str) -> str:
    """A word of a snippet as the client has it: variables filled in, the placeholder replaced."""
    known: Mapping[str, str] = {"workspaceFolder": str(ROOT)}
    word = _VARIABLE.sub(lambda found: known.get(found["name"], found["default"]), word)
    word = word.replace(PLACEHOLDER, str(ROOT))
    # In a clone that was set up these are one file; elsewhere the tests run in an environment of their own.
    return str(BLUMEOPS) if Path(ROOT, word) == ROOT / ".venv/bin/blumeops" else word


def test_the_page_has_a_snippet_for_each_client_and_no_other() -> None:
    assert tuple(snippet.client for snippet in snippets()) == CLIENTS
    assert re.findall(r"^```(?:json|toml)$", CONNECT.read_text(), re.M) == [
        f"```{one.kind}" for one in snippets()
    ]


@pytest.mark.parametrize("snippet", snippets(), ids=lambda one: one.client.lower().replace(" ", "-"))
def test_a_snippet_starts_the_server_from_wherever_its_client_stands(snippet: Snippet) -> None:
    assert snippet.server.get("env", {}) == {}
    assert offered(snippet.words(), snippet.folder()).tools == first_cells(SERVER, "Tools")


def test_no_snippet_asks_for_more_than_to_look() -> None:
    """The server that may propose is chosen by a person, not by pasting a page."""
    assert {snippet.words()[1:] for snippet in snippets()} <= {
        ("mcp", "--root", str(ROOT)),
        ("mcp", "--root", "."),
    }


def test_the_page_of_the_server_has_all_of_its_tools_prompts_and_addresses_and_no_other() -> None:
    has = offered(LOOKS, Path("/"))
    assert first_cells(SERVER, "Tools") == has.tools
    assert first_cells(SERVER, "Resources and prompts") == has.resources
    said = re.search(r"^The prompts are ([^:]+):", SERVER.read_text(), re.MULTILINE)
    assert said and set(re.findall(r"`(\w+)`", said[1])) == has.prompts


def test_the_page_of_proposals_has_all_tools_that_the_second_server_adds() -> None:
    more = offered((*LOOKS, "--propose"), Path("/")).tools - offered(LOOKS, Path("/")).tools
    assert first_cells(PROPOSE, "Turn it on") == more


def test_the_transcript_is_what_the_server_answers() -> None:
    now = transcript.rendered(transcript.CALLS, asyncio.run(transcript.answers(transcript.CALLS)))
    page = transcript.PAGE.read_text()
    assert transcript.written(page) == now, (
        "python -m tests.transcript --write puts the new answers on the page"
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "- `run it` (changes): passed 2026-11-23, stale: a.py changed since; parameters: x",
            "…; parameters: x",
        ),
        ("## Read\n**Doubtful:** reviewed 2026-01-02; since then b.yaml changed\n````text a.md:1", "a.md:1"),
        ("Left out for want of room: 48 sections that were found.", "room: …"),
    ],
)
def test_what_an_answer_says_of_the_day_is_not_in_the_transcript(said: str, shown: str) -> None:
    steady = transcript.steady(said)
    assert steady.endswith(shown)
    assert not re.search(r"\d{4}-|changed since|48", steady)


def test_what_an_answer_says_of_the_homelab_is_in_the_transcript_to_the_letter() -> None:
    said = "````text homelab/pulumi/policy.hujson\ngroup:family → sifaka 22/tcp: not allowed\n````"
    call = transcript.Call("May they?", "policy_explain", {"src": "group:family"})
    assert transcript.steady(said) == said
    assert said in transcript.rendered([call], [said])
    assert transcript.rendered([call], [said.replace("not ", "")]) != transcript.rendered([call], [said])


def test_of_a_pack_the_first_entry_under_each_heading_is_shown_and_of_a_section_its_place() -> None:
    fence = "````text a.md:1-3\n## Not ours\n- nor this\n````"
    pack = f"# Context\nread so\n## Guard rails\n- one\n- two\n## Read\n{fence}\n{fence}\n## Desired state\nx"
    shown = "````text a.md:…\n…\n````"
    assert transcript.firsts(pack) == f"# Context\nread so\n## Guard rails\n- one\n## Read\n{shown}"

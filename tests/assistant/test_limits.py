"""D9: what comes in is what was agreed, or is refused in words; what goes out is bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops.assistant.server import create_server
from blumeops.context import tokens
from tests.assistant.asked import Call, ask, said, split, strings
from tests.assistant.conftest import commit, made

CLIMBING = [
    "../../etc/passwd",
    "docs/../../etc/passwd",
    "docs/..",
    "..\\..\\etc\\passwd",
    "/etc/passwd",
    "//etc/passwd",
    "\\\\host\\share",
    "C:\\Windows",
    "~/.ssh/id_ed25519",
    "%2e%2e/%2e%2e/etc/passwd",
    "docs/%2E%2E/x.md",
    "docs%2f..%2fx",
    "docs/index.md\0.png",
    "--output=x",
    "docs/-rf",
    ".git/config",
    ".sandbox/secrets/passphrase",
    "docs/.hidden.md",
    "docs/index.md\nother",
    "\x1b[2Jdocs/index.md",
    "",
    " ",
    "a" * 1_000_000,
]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A homelab beside a secret, with links out of it and files that are not for reading."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "secret.md").write_text("the treasure\n")
    root = made(folder / "repo")
    (root / "docs" / "link.md").symlink_to(folder / "secret.md")
    (root / "docs" / "folder").symlink_to(folder)
    (root / "runbooks" / "link.md").symlink_to(folder / "secret.md")
    (root / "homelab" / "ansible" / "vault.yaml").write_text("the treasure\n")
    (root / ".sandbox" / "secrets").mkdir(parents=True)
    (root / ".sandbox" / "secrets" / "key.md").write_text("the treasure\n")
    (root / "docs" / "long.md").write_text(
        "# Long\n\n" + "".join(f"Line {n} of many.\n" for n in range(5000))
    )
    (root / "docs" / "wide.md").write_text("# Wide\n\n" + "word " * 50_000 + "\n")
    commit(root)
    return root


@pytest.mark.parametrize("tool", ["page", "section"])
def test_d9_a_path_that_climbs_is_refused(places: Path, tool: str) -> None:
    more = {"heading": "x"} if tool == "section" else {}
    for answer in ask(create_server(places), *[(tool, {"path": path, **more}) for path in CLIMBING]):
        assert answer.is_error, said(answer)
        assert "root:" not in said(answer)
        assert len(said(answer)) < 1000
        assert said(answer).isprintable() or set(said(answer)) - {"\n"}


def test_d9_a_link_that_leads_out_is_not_followed(places: Path) -> None:
    calls: list[Call] = [
        ("page", {"path": "docs/link.md"}),
        ("page", {"path": "link"}),
        ("page", {"path": "docs/folder/secret.md"}),
        ("page", {"path": "runbooks/link.md"}),
        ("runbook", {"name": "link"}),
        ("page", {"path": "homelab/ansible/vault.yaml"}),
        ("page", {"path": "key"}),
        ("search", {"question": "the treasure"}),
        ("context", {"question": "where is the treasure?"}),
    ]
    for call, answer in zip(calls, ask(create_server(places), *calls), strict=True):
        told = "\n".join(text for text in strings(answer))
        assert "the treasure\n" not in told, call
        assert answer.is_error or call[0] in ("search", "context"), call


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search", {"question": "x", "limit": 10**9}),
        ("search", {"question": "x", "limit": -1}),
        ("search", {"question": "x", "limit": 0}),
        ("search", {"question": "x", "limit": "5"}),
        ("search", {"question": "x", "limit": 5.5}),
        ("search", {"question": "x", "limit": float("nan")}),
        ("search", {"question": "x", "limit": float("inf")}),
        ("search", {"question": "x", "limit": True}),
        ("search", {"question": "x", "limit": None}),
        ("search", {"question": "x" * 1_000_000}),
        ("search", {"question": ""}),
        ("search", {"question": ["x"]}),
        ("search", {"question": {"a": "b"}}),
        ("search", {"question": "x\0y"}),
        ("search", {"question": "x", "only": "y"}),
        ("search", {"question": "x", "--root": "/"}),
        ("search", {}),
        ("context", {"question": "x", "tokens": 10**7}),
        ("context", {"question": "x", "tokens": 1}),
        ("context", {"question": "!!!"}),
        ("context", {"question": "x", "focus": "../../etc"}),
        ("page", {"path": "docs/index.md", "line": 0}),
        ("page", {"path": "docs/index.md", "line": 10**12}),
        ("page", {"path": "docs/index.md", "line": 9999}),
        ("services", {"name": "--help"}),
        ("services", {"name": "a/b"}),
        ("runbook", {"name": "../index"}),
        ("runbook", {"name": "-x"}),
        ("policy_explain", {"src": "--from"}),
        ("policy_explain", {"src": "two words"}),
        ("policy_explain", {"port": 65536}),
        ("policy_explain", {"port": 0}),
        ("policy_explain", {"proto": "tcp; rm -rf /"}),
        ("journal", {"number": 10**6}),
        ("journal", {"verb": "drop"}),
        ("plan", {"layers": ["everything"]}),
        ("plan", {"layers": ["hosts"] * 50}),
        ("plan", {"layers": "hosts"}),
        ("plan", {"target": "production"}),
        ("status", {"layers": ["--yes"]}),
        ("drift", {"layers": [{"$ref": "#"}]}),
        ("apply", {}),
        ("rollback", {"revision": "HEAD"}),
    ],
)
def test_d9_what_was_not_agreed_is_refused_in_words(shared: Path, tool: str, arguments: dict) -> None:
    [answer] = ask(create_server(shared), (tool, arguments))
    assert answer.is_error
    assert len(said(answer)) < 2000
    assert "Traceback" not in said(answer)
    assert "failed (" not in said(answer), "it was refused, and did not break"


def test_d9_json_as_deep_as_a_well_is_refused(shared: Path) -> None:
    deep: object = "x"
    for _ in range(60):
        deep = [deep]
    [answer] = ask(create_server(shared), ("search", {"question": deep}))
    assert answer.is_error


def test_d9_a_refusal_names_the_argument_and_what_it_may_be(shared: Path) -> None:
    [answer] = ask(create_server(shared), ("search", {"question": "x", "limit": 99, "depth": 3}))
    assert "limit" in said(answer)
    assert "20" in said(answer)
    assert "depth" in said(answer)


def test_d9_every_schema_refuses_what_it_does_not_name(shared: Path) -> None:
    import anyio
    from mcp import Client

    async def tools() -> list:
        async with Client(create_server(shared)) as client:
            return (await client.list_tools()).tools

    for tool in anyio.run(tools):
        assert tool.input_schema["additionalProperties"] is False, tool.name
        for name, field in tool.input_schema["properties"].items():
            kinds = [field, *field.get("anyOf", ())]
            text = [kind for kind in kinds if kind.get("type") == "string"]
            assert all("maxLength" in kind or "enum" in kind for kind in text), (tool.name, name)
            numbers = [kind for kind in kinds if kind.get("type") == "integer"]
            assert all("maximum" in kind and "minimum" in kind for kind in numbers), (tool.name, name)


def test_a_long_page_comes_in_pieces_that_leave_nothing_out(places: Path) -> None:
    server = create_server(places)
    line, read = 1, []
    while line:
        [answer] = ask(server, ("page", {"path": "docs/long.md", "line": line, "tokens": 12_000}))
        assert answer.structured_content is not None
        assert tokens.count(answer.structured_content["text"]) <= 12_100
        [fence] = split(answer.structured_content["text"])[0]
        read += fence.text.rstrip("\n").split("\n")
        line = answer.structured_content["next_line"]
    assert read == (places / "docs" / "long.md").read_text().rstrip("\n").split("\n")


@pytest.mark.parametrize("budget", [200, 1000, 12_000])
def test_an_answer_is_no_larger_than_it_was_asked_for(places: Path, budget: int) -> None:
    calls: list[Call] = [
        ("page", {"path": "docs/long.md"}),
        ("page", {"path": "docs/wide.md"}),
        ("section", {"path": "docs/long.md", "heading": "Long"}),
        ("services", {}),
        ("services", {"name": "grafana"}),
        ("runbook", {}),
    ]
    answers = ask(create_server(places), *[(name, {**given, "tokens": budget}) for name, given in calls])
    for call, answer in zip(calls, answers, strict=True):
        assert tokens.count(said(answer)) <= budget + 100, call

"""Parameters have types, help and limits; what is wrong is told at once, and a secret is never one (R4)."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blumeops.errors import BadInput, BlumeOpsError
from blumeops.runbooks import format
from blumeops.runbooks.model import Parameter, Runbook
from blumeops.runbooks.parameters import declared, parse, secret_like
from blumeops.runbooks.references import SecretRef, reveal

DECLARED = """\
from blumeops import SecretRef

target: str = "sandbox"  # where to do it
host: str = "indri"  # host to restart [indri|sifaka]
name: str = "caddy"  # unit, without [its] ending [/^[a-z-]+$/]
seconds: int = 30  # how long to wait [1..600]
share: float = 1  # of all [..1.5]
sure: bool = False
doors: list = ["indri:80"]  # HOST:PORT [1..3]
ports: list = [22, 80]
plain = "no type"
api_key: SecretRef = "env:API_KEY"  # who asks
"""


@pytest.fixture
def book() -> Runbook:
    """A runbook with a parameter of every kind."""
    text = f"# Page\n\n```{{code-cell}}\n:tags: [parameters]\n\n{DECLARED}```\n"
    return format.reads(text, Path("runbooks/page.md"))


def refused(book: Runbook, *words: str) -> str:
    """What is said of values that may not be."""
    with pytest.raises(BadInput) as caught:
        parse(book, words)
    return str(caught.value)


def test_a_declaration_says_type_default_help_and_limits(book: Runbook) -> None:
    """All of it stands on one line of the page."""
    made = book.parameters
    assert made["host"] == Parameter("host", "str", "indri", "host to restart", choices=("indri", "sifaka"))
    assert made["name"] == Parameter(
        "name", "str", "caddy", "unit, without [its] ending", pattern="^[a-z-]+$"
    )
    assert made["seconds"] == Parameter("seconds", "int", 30, "how long to wait", low=1, high=600)
    assert made["share"] == Parameter("share", "float", 1.0, "of all", high=1.5)
    assert made["doors"] == Parameter("doors", "list", ["indri:80"], "HOST:PORT", low=1, high=3)
    assert made["plain"] == Parameter("plain", "str", "no type")
    assert made["api_key"] == Parameter("api_key", "SecretRef", "env:API_KEY", "who asks")


def test_a_word_becomes_a_value_of_the_parameters_type(book: Runbook) -> None:
    """What was not given is not there: it has its default."""
    given = ["seconds=5", "share=0.5", "sure=yes", "doors=a:1, b:2", "ports=[1, 2]", "plain=a=b", "name=x"]
    assert parse(book, [*given, "api_key=op://vault/item/field"]) == {
        "seconds": 5,
        "share": 0.5,
        "sure": True,
        "doors": ["a:1", "b:2"],
        "ports": [1, 2],
        "plain": "a=b",
        "name": "x",
        "api_key": "op://vault/item/field",
    }


@pytest.mark.parametrize(
    ("word", "says"),
    [("hots=indri", "did you mean host?"), ("host=indr", "did you mean indri?"), ("name=A", "it matches"),
     ("seconds=0", "not within 1..600"), ("seconds=601", "not within 1..600"),
     ("seconds=x", "not of type int"),
     ("seconds=1.5", "not of type int"), ("share=2", "not within ..1.5"), ("share=nan", "not within"),
     ("sure=perhaps", "not of type bool"), ("doors=", "not within 1..3"),
     ("doors=a,b,c,d", "not within 1..3"),
     ("ports=a", "not of type list"), ("ports=['a']", "not of type list"), ("=x", "NAME=VALUE"),
     ("host", "NAME=VALUE")],
)  # fmt: skip
def test_a_value_that_may_not_be_is_refused_with_the_reason(book: Runbook, word: str, says: str) -> None:
    """Before any cell has run."""
    assert says in refused(book, word)


def test_every_wrong_value_is_told_at_once(book: Runbook) -> None:
    """And each with its name."""
    said = refused(book, "hots=indri", "seconds=0", "sure=perhaps", "plain=right")
    assert said.count("--param") == 3 and "plain" not in said.replace("has no parameter", "")


def test_a_file_of_parameters_counts_and_a_word_wins_over_it(book: Runbook, tmp_path: Path) -> None:
    """TOML, YAML and JSON say the same; a wrong value there is told as well."""
    for ending, text in (
        ("toml", 'seconds = 7\nhost = "sifaka"\n'),
        ("yaml", "seconds: 7\nhost: sifaka\n"),
        ("json", '{"seconds": 7, "host": "sifaka"}'),
    ):
        file = tmp_path / f"some.{ending}"
        file.write_text(text)
        assert parse(book, ["host=indri"], file=file) == {"seconds": 7, "host": "indri"}
    file.write_text('{"seconds": "soon", "hots": 1}')
    with pytest.raises(BadInput) as caught:
        parse(book, [], file=file)
    assert len(caught.value.problems) == 2
    file.write_text("{")
    with pytest.raises(BlumeOpsError, match="cannot be read"):
        parse(book, [], file=file)


@pytest.mark.parametrize("name", ["token", "api_token", "PASSWORD", "ssh_keys", "clientSecret", "passphrase"])
def test_r4_a_parameter_that_is_named_like_a_secret_is_refused(name: str) -> None:
    """With the line, and with what to write in its place."""
    assert secret_like(name)
    with pytest.raises(BadInput) as caught:
        declared(f'x: int = 1\n{name}: str = "abc"\n', "page.md", 10)
    assert caught.value.problems[0].line == 11 and "SecretRef" in caught.value.problems[0].hint


def test_r4_a_name_that_only_sounds_like_a_secret_is_none() -> None:
    """`keyboard` and the name of a key are words like others, and a number is no secret."""
    assert not secret_like("keyboard") and not secret_like("key_name") and not secret_like("monkey")
    assert declared('key_name: str = "a"\nmax_tokens: int = 5\n', "page.md", 1)


def test_r4_a_secret_that_is_given_as_a_value_is_refused_and_not_repeated(book: Runbook) -> None:
    """Whichever way it comes in: its own parameter, another one, a wrong name, no name at all."""
    secret = secrets.token_urlsafe(24)
    for word in (f"api_key={secret}", f"api_kye={secret}", secret, f"seconds={secret}", f"sure={secret}"):
        assert secret not in refused(book, word)
    shaped = "-".join(["tskey", "auth", "kQ7wE9rTz2CNTRL", secrets.token_hex(16)])
    said = refused(book, f"plain={shaped}")
    assert "looks like a secret" in said and shaped not in said


def test_r4_run_refuses_what_check_refuses(tmp_path: Path) -> None:
    """A page with a secret for a parameter cannot even be read."""
    page = tmp_path / "page.md"
    page.write_text('# x\n\n```{code-cell}\n:tags: [parameters]\n\npassword: str = ""\n```\n')
    with pytest.raises(BadInput, match="looks like a secret"):
        format.read(page)


def test_a_reference_is_revealed_where_it_is_needed(tmp_path: Path) -> None:
    """From a variable and a file; what comes back says nothing of itself."""
    secret = secrets.token_urlsafe(24)
    os.environ["BLUMEOPS_TEST_REVEALED"] = secret
    file = tmp_path / "it"
    file.write_text(secret + "\n")
    try:
        for reference in ("env:BLUMEOPS_TEST_REVEALED", SecretRef(f"file:{file}")):
            found = reveal(reference)
            assert found.reveal() == secret
            assert secret not in f"{found} {found!r}"
    finally:
        del os.environ["BLUMEOPS_TEST_REVEALED"]


def test_what_was_revealed_is_masked_from_then_on(tmp_path: Path) -> None:
    """Everywhere in that process, in every spelling that the masker knows."""
    from blumeops.redact import Masker

    secret = secrets.token_urlsafe(24)
    file = tmp_path / "it"
    file.write_text(secret)
    said = f"it is {secret}, and {secret.encode().hex()}"
    assert Masker()(said) == said
    reveal(f"file:{file}")
    assert secret not in Masker()(said) and secret.encode().hex() not in Masker()(said)


@pytest.mark.parametrize(
    "reference", ["env:BLUMEOPS_NOT_SET", "file:/nowhere/at/all", "hunter2", "op://x", ""]
)
def test_a_reference_to_nothing_says_what_is_missing_and_no_value(reference: str) -> None:
    """Something that is no reference may be a secret, so it is not said again."""
    with pytest.raises(BlumeOpsError) as caught:
        reveal(reference)
    assert "hunter2" not in str(caught.value)


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Install a program `op` and return the environment that finds it."""

    def install(body: str) -> dict[str, str]:
        path = tmp_path / "op"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    return install


def asked(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A process that reveals an item of 1Password and prints how long it is."""
    code = (
        "from blumeops import reveal\nfrom blumeops.errors import BlumeOpsError\n"
        "try:\n    print(len(reveal('op://vault/item/field').reveal()))\n"
        "except BlumeOpsError as error:\n    print(error)"
    )
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


def test_an_item_of_1password_is_read_by_its_own_program(program: Callable[[str], dict[str, str]]) -> None:
    """With exactly the words that it documents; what it refuses is said, what it printed is not."""
    words = 'test "$*" = "read --no-newline op://vault/item/field" || exit 9'
    assert asked(program(f"{words}\nprintf 12345678")).stdout.strip() == "8"
    said = asked(program("printf half-a-secret; echo '[ERROR] you are not signed in' >&2; exit 1")).stdout
    assert "you are not signed in" in said and "op whoami" in said and "half-a-secret" not in said


def test_without_1passwords_program_the_error_says_so(tmp_path: Path) -> None:
    """And what to install."""
    said = asked({**os.environ, "PATH": str(tmp_path)}).stdout
    assert "`op` is missing" in said and "op signin" in said

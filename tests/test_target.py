"""Targets: the sandbox unless another is named, wrong files with their place, secrets never shown."""

from __future__ import annotations

import copy
import json
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from blumeops import target as targets
from blumeops.errors import BadInput, BlumeOpsError
from blumeops.target import Publish, Secret, Target

HOME = """
[home]
identity = "example.org"
[home.git]
url = "ssh://git@git.example.org/homelab.git"
[home.tailnet]
base_url = "https://api.example.org"
api_key_file = "key"
passphrase_env = "TEST_PASSPHRASE"
backend = "file:///srv/state"
[home.hosts]
ssh_config = "ssh_config.home"
[home.cluster]
kubeconfig = "kubeconfig"
context = "home"
"""

Load = Callable[[str], Target]


@pytest.fixture
def word(monkeypatch: pytest.MonkeyPatch) -> str:
    made = secrets.token_urlsafe(24)
    monkeypatch.setenv("TEST_PASSPHRASE", made)
    return made


@pytest.fixture
def load(tmp_path: Path, word: str) -> Load:
    """Load the target `home` from a text of `homelab/targets.toml`."""
    (tmp_path / "homelab").mkdir()
    (tmp_path / "homelab" / "key").write_text(word + "\n")

    def from_text(text: str) -> Target:
        (tmp_path / "homelab" / "targets.toml").write_text(text)
        return targets.load(tmp_path, "home")

    return from_text


def test_a_target_says_where_every_layer_points(load: Load, tmp_path: Path, word: str) -> None:
    home = load(HOME)
    assert not home.is_sandbox and home.identity == "example.org"
    assert home.tailnet and home.tailnet.api_key.reveal() == home.tailnet.passphrase.reveal() == word
    assert home.hosts and home.hosts.ssh_config == tmp_path / "homelab" / "ssh_config.home"
    assert home.cluster and home.cluster.kubeconfig == tmp_path / "homelab" / "kubeconfig"
    assert home.git.publish is Publish.REFUSE, "a real remote is not pushed to"


def test_a_secret_is_in_no_text_of_a_target(load: Load, word: str) -> None:
    home = load(HOME)
    place = home.tailnet
    assert place
    shown = [
        repr(home),
        str(home),
        f"{home}",
        repr(asdict(home)),
        repr(copy.deepcopy(home)),
        repr(vars(Secret)),
    ]
    shown += [f"{place.api_key}", f"{place.api_key!r}", "%s" % place.api_key, repr([place.passphrase])]  # noqa: UP031
    shown.append(json.dumps(asdict(home), default=str))
    assert all(word not in text for text in shown)
    assert "[secret]" in repr(home)


def test_the_sandbox_is_the_default_and_a_real_target_must_be_named(load: Load, tmp_path: Path) -> None:
    load(HOME)
    with pytest.raises(BlumeOpsError, match="the sandbox is not up") as caught:
        targets.load(tmp_path)
    assert "blumeops sandbox up" in caught.value.hint
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".sandbox/target.toml").write_text('identity = "box"\n[git]\nurl = "x"\npublish = "mirror"\n')
    assert targets.load(tmp_path).is_sandbox
    assert targets.load(tmp_path, "home").name == "home"


def test_an_unknown_target_lists_the_known_ones(load: Load, tmp_path: Path) -> None:
    load(HOME)
    with pytest.raises(BlumeOpsError, match="no target 'hme'") as caught:
        targets.load(tmp_path, "hme")
    assert caught.value.hint == "known targets: sandbox, home"


def test_without_a_file_only_the_sandbox_is_known(tmp_path: Path) -> None:
    with pytest.raises(BlumeOpsError) as caught:
        targets.load(tmp_path, "home")
    assert caught.value.hint == "known targets: sandbox"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('context = "home"', 'context = "home', "at line 15"),
        ('context = "home"\n', "", "lacks the key 'context'"),
        ('url = "ssh', 'uri = "ssh', "unknown key 'uri'"),
        ('identity = "example.org"\n', "", "lacks the key 'identity'"),
        ("[home.git]", '[home.git]\npublsh = "mirror"', "unknown key 'publsh'"),
        ("[home.git]", '[home.git]\npublish = "sometimes"', "'sometimes' is not a valid Publish"),
        ("[home.git]", '[home.git]\npublish = "mirror"', "for the sandbox only"),
        ("[home.hosts]\nssh_config", "[home.other]\nssh_config", "unknown key 'other'"),
        ('[home.hosts]\nssh_config = "ssh_config.home"', "", "is not a table"),
        ('context = "home"', 'context = "home"\n[home.vantage]\nindri = 5', "target 'home'"),
        ('ssh_config = "ssh_config.home"', "ssh_config = 5", "target 'home'"),
        ('api_key_file = "key"\n', "", "lacks the key 'api_key_env'"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(
    load: Load, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in HOME
    text = HOME.replace(old, new)
    if complaint == "is not a table":
        text = text.replace('identity = "example.org"', 'identity = "example.org"\nhosts = "indri"')
    with pytest.raises(BadInput) as caught:
        load(text)
    assert complaint in str(caught.value)
    assert caught.value.where.startswith(str(tmp_path / "homelab" / "targets.toml"))


def test_a_misspelt_key_gets_its_likely_name_and_all_are_said_at_once(load: Load) -> None:
    with pytest.raises(BadInput) as caught:
        load(HOME.replace("\nurl =", "\nurll =").replace("context =", "contxt ="))
    assert len(caught.value.problems) == 2
    assert "did you mean 'url'?" in str(caught.value) and "did you mean 'context'?" in str(caught.value)


def test_a_target_that_is_no_table_or_no_text_is_bad_input(load: Load, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a table"):
        load('home = "indri"\n')
    (tmp_path / "homelab/targets.toml").write_bytes(b'[home]\nidentity = "\xff"\n')
    with pytest.raises(BadInput):
        targets.load(tmp_path, "home")


def test_a_secret_that_is_not_there_is_named_without_guessing(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "homelab/key").unlink()
    with pytest.raises(BlumeOpsError, match="file of api_key is not there") as caught:
        load(HOME)
    assert caught.value.where == str(tmp_path / "homelab/key")
    (tmp_path / "homelab/key").write_text("x")
    monkeypatch.delenv("TEST_PASSPHRASE")
    with pytest.raises(BlumeOpsError, match="passphrase is not set") as caught:
        load(HOME)
    assert "TEST_PASSPHRASE" in caught.value.hint


def test_an_engine_gets_our_environment_with_the_targets_on_top(load: Load) -> None:
    home = load(HOME.replace('identity = "example.org"', 'identity = "x"\nenv = {PATH = "/box/bin"}'))
    assert home.environment() == {**os.environ, "PATH": "/box/bin"}


def test_the_example_in_the_repository_is_a_target(load: Load) -> None:
    """`homelab/targets.toml` holds one as comments; without their marks it is read without a complaint."""
    text = (Path(__file__).resolve().parents[1] / "homelab/targets.toml").read_text()
    lines = re.findall(r"^# (\[.*\]|\w+ = .*)$", text, re.MULTILINE)
    example = re.sub(r'_env = ".*"', '_env = "TEST_PASSPHRASE"', "\n".join(lines))
    home = load(example)
    assert home.tailnet and home.hosts and home.cluster

"""Plan tokens: what a person read is what is applied, or nothing is.

On the small real layers of `test_homelab`, whose live system is a file.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from blumeops import plan_token
from blumeops.errors import BlumeOpsError, StalePlan
from blumeops.homelab import FOLDERS, LAYERS, Homelab
from blumeops.plan_token import KEY_FILE
from blumeops.repository import Repository
from blumeops.target import GitRemote, Target
from tests.conftest import run_blumeops, run_here
from tests.test_homelab import FileLayer, commit


@pytest.fixture
def homelab(tmp_path: Path) -> Homelab:
    """A homelab with three file layers; nothing was applied yet."""
    target = Target("sandbox", "files", tmp_path / "state", GitRemote("file:///nowhere"))
    target.state.mkdir()
    factories = {name: (lambda target, _desired, name=name: FileLayer(name, target.state)) for name in LAYERS}
    (tmp_path / "repo").mkdir()
    made = Homelab(Repository(tmp_path / "repo"), target, factories)
    made.repository.git("init", "--quiet", "--initial-branch=main")
    commit(made, tailnet="a", hosts="b c", cluster="d")
    return made


def token_of(homelab: Homelab, *layers: str, valid: timedelta = plan_token.VALID) -> str:
    return str(plan_token.of(homelab, homelab.plan(layers), valid=valid))


def require(homelab: Homelab, text: str) -> None:
    token = plan_token.read(text, homelab.target.name)
    plan_token.require(homelab, token, homelab.plan(token.layers))


def test_a_token_stands_for_its_plan_as_long_as_nothing_moves(homelab: Homelab) -> None:
    text = token_of(homelab)
    require(homelab, text)
    assert text.startswith("sandbox:tailnet+hosts+cluster:")


def test_a_merge_keeps_the_token_and_another_file_does_not(homelab: Homelab) -> None:
    git = homelab.repository.git
    git("switch", "--quiet", "--create", "proposal/x")
    commit(homelab, hosts="b c e")
    text = token_of(homelab, "hosts")
    git("switch", "--quiet", "main")
    with pytest.raises(StalePlan):
        require(homelab, text)
    git("merge", "--quiet", "--no-ff", "-m", "Merge", "proposal/x")
    require(homelab, text)
    commit(homelab, tailnet="another layer")
    require(homelab, text)
    commit(homelab, hosts="b c e f")
    with pytest.raises(StalePlan, match="not the one"):
        require(homelab, text)


def test_a_live_system_that_moved_makes_the_token_stale(homelab: Homelab) -> None:
    text = token_of(homelab, "hosts")
    (homelab.target.state / "hosts").write_text("by hand\n")
    with pytest.raises(StalePlan, match="not the one"):
        require(homelab, text)


def test_d10_an_expired_token_is_refused_and_its_time_is_part_of_it(homelab: Homelab) -> None:
    text = token_of(homelab, valid=timedelta(seconds=-1))
    with pytest.raises(StalePlan, match="expired"):
        require(homelab, text)
    target, layers, _, digest = text.split(":")
    with pytest.raises(StalePlan, match="not the one"):
        require(homelab, ":".join((target, layers, "20991231T000000Z", digest)))


def test_d10_a_token_of_another_target_or_machine_is_refused(homelab: Homelab, tmp_path: Path) -> None:
    text = token_of(homelab)
    home = replace(homelab, target=replace(homelab.target, name="home"))
    with pytest.raises(BlumeOpsError, match="for sandbox, not for home"):
        require(home, text)
    with pytest.raises(StalePlan, match="not the one"):
        require(home, "home" + text.removeprefix("sandbox"))
    elsewhere = replace(homelab, target=replace(homelab.target, identity="another tailnet"))
    with pytest.raises(StalePlan, match="not the one"):
        require(elsewhere, text)
    (homelab.target.state / KEY_FILE).unlink()
    with pytest.raises(StalePlan, match="not the one"):
        require(homelab, text)


@pytest.mark.parametrize(
    "text",
    ["", "yes", "sandbox:hosts", "sandbox:ghosts:20991231T000000Z:" + "0" * 40,
     "sandbox:hosts+hosts:20991231T000000Z:" + "0" * 40, "sandbox:hosts:20991331T000000Z:" + "0" * 40],
)  # fmt: skip
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(BlumeOpsError, match="no plan token"):
        plan_token.read(text, "sandbox")


def test_fewer_layers_than_were_read_are_another_plan(homelab: Homelab) -> None:
    token = plan_token.read(token_of(homelab), "sandbox")
    with pytest.raises(StalePlan, match="the token is for tailnet, hosts, cluster"):
        plan_token.require(homelab, token, homelab.plan(["hosts"]))


def test_an_unknown_layer_or_a_dirty_tree_has_no_token(homelab: Homelab) -> None:
    (homelab.root / "homelab" / FOLDERS["hosts"] / "lines").write_text("dirty\n")
    assert plan_token.of(homelab, homelab.plan()) is None
    commit(homelab, hosts="b")
    text = token_of(homelab)
    (homelab.target.state / "hosts.offline").touch()
    assert plan_token.of(homelab, homelab.plan()) is None
    with pytest.raises(StalePlan, match="hosts: unknown"):
        require(homelab, text)


def test_the_key_is_its_owners_alone_and_two_who_make_it_at_once_get_the_same(homelab: Homelab) -> None:
    plans, found = homelab.plan(), list[plan_token.Token | None]()
    threads = [threading.Thread(target=lambda: found.append(plan_token.of(homelab, plans))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 8
    for token in found:
        assert token is not None
        plan_token.require(homelab, token, plans)
    key = homelab.target.state / KEY_FILE
    assert key.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in key.parent.iterdir()] == [KEY_FILE]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a sandbox that has no layer, so every plan is unknown."""
    (tmp_path / "homelab").mkdir()
    (tmp_path / "homelab" / "note").write_text("x\n")
    (tmp_path / ".gitignore").write_text(".sandbox\n")
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".sandbox/target.toml").write_text(
        'identity = "nothing"\nstate = "state"\ngit = {url = "file:///x"}\n'
    )
    git = Repository(tmp_path).git
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "-m", "first")
    return tmp_path


def test_d10_apply_refuses_an_expired_a_foreign_and_a_made_up_token(checkout: Path) -> None:
    zeros = "0" * 40
    expired = run_blumeops(
        "apply", "--yes", "--plan", f"sandbox:hosts:20200101T000000Z:{zeros}", cwd=checkout
    )
    assert expired.code == 3 and "expired" in expired.err
    foreign = run_here("apply", "--yes", "--plan", f"home:hosts:20991231T000000Z:{zeros}", cwd=checkout)
    assert foreign.code == 2 and "the token is for home, not for sandbox" in foreign.err
    made_up = run_here("apply", "--yes", "--plan", f"sandbox:hosts:20991231T000000Z:{zeros}", cwd=checkout)
    assert made_up.code == 3 and "no plan to compare with" in made_up.err
    assert not (checkout / ".sandbox/state/journal").exists()


def test_a_plan_of_what_does_not_answer_has_no_token(checkout: Path) -> None:
    done = run_here("plan", "--token", cwd=checkout)
    assert done.code == 4 and "no token" in done.out

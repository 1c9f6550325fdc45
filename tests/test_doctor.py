"""What the doctor says about this machine is true, and every missing thing comes with its fix."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from blumeops import doctor, process
from blumeops.doctor import Kind, Prerequisite, State
from blumeops.errors import BlumeOpsError
from blumeops.sandbox import engines, images

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def found() -> dict[str, Prerequisite]:
    return {one.name: one for one in doctor.examine(ROOT)}


def test_a_look_takes_less_than_a_second_of_work() -> None:
    before = time.process_time()
    doctor.examine(ROOT)
    assert time.process_time() - before < 1


def test_everything_that_is_not_there_comes_with_a_fix(found: dict[str, Prerequisite]) -> None:
    assert all(one.fix for one in found.values() if one.state is not State.OK)


def test_everything_that_is_there_has_a_version_and_a_source(found: dict[str, Prerequisite]) -> None:
    there = [one for one in found.values() if one.state is State.OK and one.kind is not Kind.PACKAGE]
    assert there
    assert all(one.version and one.source for one in there)


def test_every_engine_has_a_line(found: dict[str, Prerequisite]) -> None:
    listed = [one.name for one in found.values() if one.kind is Kind.ENGINE]
    assert listed == [engine.name for engine in engines.ENGINES]
    missing = {one.name for one in found.values() if one.kind is Kind.ENGINE and one.state is State.MISSING}
    assert missing == {engine.name for engine in engines.missing()}


def test_a_package_is_there_exactly_when_its_program_is(found: dict[str, Prerequisite]) -> None:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    for package in doctor.PACKAGES:
        there = shutil.which(package.program, path=path) is not None
        assert (found[package.name].state is State.OK) is there, package


def test_the_version_of_a_package_is_debians(found: dict[str, Prerequisite]) -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("this is not Debian")
    for package in doctor.PACKAGES:
        asked = process.run(["dpkg-query", "--show", "--showformat=${Version}", package.name])
        if asked.ok and found[package.name].state is State.OK:
            assert found[package.name].version == asked.stdout


def test_what_the_image_needs_is_among_the_packages() -> None:
    assert set(images.prerequisites()) <= {package.name for package in doctor.PACKAGES} | {"util-linux"}


def test_without_any_program_on_path_everything_is_missing_and_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BLUMEOPS_CACHE", str(tmp_path / "empty"))
    found = {one.name: one for one in doctor.examine(ROOT)}
    assert found["git"].state is State.MISSING
    assert found["redis-server"].fix == "as root: apt-get install redis-server (for Argo CD)"
    assert found["chromium"].state is State.OPTIONAL
    assert all(found[engine.name].state is State.MISSING for engine in engines.ENGINES)
    assert "redis-server" in doctor.missing_packages()
    assert "chromium" not in doctor.missing_packages()


def test_a_user_who_may_not_install_is_told_the_exact_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get here, as for a user who is not root
    with pytest.raises(BlumeOpsError) as refused:
        doctor.install_packages(["redis-server", "nftables"], print)
    assert refused.value.hint == "as root: apt-get install --yes redis-server nftables"


def test_nothing_to_install_needs_no_root_and_says_nothing() -> None:
    said: list[str] = []
    doctor.install_packages([], said.append)
    assert said == []

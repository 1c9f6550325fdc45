"""The laws of the look at live services that need no homelab: unknown is not fine, wrong weighs most."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops.services import live, map
from blumeops.services.live import Check, Finding, State
from blumeops.services.live_hosts import Timer, ago
from blumeops.target import GitRemote, Hosts, Target
from tests.services.conftest import ROOT


def finding(state: State) -> Finding:
    return Finding("caddy", "route", state, "")


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((State.OK, State.OK), 0),
        ((State.OK, State.SIMULATED), 0),
        ((State.OK, State.UNKNOWN), 4),
        ((State.UNKNOWN, State.FAILING, State.OK), 1),
        ((), 4),
    ],
)
def test_what_is_wrong_weighs_more_than_what_is_unknown_and_both_more_than_fine(
    states: tuple[State, ...], code: int
) -> None:
    assert Check(tuple(finding(state) for state in states)).exit_code == code


def test_a_target_that_shows_nothing_is_unknown_and_never_fine(tmp_path: Path) -> None:
    target = Target("nowhere", "no place", tmp_path, GitRemote("file:///nowhere"))
    shown = map.read(ROOT)
    done = live.check(shown.services, shown, target, notify=lambda _line: None)
    assert {one.state for one in done.findings} == {State.UNKNOWN}
    assert all(one.said for one in done.findings)
    assert {one.service for one in done.findings} == {service.name for service in shown.services}


def test_a_host_that_cannot_be_reached_by_ssh_is_unknown_with_what_ssh_said(tmp_path: Path) -> None:
    config = tmp_path / "ssh_config"
    config.write_text("Host *\n  HostName 127.0.0.1\n  Port 1\n  ConnectTimeout 2\n")
    target = Target("far", "far", tmp_path, GitRemote("file:///nowhere"), hosts=Hosts(config))
    shown = map.read(ROOT)
    done = live.check([shown["node-exporter"]], shown, target, notify=lambda _line: None)
    units = [one for one in done.findings if "prometheus-node-exporter.service" in one.what]
    assert len(units) == 2
    assert all(one.state is State.UNKNOWN and "refused" in one.said for one in units)


DAY = 86_400.0


@pytest.mark.parametrize(
    ("timer", "fine", "said"),
    [
        (Timer(True, 0, 10 * DAY, "success", 9.5 * DAY), True, "not run yet, due 1970-01-11 00:00 UTC"),
        (Timer(True, 9 * DAY, 10 * DAY, "success", 9.5 * DAY), True, "success 12 h ago"),
        (Timer(True, 9 * DAY, 10 * DAY, "exit-code", 9.5 * DAY), False, "exit-code 12 h ago"),
        (Timer(False, 9 * DAY, 0, "success", 9.5 * DAY), False, "not active"),
        (Timer(True, 3 * DAY, 4 * DAY, "success", 9 * DAY), False, "success 6 days ago"),
    ],
    ids=["not due yet", "on time", "failed", "stopped", "late"],
)
def test_a_timer_is_fine_when_it_waits_and_its_last_run_succeeded(
    timer: Timer, fine: bool, said: str
) -> None:
    assert timer.fine == fine
    assert said in str(timer)


@pytest.mark.parametrize(
    ("seconds", "said"), [(20, "0 min"), (3600, "60 min"), (6000, "2 h"), (200_000, "2 days")]
)
def test_a_duration_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert ago(seconds) == said

"""`blumeops services check` against the sandbox: fine after `up`, and it names what stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from blumeops import process
from blumeops.sandbox.sandbox import Sandbox
from blumeops.target import Target, load
from tests.conftest import ROOT, Ran, run_blumeops

pytestmark = [pytest.mark.sandbox, pytest.mark.needs("hosts"), pytest.mark.needs("cluster")]


def check(*words: str) -> tuple[Ran, dict[tuple[str, str], tuple[str, str]]]:
    """Run the check; its findings by service and what was looked at: the state, and what was said."""
    ran = run_blumeops("services", "check", "--json", *words)
    found = json.loads(ran.out)["findings"]
    return ran, {(one["service"], one["what"]): (one["state"], one["said"]) for one in found}


@pytest.fixture
def target(sandbox: Sandbox) -> Target:
    return load(ROOT)


@pytest.fixture
def caddy_stopped(target: Target) -> Iterator[None]:
    """indri without its proxy, which runs again afterwards."""
    on = [*target.vantage["indri"], "systemctl"]
    process.run([*on, "stop", "caddy"], env=target.environment(), timeout=60).check()
    yield
    process.run([*on, "start", "caddy"], env=target.environment(), timeout=60).check()


def test_every_service_is_as_the_map_says_after_up(target: Target) -> None:
    ran, found = check()
    assert ran.code == 0, str(ran)
    assert {state for state, _ in found.values()} == {"ok", "simulated"}
    assert found["caddy", "route docs.homelab.test"][0] == "ok"
    assert found["caddy", "caddy.service on indri"] == ("ok", "active")
    assert found["node-exporter", "port 9100 on sifaka"] == ("ok", "open")
    assert found["borg", "last run of borg@backup on indri"][0] == "ok"
    assert found["miniflux", "Deployment miniflux, image"][0] == "ok"


def test_pods_that_are_only_played_are_said_to_be_and_are_not_called_fine(target: Target) -> None:
    _, found = check("miniflux", "grafana")
    played = {what: said for (_, what), (state, said) in found.items() if state == "simulated"}
    assert any("pods" in what for what in played) and any(what.startswith("route") for what in played)
    assert all("simulated: not probed" in said for said in played.values())
    assert not any("pods" in what and state == "ok" for (_, what), (state, _) in found.items())


def test_a_proxy_that_stopped_is_named_with_every_route_that_it_served(caddy_stopped: None) -> None:
    ran, found = check()
    assert ran.code == 1, str(ran)
    assert found["caddy", "caddy.service on indri"] == ("failing", "inactive")
    assert found["caddy", "port 80 on indri"] == ("failing", "refused")
    assert found["caddy", "route home.homelab.test"] == ("failing", "indri from gilbert: refused")
    assert found["grafana", "route grafana.homelab.test"][0] == "failing"
    assert found["node-exporter", "port 9100 on indri"][0] == "ok"


def test_an_image_that_is_not_the_one_in_git_is_named_with_both(target: Target) -> None:
    place = target.cluster
    assert place is not None
    words = ["kubectl", "--kubeconfig", str(place.kubeconfig), "--context", place.context, "-n", "paperless"]
    git = "docker.io/valkey/valkey:8.1.3-alpine"
    for image in ("docker.io/valkey/valkey:7.0.0", git):
        argv = [*words, "set", "image", "deployment/broker", f"broker={image}"]
        process.run(argv, env=target.environment(), timeout=60).check()
        _, found = check("paperless")
        state, said = found["paperless", "Deployment broker, image"]
        assert git in said and image in said
        assert state == ("ok" if image == git else "failing")

"""What the docs say of the running homelab is asked of the homelab; what it does not tell is unknown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blumeops import process
from blumeops.facts import check, live
from blumeops.homelab import Homelab

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "ghcr.io/paperless-ngx/paperless-ngx"
PAGE = """\
# Live

Grafana is `12.1.1`<!-- fact: live:cluster/grafana/Deployment/grafana#image:tag -->, on
`tag:homelab`<!-- fact: live:tailnet/device/indri/tags -->, port 22<!-- fact: live:host/indri/port/22 -->;
port 23<!-- fact: live:host/indri/port/23 --> is closed,
`tag:nas`<!-- fact: live:tailnet/device/indri/tags --> is another's.
There is no `x`<!-- fact: live:cluster/grafana/Deployment/none#image -->.
"""


def seen(homelab: Homelab) -> live.Seen:
    return live.look(homelab.root, homelab.target, check.check(homelab.root).facts)


def test_a_target_that_cannot_be_asked_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "homelab").mkdir()
    (tmp_path / "homelab/targets.toml").write_text(
        '[home]\nidentity = "home"\ngit = {url = "x"}\n'
        '[home.cluster]\nkubeconfig = "none"\ncontext = "home"\n'
        '[home.tailnet]\nbase_url = "http://127.0.0.1:9"\nbackend = "x"\n'
        'api_key_file = "key"\npassphrase_file = "key"\n'
    )
    (tmp_path / "homelab/key").write_text("k")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/live.md").write_text(PAGE)
    found = live.check(tmp_path, "home", check.check(tmp_path).facts)
    assert found.problems == ()
    assert len(found.unknown) == found.looked == 6
    (nobody,) = live.check(tmp_path, "nobody", ()).unknown
    assert "there is no target 'nobody'" in nobody.what


@pytest.mark.sandbox
@pytest.mark.needs("tailnet", "hosts", "cluster")
def test_what_runs_is_compared_with_what_the_docs_say(homelab: Homelab) -> None:
    """An image that somebody changed by hand is a problem that names its manifest, its page and the truth."""
    root = homelab.root
    shutil.copytree(ROOT / "docs", root / "docs", dirs_exist_ok=True)
    (root / "docs/live.md").write_text(PAGE)
    found = seen(homelab)
    assert found.unknown == ()
    said = {problem.line: problem.what for problem in found.problems if problem.path == "docs/live.md"}
    assert sorted(said) == [5, 6, 7]
    cluster = homelab.target.cluster
    assert cluster is not None
    # Not one of grafana's: Argo CD syncs that by itself when Git has moved on since it last did.
    words = ["kubectl", "--kubeconfig", cluster.kubeconfig, "--context", cluster.context, "-n", "paperless"]
    words += ["set", "image", "deployment/paperless", f"paperless={IMAGE}:2.17.0"]
    assert process.run(words, env=homelab.target.environment(), timeout=30).ok
    (drifted,) = [problem for problem in seen(homelab).problems if "paperless-ngx:2.18.4" in problem.what]
    assert drifted.path == "homelab/argocd/workloads/paperless/paperless.yaml"
    assert "docs/reference/services/paperless.md" in drifted.what
    assert f"the cluster has {IMAGE}:2.17.0" in drifted.what

"""Argo CD in the sandbox's cluster: Redis, the repo-server and the application controller.

One binary plays every role; `ARGOCD_BINARY_NAME` picks it. There is no web server: people have `kubectl`, the
project's own commands, and the Application resources.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from blumeops.sandbox import engines
from blumeops.sandbox.cluster_bootstrap import RESYNC_SECONDS
from blumeops.sandbox.cluster_credentials import LOOPBACK, Credentials
from blumeops.sandbox.component import Component, Http, Tcp
from blumeops.sandbox.layout import Layout


def programs(held: Credentials) -> Path:
    """The folder of what argocd-repo-server calls by name."""
    return held.folder / "bin"


def make_programs(held: Credentials) -> None:
    """Make the folder of what argocd-repo-server calls by name: kustomize and its own two wrappers."""
    folder = programs(held)
    for path in (folder, *(held.folder / name for name in _ARGOCD_FOLDERS)):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    link = folder / "kustomize"
    link.unlink(missing_ok=True)
    link.symlink_to(engines.require("kustomize"))
    for script in (engines.share("argocd") / "hack").glob("*-wrapper.sh"):
        # Read-only files of a module cache have lost their executable bit; without it every request for
        # manifests ends in "permission denied".
        copy = folder / script.name
        copy.unlink(missing_ok=True)
        copy.write_bytes(script.read_bytes())
        copy.chmod(0o700)


_ARGOCD_FOLDERS = ("argocd/ssh", "argocd/tls", "argocd/gpg", "argocd/gnupg", "argocd/plugins", "argocd/tmp")


def _argocd_env(held: Credentials, role: str) -> dict[str, str]:
    home = held.folder / "argocd"
    return {
        "ARGOCD_BINARY_NAME": role,
        "KUBECONFIG": str(held.kubeconfig),
        # It may then manage the cluster it runs in, which KUBECONFIG names.
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "ARGOCD_SSH_DATA_PATH": str(home / "ssh"),
        "ARGOCD_TLS_DATA_PATH": str(home / "tls"),
        "ARGOCD_GPG_DATA_PATH": str(home / "gpg"),
        "ARGOCD_GNUPGHOME": str(home / "gnupg"),
        "ARGOCD_GPG_ENABLED": "false",
        "REDIS_CREDS_DIR_PATH": str(held.redis),
        "GOMEMLIMIT": "400MiB",
    }


def _render_env(held: Credentials) -> dict[str, str]:
    home = held.folder / "argocd"
    return {
        "PATH": f"{programs(held)}:{os.environ.get('PATH', os.defpath)}",
        "TMPDIR": str(home / "tmp"),
        "ARGOCD_PLUGINCONFIGFILEPATH": str(home / "plugins"),
        "ARGOCD_PLUGINSOCKFILEPATH": str(home / "plugins"),
        # By default one socket in /tmp, which two sandboxes would fight over.
        "ARGOCD_ASK_PASS_SOCK": str(home / "ask-pass.sock"),
        # The user's own Git settings (signing, URL rewriting) must not change what is deployed.
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def redis(layout: Layout, held: Credentials) -> Component:
    """Argo CD's cache."""
    return Component(
        name="redis",
        argv=("redis-server", str(held.redis_conf)),
        ready=Tcp(LOOPBACK, layout.port("redis")),
        after=("cluster-credentials",),
        ports=(layout.port("redis"),),
    )


def repo_server(layout: Layout, held: Credentials) -> Component:
    """What reads Git and renders manifests."""
    metrics = layout.port("repo-server-metrics")
    return Component(
        name="argocd-repo-server",
        argv=(
            str(engines.expected("argocd")),
            f"--redis={LOOPBACK}:{layout.port('redis')}",
            f"--address={LOOPBACK}",
            f"--port={layout.port('repo-server')}",
            f"--metrics-address={LOOPBACK}",
            f"--metrics-port={metrics}",
            # These two belong together: mTLS is looked for unless the path is empty.
            "--disable-tls",
            "--client-ca-path=",
            "--loglevel=warn",
        ),
        ready=Http(f"http://{LOOPBACK}:{metrics}/healthz"),
        after=("redis", "argocd-tools"),
        env={**_argocd_env(held, "argocd-repo-server"), **_render_env(held)},
        ports=(layout.port("repo-server"), metrics),
    )


def application_controller(layout: Layout, held: Credentials) -> Component:
    """What compares and syncs, kept on loopback by `cluster_loopback`."""
    port = layout.port("application-controller")
    return Component(
        name="argocd-application-controller",
        argv=(
            sys.executable,
            "-m",
            "blumeops.sandbox.cluster_loopback",
            str(engines.expected("argocd")),
            f"--repo-server={LOOPBACK}:{layout.port('repo-server')}",
            "--repo-server-plaintext",
            f"--redis={LOOPBACK}:{layout.port('redis')}",
            f"--metrics-port={port}",
            f"--app-resync={RESYNC_SECONDS}",
            "--app-resync-jitter=0",
            # A repo-server that is away is an error at once, not after three minutes of the last good answer.
            "--repo-error-grace-period-seconds=0",
            # Compare as the API server would apply, so that defaults it fills in are no difference.
            "--server-side-diff-enabled",
            # The health of each resource stands in the Application, so a failure can name the culprit.
            "--persist-resource-health",
            "--status-processors=4",
            "--operation-processors=4",
            "--loglevel=warn",
        ),
        ready=Http(f"http://{LOOPBACK}:{port}/healthz"),
        after=("argocd-settings", "argocd-repo-server"),
        env=_argocd_env(held, "argocd-application-controller"),
        ports=(port,),
    )

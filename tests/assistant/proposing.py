"""A small homelab in Git, with everything that a proposal must leave alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from blumeops import plan_token
from blumeops.assistant.propose import Proposed, propose
from blumeops.assistant.propose_files import Edit, FileChange, Request
from blumeops.assistant.propose_plan import Planned, Planner
from blumeops.homelab import LAYERS, Homelab
from blumeops.repository import Repository
from blumeops.target import GitRemote, Target
from tests.test_homelab import FileLayer

POLICY = """\
{
  // Who may reach what.
  "groups": {"group:admins": ["ada@example.org"]},
  "tagOwners": {"tag:web": ["group:admins"]},
  "grants": [{"src": ["group:admins"], "dst": ["tag:web"], "ip": ["tcp:443"]}],
  "tests": [{"src": "ada@example.org", "accept": ["tag:web:443"], "deny": ["tag:web:22"]}],
}
"""

FILES = {
    ".gitignore": ".sandbox\n*.ran\n",
    "README.md": "# Home\n",
    "docs/index.md": "---\ntitle: Home\n---\n\n# Home\n\nSee [[caddy]].\n",
    "docs/caddy.md": "---\ntitle: Caddy\n---\n\n# Caddy\n\nIt listens on 443.\n",
    "homelab/pulumi/policy.hujson": POLICY,
    "homelab/pulumi/__main__.py": "import pulumi\n",
    "homelab/pulumi/lines": "a\n",
    "homelab/ansible/lines": "b c\n".replace(" ", "\n"),
    "homelab/argocd/lines": "d\n",
    "homelab/ansible/inventory/group_vars/all.yaml": "retention: 7\nname: '{{ inventory_hostname }}'\n",
    "homelab/ansible/roles/web/tasks/main.yaml": "- ansible.builtin.debug:\n    msg: hello\n",
    "homelab/ansible/roles/web/templates/site.j2": "host {{ name }}\n",
    "homelab/argocd/web/kustomization.yaml": "resources: [deployment.yaml]\n",
    "homelab/argocd/web/deployment.yaml": "kind: Deployment\nspec: {replicas: 1}\n",
    "homelab/targets.toml": "# none\n",
}


def make(root: Path, **more: str) -> Repository:
    """The homelab, committed on `main` by a person."""
    for path, text in {**FILES, **more}.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    place = Repository(root)
    place.git("init", "--quiet", "--initial-branch=main")
    place.git("config", "user.name", "Ada")
    place.git("config", "user.email", "ada@example.org")
    place.git("add", "--all")
    place.git("commit", "--quiet", "-m", "first")
    return place


def no_plan(_clone: Path, layers: Sequence[str]) -> Planned:
    """For tests that are about something else than the plan."""
    return Planned(why=f"not asked for: {', '.join(layers)}")


def in_files(state: Path) -> tuple[Homelab, Planner]:
    """Real layers whose live system is a file each, and the planner of a proposal for them."""
    state.mkdir(exist_ok=True)
    target = Target("sandbox", "files", state, GitRemote("file:///nowhere"))
    factories = {name: (lambda target, _desired, name=name: FileLayer(name, target.state)) for name in LAYERS}

    def plan(clone: Path, layers: Sequence[str]) -> Planned:
        homelab = Homelab(Repository(clone), target, factories)
        report = homelab.plan(layers)
        return Planned(report, str(plan_token.of(homelab, report) or ""))

    return Homelab(Repository(state), target, factories), plan


def page(path: str = "docs/caddy.md", text: str = "It listens on 8443.") -> FileChange:
    """A change of a page that breaks nothing."""
    return FileChange(path, edits=(Edit("It listens on 443.", text),))


def ask(*files: FileChange, title: str = "Say the port", why: str = "It moved.", **more: str) -> Request:
    """A request for a change."""
    return Request(title, why, tuple(files) or (page(),), **more)


def proposed(place: Repository, request: Request | None = None, planner: Planner = no_plan) -> Proposed:
    """A proposal by a test."""
    return propose(place.root, request or ask(), proposer="a test 1.0", planner=planner)


def everything(root: Path) -> dict[str, str]:
    """The bytes of every file that is a person's: the work tree, the index, HEAD, the settings, the hooks.

    Objects, the proposals' refs and their logs are what a proposal adds.
    """
    ours = (
        "refs/heads/proposal/",
        "refs/notes/",
        "logs/refs/heads/proposal/",
        "logs/refs/notes/",
        "objects/",
    )
    found = {}
    for file in sorted(root.rglob("*")):
        inside = file.relative_to(root).as_posix().removeprefix(".git/")
        mine = file.is_relative_to(root / ".git") and inside.startswith((*ours, "blumeops-proposals"))
        if file.is_file() and not mine:
            found[file.relative_to(root).as_posix()] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def refs(place: Repository) -> set[str]:
    """The names of all refs."""
    return set(place.git("for-each-ref", "--format=%(refname)").stdout.split())

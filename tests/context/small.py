"""A small homelab in a folder: some pages, a runbook with a record, and desired state, in Git."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from blumeops import records
from blumeops.record import CellRecord, RunRecord, RunStatus
from blumeops.repository import Repository
from blumeops.runbooks import depends

CADDY = """\
---
title: Caddy
description: The reverse proxy in front of every service.
tags: [service]
service: caddy
reviewed: 2099-01-02
---

# Caddy

Caddy listens on port `8080`<!-- fact: homelab/ansible/roles/caddy/defaults/main.yaml#caddy_port -->,
and is kept as [[backups]] say.

## A site answers with 502

What is behind the route does not answer. Look at its unit first.

```bash
systemctl status caddy
```

## Add a route

Write a line into `caddy_sites`, and apply the hosts.
"""
BACKUPS = """\
---
title: Backups
description: What is kept, and where.
---

# Backups

Every night an archive goes to sifaka with borg. The passphrase is in the password manager.

## How long archives are kept

Seven daily, four weekly and six monthly ones: `keep_daily` in the role.
"""
RUNBOOK = """\
---
title: Restore a backup
description: The newest archive is read back and compared.
layers: [hosts]
services: [borg]
risk: destructive
---

# Restore a backup

Read the newest archive back into a scratch folder.

```{code-cell}
:tags: [step]
print("restored")
```
"""
POLICY = """\
{
	"groups": {"group:admins": ["erik@homelab.test"]},
	"tagOwners": {"tag:homelab": ["group:admins"]},
	"acls": [
		// Admins manage the proxy.
		{
			"action": "accept",
			"src":    ["group:admins"],
			"dst":    ["tag:homelab:22,80"],
		},
	],
}
"""
FILES = {
    "docs/index.md": "---\ntitle: Home\n---\n\n# Home\n\n[[caddy]] and [[backups]].\n",
    "docs/reference/caddy.md": CADDY,
    "docs/reference/backups.md": BACKUPS,
    "runbooks/restore-a-backup.md": RUNBOOK,
    "homelab/pulumi/policy.hujson": POLICY,
    "homelab/pulumi/tailnet.toml": '[devices]\nindri = ["tag:homelab"]\n',
    "homelab/ansible/inventory/hosts.yaml": "proxies:\n  hosts:\n    indri:\n",
    "homelab/ansible/site.yaml": "- name: Proxies\n  hosts: proxies\n  roles:\n    - caddy\n",
    "homelab/ansible/roles/caddy/defaults/main.yaml": "caddy_port: 8080\n",
    "homelab/ansible/roles/caddy/tasks/main.yaml": (
        "- name: Caddy runs\n  ansible.builtin.systemd_service:\n    name: caddy\n    state: started\n"
    ),
    "mkdocs.yml": "site_name: Small\nplugins:\n  - blumeops\n",
    ".gitignore": "/build/\n/.sandbox/\n",
    "build/.keep": "",
}


def write(root: Path, **more: str) -> Path:
    """The homelab in a folder, committed; `more` are further pages below docs/, by their names."""
    for path, text in {**FILES, **{f"docs/{name}.md": text for name, text in more.items()}}.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    git = Repository(root).git
    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "-m", "a small homelab")
    ran(root, RunStatus.PASSED)
    return root


def ran(root: Path, status: RunStatus, *, of: tuple[str, ...] = (), started: datetime | None = None) -> None:
    """Keep a record of a run of the runbook that ended so, and that depended on these files."""
    text = (root / "runbooks/restore-a-backup.md").read_text()
    made = RunRecord(
        runbook="restore-a-backup",
        source_sha=records.digest(text),
        status=status,
        started=started or datetime.now(UTC),
        seconds=1.0,
        commit="0" * 40,
        target="sandbox",
        cells=(CellRecord(0, records.digest('print("restored")'), status, name="restore", role="step"),),
        id="20260304T050607-restore-a-backup-0000",
        depends=depends.digests(root, of),
    )
    records.save(made, root / "runbooks/records/restore-a-backup.json")

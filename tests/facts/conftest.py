"""A small repository whose docs are true, for tests to make untrue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blumeops.cli import cli
from blumeops.facts import check
from blumeops.facts.check import Checked

KUSTOMIZATION = """\
# Versions live here and nowhere else.
kind: Kustomization
images:
  - name: ghcr.io/lab/reader
    newTag: 2.2.9
  - name: docker.io/library/postgres
    newTag: 17.6-alpine
"""
INVENTORY = """\
servers:
  hosts:
    oak:
      ansible_host: 192.168.7.4
      metrics_port: 9100
storage:
  hosts:
    yew:
"""
PAGE = """\
---
title: The reader
---
# The reader

Runs `2.2.9`<!-- fact: apps/reader/kustomization.yaml#images[0].newTag --> on
**192.168.7.4**<!-- fact: inventory/hosts.yaml#servers.hosts.oak.ansible_host -->, metrics on
9100 <!-- fact: inventory/hosts.yaml#servers.hosts.oak.metrics_port -->.
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """The repository."""
    for path, text in (
        ("apps/reader/kustomization.yaml", KUSTOMIZATION),
        ("inventory/hosts.yaml", INVENTORY),
        ("docs/reader.md", PAGE),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def problems(root: Path) -> list[str]:
    """What the check says of a repository, each in one line."""
    return [str(problem).replace("\n", " | ") for problem in checked(root).problems]


def checked(root: Path, *, fix: bool = False) -> Checked:
    """The check of a repository, with our own command line known to it."""
    return check.check(root, fix=fix, clis={"blumeops": cli})


def page(root: Path, text: str, path: str = "docs/page.md") -> Path:
    """Write a page."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return root / path

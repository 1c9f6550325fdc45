"""The fixture vault, and copies of it that a test may change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blumeops.site import staging, vault

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VAULT = HERE / "vault"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A copy of the fixture vault with the project's own site configuration."""
    root = tmp_path / "vault"
    shutil.copytree(VAULT, root)
    config = root / "mkdocs.yml"
    config.write_text(config.read_text().replace("../../../mkdocs.yml", str(ROOT / "mkdocs.yml")))
    return root


@pytest.fixture(scope="session")
def index() -> vault.Vault:
    """The fixture vault's index."""
    return staging.read(VAULT).vault

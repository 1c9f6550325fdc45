"""Which plugin serves `pulumi_tailscale`: the official one if it is installed, else ours in the sandbox."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from blumeops.errors import EngineMissing
from blumeops.target import Target

PLUGIN = "pulumi-resource-tailscale"
INSTALL = "`pulumi plugin install resource tailscale 0.29.2`"
_OURS = "blumeops.tailnet.provider"


def official(environment: Mapping[str, str]) -> Path | None:
    """The official plugin: on PATH, or where `pulumi plugin install` puts it; None if it is not installed."""
    on_path = shutil.which(PLUGIN, path=environment.get("PATH"))
    if on_path and _OURS not in Path(on_path).read_bytes()[:4096].decode(errors="replace"):
        return Path(on_path)
    home = Path(environment.get("PULUMI_HOME") or Path(environment.get("HOME", "/")) / ".pulumi")
    installed = sorted(home.glob(f"plugins/resource-tailscale-v*/{PLUGIN}"))
    return installed[-1] if installed else None


def variables(target: Target) -> dict[str, str]:
    """What the environment needs so that Pulumi finds a plugin: nothing with the official one.

    Ours is a launcher in the sandbox's folder, first on PATH; Pulumi's own home is there too, so that nothing
    is written outside. Raises `EngineMissing` on a real target without the official plugin.
    """
    environment = target.environment()
    if official(environment):
        return {}
    if not target.is_sandbox:
        raise EngineMissing("the Pulumi plugin for Tailscale is not installed", where=PLUGIN, hint=INSTALL)
    folder = (target.state / "plugin").absolute()
    _write(folder / PLUGIN)
    path = f"{folder}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return {"PATH": path, "PULUMI_HOME": str(folder / "home")}


def _write(launcher: Path) -> None:
    text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {_OURS} "$@"\n'
    if launcher.exists() and launcher.read_text() == text:
        return
    launcher.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = launcher.with_suffix(f".{os.getpid()}")
    partial.write_text(text)
    partial.chmod(0o755)
    partial.replace(launcher)

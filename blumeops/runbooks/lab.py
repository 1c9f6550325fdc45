"""A runbook in JupyterLab: a server of its own, on this machine only, which ends with the command.

The page opens as a notebook, by jupytext's contents manager. A text notebook has no place for outputs, so
saving it writes none into Git.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import json
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from urllib.parse import quote

from blumeops import process
from blumeops.errors import BlumeOpsError, EngineError, EngineMissing

START_SECONDS = 120.0
"""How long the server may take until it answers, on a machine that does much besides."""

END_SECONDS = 20.0
"""How long it may take to end its kernels; then all of it is killed."""

ON_A_PAGE = ("jupytext", "ipywidgets", "jupyterlab")

_SETTINGS: Mapping[str, Mapping[str, object]] = {
    # A page opens as a notebook, and nothing is asked from a server elsewhere.
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Jupytext Notebook"}},
    # A page names no kernel, and there is one.
    "@jupyterlab/notebook-extension:tracker": {"autoStartDefaultKernel": True},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


@dataclass(frozen=True, slots=True)
class Lab:
    """A JupyterLab that runs. `page` is the address to open, with the token in it."""

    url: str
    page: str
    token: str


def page(root: Path, name: str) -> Path:
    """The file of a runbook, right or wrong: an editor is where a wrong one is put right.

    Raises `BlumeOpsError` when there is none.
    """
    path = root / "runbooks" / f"{name}.md"
    if "/" not in name and path.is_file():
        return path
    known = sorted(found.stem for found in (root / "runbooks").glob("*.md"))
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"the runbooks are: {', '.join(known) or 'none'}"
    raise BlumeOpsError(f"there is no runbook {name!r}", hint=hint)


def require() -> None:
    """Raise `EngineMissing` when JupyterLab is not installed."""
    missing = [name for name in ON_A_PAGE if importlib.util.find_spec(name) is None]
    if missing:
        hint = "`make setup` in this repository; elsewhere `pip install 'blumeops[lab]'`"
        raise EngineMissing(f"{', '.join(missing)} is not installed", where="runbook open", hint=hint)


@contextlib.contextmanager
def running(root: Path, opened: Path, *, port: int | None = None) -> Iterator[tuple[Lab, Callable[[], None]]]:
    """A JupyterLab on a checkout, open at a runbook, and a function that waits until the server ends.

    It ends with the context, with all its kernels; also when we are killed. Raises `EngineMissing` when
    JupyterLab is not installed and `EngineError` when it does not start.
    """
    require()
    with tempfile.TemporaryDirectory(prefix="blumeops-lab-") as place:
        folder, token = Path(place), secrets.token_urlsafe(32)
        _settings(folder)
        log = folder / "log.txt"
        argv = [*process.leash_words(), *_argv(root, port or _free_port())]
        server = process.start(argv, env=_environment(folder, token), log=log, cwd=root)
        try:
            url = _answers(folder, token, server, log)
            shown = quote(str(opened.relative_to(root)))
            lab = Lab(url, f"{url}lab/tree/{shown}?token={token}", token)
            yield lab, lambda: _wait(server, log)
        finally:
            process.end_group(server.pid, grace=END_SECONDS)


def _argv(root: Path, port: int) -> list[str]:
    """The server's command line; what stands here wins over a person's own configuration."""
    contents = "blumeops.runbooks.lab_contents.Contents"
    extensions = {"jupyterlab": True, "jupytext": True, "jupyter_lsp": False}
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.root_dir": root,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "ServerApp.contents_manager_class": contents,
        "ServerApp.jpserver_extensions": extensions,
        "LabApp.extension_manager": "readonly",
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    return [
        sys.executable,
        "-P",
        "-m",
        "jupyterlab",
        *(f"--{name}={value}" for name, value in options.items()),
    ]


def _environment(folder: Path, token: str) -> dict[str, str]:
    """Ours, with the token: on a command line everybody on the machine could read it."""
    theirs = os.environ.get("JUPYTER_CONFIG_PATH")
    paths = os.pathsep.join([str(folder / "config"), *([theirs] if theirs else [])])
    ours = {
        "JUPYTER_TOKEN": token,
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_CONFIG_PATH": paths,
    }
    return {**os.environ, **ours}


def _settings(folder: Path) -> None:
    place = folder / "config" / "labconfig"
    place.mkdir(parents=True)
    (place / "default_setting_overrides.json").write_text(json.dumps(_SETTINGS), encoding="utf-8")


def _free_port() -> int:
    """A port that is free now; when somebody takes it first, the server tries the next ones."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(folder: Path, token: str, server: Popen[bytes], log: Path) -> str:
    """The server's address, once it answers; it writes the port that it took into its runtime folder."""
    import httpx

    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise EngineError(f"it ended at once:\n{_tail(log)}", where="JupyterLab")
        for path in (folder / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(httpx.TransportError, ValueError, KeyError):
                url: str = json.loads(path.read_text(encoding="utf-8"))["url"]
                if httpx.get(f"{url}api/status", headers={"Authorization": f"token {token}"}).is_success:
                    return url
        time.sleep(0.05)
    raise EngineError(f"no answer within {START_SECONDS:g} s:\n{_tail(log)}", where="JupyterLab")


def _wait(server: Popen[bytes], log: Path) -> None:
    code = server.wait()
    if code:
        raise EngineError(f"it ended by itself, exit {code}:\n{_tail(log)}", where="JupyterLab")


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-12:])

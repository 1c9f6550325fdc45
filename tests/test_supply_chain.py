"""What is installed is what was locked: every file by its checksum, and an altered one is refused."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def uv(*words: str | Path, cwd: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """uv with a cache of its own, so that nothing comes from an earlier download."""
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_", "VIRTUAL"))
    }
    env |= {"UV_CACHE_DIR": str(cache), "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
    return subprocess.run([UV, *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=120)


def wheel(folder: Path, name: str, files: dict[str, str], *, version: str = "1.0") -> Path:
    """A whole wheel of these files, with the record of checksums that installers look at."""
    about = f"{name}-{version}.dist-info"
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {**files, f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    files[f"{about}/WHEEL"] = tag
    sums = {path: hashlib.sha256(text.encode()).digest() for path, text in files.items()}
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(sum_).decode().rstrip('=')}," for path, sum_ in sums.items()
    ]
    files[f"{about}/RECORD"] = "\n".join([*record, f"{about}/RECORD,,", ""])
    made = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return made


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """A package index on the loopback that serves what is in the folder, with the checksums of the moment."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def publish(made: Path) -> None:
    """List a wheel in the index beside it, with the checksum that it has now: a tampered index agrees."""
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    page = made.parent / "simple" / made.name.partition("-")[0] / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f'<a href="/{made.name}#sha256={digest}">{made.name}</a>')


def test_every_file_of_the_lock_has_its_checksum_D14() -> None:
    fetched = [package for package in LOCK if "registry" in package["source"]]
    assert len(fetched) > 100
    for package in fetched:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files and all(SHA256.fullmatch(file["hash"]) for file in files), package["name"]
    others = [package["name"] for package in LOCK if package not in fetched]
    assert others == ["blumeops"], "nothing comes from a branch or from an address"


def test_what_installs_the_lock_is_pinned_and_nothing_is_installed_beside_it_D14() -> None:
    installer = (ROOT / ".ci/uv.txt").read_text()
    assert re.search(r"^uv==\d", installer, re.MULTILINE) and SHA256.search(installer)
    makefile = (ROOT / "Makefile").read_text()
    assert "--require-hashes" in makefile and "--frozen" in makefile
    assert not re.search(
        r"pip install(?![^\n]*\\?\n[^\n]*--require-hashes)(?![^\n]*--require-hashes)", makefile
    )


def test_the_lock_agrees_with_the_project_without_asking_anybody_D14(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("pyproject.toml", "uv.lock", "README.md"):
        shutil.copy(ROOT / name, project)
    done = uv("lock", "--check", "--offline", cwd=project, cache=tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace('"rich>=14,<15"', '"rich>=99"'))
    changed = uv("lock", "--check", "--offline", cwd=project, cache=tmp_path / "cache")
    assert changed.returncode != 0, "the check notices a requirement that the lock does not meet"


def test_a_wheel_that_was_altered_after_locking_is_refused_D14(tmp_path: Path) -> None:
    """The registry serves another file under the same name, and its index agrees with it."""
    served, project, cache = tmp_path / "served", tmp_path / "project", tmp_path / "cache"
    served.mkdir()
    project.mkdir()
    publish(wheel(served, "kiwi", {"kiwi.py": "TASTE = 'sour'\n"}))
    with registry(served) as url:
        (project / "pyproject.toml").write_text(
            '[project]\nname = "fruit"\nversion = "0"\nrequires-python = ">=3.11"\n'
            'dependencies = ["kiwi==1.0"]\n'
            f'[tool.uv]\npackage = false\n[[tool.uv.index]]\nurl = "{url}"\ndefault = true\n'
        )
        for words in (("lock",), ("sync", "--frozen")):
            done = uv(*words, cwd=project, cache=cache)
            assert done.returncode == 0, done.stderr
        assert list((project / ".venv").rglob("kiwi.py"))
        shutil.rmtree(project / ".venv")
        publish(wheel(served, "kiwi", {"kiwi.py": "TASTE = 'sour'\nimport os\n"}))
        refused = uv("sync", "--frozen", cwd=project, cache=tmp_path / "fresh")
    assert refused.returncode != 0 and "hash mismatch" in refused.stderr.lower()
    assert not list((project / ".venv").rglob("kiwi.py"))


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_an_altered_wheel_of_a_package_that_we_use_is_refused_D14(installer: str, tmp_path: Path) -> None:
    """A wheel with the name and version of our own lock, and other contents: the locked checksum decides."""
    [locked] = [package for package in LOCK if package["name"] == "click"]
    assert locked["version"] == metadata.version("click")
    forged = wheel(tmp_path, "click", {"click/__init__.py": "evil = True\n"}, version=locked["version"])
    hashes = " ".join(f"--hash={file['hash']}" for file in locked["wheels"])
    (tmp_path / "locked.txt").write_text(f"click=={locked['version']} {hashes}\n")
    own = hashlib.sha256(forged.read_bytes()).hexdigest()
    (tmp_path / "own.txt").write_text(f"click=={locked['version']} --hash=sha256:{own}\n")
    words = ["--no-index", "--find-links", str(tmp_path), "--require-hashes", "--no-deps", "--quiet"]

    def install(requirements: str, into: str) -> subprocess.CompletedProcess[str]:
        where = ["--target", str(tmp_path / into), "--requirement", str(tmp_path / requirements)]
        if installer == "uv":
            return uv("pip", "install", *words, *where, cwd=tmp_path, cache=tmp_path / "cache")
        argv = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir"]
        return subprocess.run(
            [*argv, *words, *where], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    refused = install("locked.txt", "a")
    assert refused.returncode != 0 and "hash" in refused.stderr.lower(), refused.stderr
    assert not (tmp_path / "a/click").exists()
    allowed = install("own.txt", "b")
    assert allowed.returncode == 0, (
        f"the wheel itself is whole, only its checksum is not ours: {allowed.stderr}"
    )

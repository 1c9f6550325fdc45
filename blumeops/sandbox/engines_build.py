"""Builds the engines that are missing: one at a time, most useful first, and again from where it stopped.

One build runs per cache at any time: a second one, from another checkout perhaps, waits for it engine by
engine and finds the work done. An engine appears in the cache whole or not at all (a rename), and Go's own
caches make a killed build cheap to resume.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from blumeops.errors import EngineError, Interrupted, Locked
from blumeops.journal import lock
from blumeops.sandbox import engines_manifest
from blumeops.sandbox.engines import Store, default_store, kind_of_machine
from blumeops.sandbox.engines_go import Go, toolchain
from blumeops.sandbox.engines_pinned import GO_VERSION, Engine

GIGABYTE = 1_000_000_000
LOCK_POLL_SECONDS = 0.5
RETRY_SECONDS = (0.5, 3.0)
"""Pauses before a download is tried again: a long build should not end by one hiccup."""


class Phase(StrEnum):
    """What is being done for one engine; every engine ends with `READY`."""

    WAITING = "waiting"
    DOWNLOADING = "downloading"
    COMPILING = "compiling"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the build is: engine `number` of `total`, `elapsed` seconds in it.

    `done` of `packages` are compiled; packages that Go still has from before are not counted, so the last
    one may be reached early or never. `detail` names the build that we wait for.
    """

    engine: Engine
    number: int
    total: int
    phase: Phase
    elapsed: float = 0.0
    done: int = 0
    packages: int = 0
    detail: str = ""

    def __str__(self) -> str:
        minutes, seconds = divmod(int(self.elapsed), 60)
        count = f"{self.done} of {self.packages} packages" if self.phase is Phase.COMPILING else ""
        head = f"engine {self.number} of {self.total}: {self.engine} {self.phase.value}"
        return " · ".join(part for part in (head, count, self.detail, f"{minutes}:{seconds:02d}") if part)


Watch = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did: the engines it built with their seconds, and those that were there already."""

    seconds: Mapping[str, float]
    present: tuple[str, ...]


def build(
    engines: Sequence[Engine] | None = None,
    watch: Watch = lambda _: None,
    *,
    store: Store | None = None,
    stop: threading.Event | None = None,
    environ: Mapping[str, str] | None = None,
    keep_caches: bool = False,
    retries: Sequence[float] = RETRY_SECONDS,
) -> Built:
    """Build these engines (default: all that are missing), and tell `watch` a few times a second.

    An engine that is in the cache and whole is not built again. When nothing is missing any more, Go's
    caches are deleted unless `keep_caches`. A failed download is tried again after each pause of `retries`
    (seconds). Setting `stop` ends it with `Interrupted` within a second. Raises
    `EngineError` with the log's last lines and path, or when the disk is too small.
    """
    store = store or default_store()
    wanted = tuple(store.missing() if engines is None else engines)
    go = Go(toolchain(), store.cache / "go", os.environ if environ is None else environ, kind_of_machine())
    work = _Work(store, go, wanted, watch, stop or threading.Event(), tuple(retries))
    require_space(store, wanted)
    built = work.all()
    if not keep_caches and not store.missing():
        with contextlib.suppress(Locked), lock(store.cache / "engines.lock", "deleting Go's caches"):
            shutil.rmtree(go.folder, ignore_errors=True)
    return built


def space_needed(store: Store, engines: Sequence[Engine]) -> int:
    """How many bytes a build of these engines takes on disk while it runs."""
    return round(sum(engine.gigabytes for engine in engines if not store.built(engine)) * GIGABYTE)


def require_space(store: Store, engines: Sequence[Engine]) -> None:
    """Raise `EngineError` when the cache's disk has not the space that building these engines takes."""
    place = next(folder for folder in (store.cache, *store.cache.parents) if folder.exists())
    needed, free = space_needed(store, engines), shutil.disk_usage(place).free
    if free < needed:
        raise EngineError(
            f"building takes {needed / GIGABYTE:.1f} GB for a while, {free / GIGABYTE:.1f} GB are free",
            where=str(place),
            hint="make room, or set BLUMEOPS_CACHE to a folder on a larger disk",
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """One call of `build`."""

    store: Store
    go: Go
    engines: tuple[Engine, ...]
    watch: Watch
    stop: threading.Event
    retries: tuple[float, ...]
    packages: dict[str, int] = field(default_factory=dict)

    def all(self) -> Built:
        """Build every engine in turn; while one compiles, the next one's modules are fetched."""
        seconds: dict[str, float] = {}
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch") as pool:
            try:
                ahead: Future[None] | None = None
                for number, engine in enumerate(self.engines, start=1):
                    if ahead is not None:
                        ahead.result()
                    following = self.engines[number : number + 1]
                    fetch_next = [pool.submit(self._fetch_ahead, e) for e in following]
                    ahead = fetch_next[0] if fetch_next else None
                    began = time.monotonic()
                    if self._one(engine, number, began):
                        seconds[engine.name] = round(time.monotonic() - began, 1)
                    self._say(engine, number, Phase.READY, began)
            except BaseException:
                self.stop.set()  # ends the fetch in the other thread
                raise
        return Built(seconds, tuple(e.name for e in self.engines if e.name not in seconds))

    def _one(self, engine: Engine, number: int, began: float) -> bool:
        if self.store.built(engine, thorough=True):
            return False
        with self._alone(engine, number, began):
            if self.store.built(engine, thorough=True):
                return False
            self._download(engine, lambda: self._say(engine, number, Phase.DOWNLOADING, began))
            self._compile(engine, number, began)
        return True

    @contextlib.contextmanager
    def _alone(self, engine: Engine, number: int, began: float) -> Iterator[None]:
        """Hold the cache's lock for one engine; says whom it waits for."""
        what = f"building {engine} in {self.store.modules.parent}"
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(lock(self.store.cache / "engines.lock", what))
                    break
                except Locked as locked:
                    self._say(engine, number, Phase.WAITING, began, detail=locked.what)
                if self.stop.wait(LOCK_POLL_SECONDS):
                    raise Interrupted("the build of the engines was stopped")
            yield

    def _fetch_ahead(self, engine: Engine) -> None:
        # Only a head start: whatever goes wrong here comes again, with its message, when it is the turn.
        with contextlib.suppress(EngineError, Interrupted, OSError):
            if not self.store.built(engine):
                self._download(engine, lambda: None)

    def _download(self, engine: Engine, tick: Callable[[], None]) -> None:
        """Fetch the modules that the programs are made of; Go compares each with go.sum."""
        log = self._log(engine, "download")
        argv = ["list", "-deps", *_tags(engine), "-f", "{{.ImportPath}}", *engine.packages.values()]
        cwd = self.store.modules / engine.name
        for pause in (*self.retries, None):
            try:
                self.go.run(argv, cwd=cwd, log=log, stop=self.stop, tick=tick)
                break
            except EngineError:
                if pause is None:
                    raise
                self.stop.wait(pause)
        self.packages[engine.name] = _packages_in(log)

    def _compile(self, engine: Engine, number: int, began: float) -> None:
        final = self.store.folder(engine)
        draft = final.with_name(f".{final.name}")
        for leftover in (draft, final):  # of a killed build, or damaged: we hold the lock, nobody uses them
            shutil.rmtree(leftover, ignore_errors=True)
        (draft / "bin").mkdir(parents=True)
        log = self._log(engine, "build")

        def tick() -> None:
            self._say(engine, number, Phase.COMPILING, began, done=_packages_in(log))

        only = next(iter(engine.packages)) if len(engine.packages) == 1 else ""
        flags = ["-v", *_tags(engine), f"-ldflags={engine.ldflags}", "-o", f"{draft}/bin/{only}"]
        cwd = self.store.modules / engine.name
        argv = ["build", *flags, *engine.packages.values()]
        self.go.run(argv, cwd=cwd, log=log, stop=self.stop, tick=tick)
        self._copy_shares(engine, draft)
        engines_manifest.write(draft, self._facts(engine, time.monotonic() - began))
        draft.rename(final)
        for step in ("download", "build"):
            self._log(engine, step).unlink(missing_ok=True)

    def _copy_shares(self, engine: Engine, draft: Path) -> None:
        for share in engine.share:
            module = self.go.module_folder(share.module, cwd=self.store.modules / engine.name)
            files = sorted(module.glob(share.pattern))
            if not files:
                raise EngineError(f"no {share.pattern} in {share.module}", where=str(module))
            target = draft / "share" / share.into
            target.mkdir(parents=True, exist_ok=True)
            for file in files:
                copy = Path(shutil.copyfile(file, target / file.name))
                copy.chmod(0o755 if file.suffix == ".sh" else 0o644)

    def _facts(self, engine: Engine, seconds: float) -> dict[str, object]:
        return {
            "engine": engine.name,
            "version": engine.version,
            "key": self.store.key(engine),
            "go": GO_VERSION,
            "machine": kind_of_machine(),
            "seconds": round(seconds, 1),
        }

    def _log(self, engine: Engine, step: str) -> Path:
        return self.store.cache / "logs" / f"{engine.name}-{step}-{os.getpid()}.log"

    def _say(
        self, engine: Engine, number: int, phase: Phase, began: float, *, done: int = 0, detail: str = ""
    ) -> None:
        elapsed, packages = time.monotonic() - began, self.packages.get(engine.name, 0)
        self.watch(Progress(engine, number, len(self.engines), phase, elapsed, done, packages, detail))


def _tags(engine: Engine) -> list[str]:
    return ["-tags", engine.tags] if engine.tags else []


def _packages_in(log: Path) -> int:
    """How many packages a log of `go build -v` or `go list` names: lines of one word."""
    return sum(1 for line in log.read_text(errors="replace").splitlines() if line and " " not in line)

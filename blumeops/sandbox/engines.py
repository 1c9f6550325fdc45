"""The sandbox's engines: which programs they are, where they lie, and whether they are the ones we pinned.

None of them is packaged where a newcomer could install it, so each is built once from a pinned, checksummed
Go module (`engines/NAME/go.mod`, `go.sum`) into a content-addressed cache outside the checkout. This module
finds them; `engines_pinned.py` says what they are, `engines_build.py` builds them.

    CACHE/engines/NAME-VERSION-KEY/bin/…        the programs
    CACHE/engines/NAME-VERSION-KEY/share/…      data files that ship inside the module
    CACHE/engines/NAME-VERSION-KEY/manifest.json
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from blumeops.errors import EngineMissing
from blumeops.sandbox import engines_manifest, engines_path
from blumeops.sandbox.engines_pinned import ENGINES, GO_VERSION, Engine

HINT = "`blumeops engines build` builds what is missing"
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Source(StrEnum):
    """Where a program comes from."""

    CACHE = "cache"
    PATH = "PATH"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Located:
    """One program of one engine, its version and where it was found; `path` is None when it is missing."""

    engine: str
    binary: str
    version: str
    source: Source
    path: Path | None

    def __str__(self) -> str:
        return f"{self.binary} {self.version} ({self.source.value})"


@dataclass(frozen=True, slots=True)
class Store:
    """The cache of built engines, and the folder of modules (`engines/`) that they are built from."""

    cache: Path
    modules: Path
    engines: tuple[Engine, ...] = ENGINES

    def folder(self, engine: Engine) -> Path:
        """Where a built engine lies. Its name changes with everything that goes into the build."""
        return self.cache / "engines" / f"{engine.name}-{engine.version}-{self.key(engine)}"

    def key(self, engine: Engine) -> str:
        """16 hex digits over go.mod, go.sum, packages, flags, Go's version and the machine's kind."""
        digest = hashlib.sha256()
        for name in ("go.mod", "go.sum"):
            text = self._module_file(engine, name)
            digest.update(f"{name} {len(text)}\n".encode() + text)
        shares = [[share.module, share.pattern, share.into] for share in engine.share]
        built = [dict(engine.packages), engine.ldflags, engine.tags, shares]
        digest.update(json.dumps([built, GO_VERSION, kind_of_machine()], sort_keys=True).encode())
        return digest.hexdigest()[:16]

    def _module_file(self, engine: Engine, name: str) -> bytes:
        path = self.modules / engine.name / name
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            hint = "install blumeops from a clone: `make setup`"
            raise EngineMissing(f"the module of {engine} is not here", where=str(path), hint=hint) from error

    def built(self, engine: Engine, *, thorough: bool = False) -> bool:
        """Whether the cache holds this engine, whole.

        Each file's checksum is compared with the manifest when the file is not the one that was checked
        last (inode, size and time tell); `thorough` reads every file again, about a second per gigabyte.
        """
        return engines_manifest.sound(self.folder(engine), thorough=thorough)

    def find(self, binary: str) -> Path | None:
        """The program, from the cache or else from PATH in an acceptable version; None when missing."""
        return self.locate(self.engine_of(binary), binary).path

    def require(self, binary: str) -> Path:
        """The program. Raises `EngineMissing` when it is neither in the cache nor usable from PATH."""
        path = self.find(binary)
        if path is None:
            raise EngineMissing(f"{binary} is not built yet", where=str(self.cache), hint=HINT)
        return path

    def expected(self, binary: str) -> Path:
        """The program, or where it will be once it is built: for describing what is not there yet."""
        return self.find(binary) or self.folder(self.engine_of(binary)) / "bin" / binary

    def share(self, name: str) -> Path:
        """The folder with an engine's data files. Raises `EngineMissing` when the engine is not built."""
        engine = self.engine(name)
        if not self.built(engine):
            raise EngineMissing(f"{engine} is not built yet", where=str(self.cache), hint=HINT)
        return self.folder(engine) / "share"

    def locate(self, engine: Engine, binary: str) -> Located:
        """One program of an engine: in the cache, else on PATH when all programs of the engine fit there."""
        if self.built(engine):
            path = self.folder(engine) / "bin" / binary
            return Located(engine.name, binary, engine.version, Source.CACHE, path)
        found = engines_path.programs(engine.binaries, engine.version, engine.accept)
        if found is not None:
            return Located(engine.name, binary, found[binary].version, Source.PATH, found[binary].path)
        return Located(engine.name, binary, engine.version, Source.MISSING, None)

    def located(self) -> tuple[Located, ...]:
        """Every program of every engine, in the order they are built."""
        return tuple(self.locate(engine, binary) for engine in self.engines for binary in engine.binaries)

    def missing(self) -> tuple[Engine, ...]:
        """The engines that would have to be built."""
        return tuple(e for e in self.engines if self.locate(e, e.binaries[0]).source is Source.MISSING)

    def engine(self, name: str) -> Engine:
        """An engine by its name. Raises `EngineMissing` for a name that is none."""
        for engine in self.engines:
            if engine.name == name:
                return engine
        names = ", ".join(engine.name for engine in self.engines)
        raise EngineMissing(f"there is no engine {name!r}", hint=f"the engines are {names}")

    def engine_of(self, binary: str) -> Engine:
        """The engine that a program belongs to. Raises `EngineMissing` for a program of none."""
        for engine in self.engines:
            if binary in engine.packages:
                return engine
        raise EngineMissing(f"{binary!r} is no engine's program", hint="`blumeops engines list` has them all")


def default_store() -> Store:
    """This checkout's modules, and the cache: `$BLUMEOPS_CACHE`, else `blumeops` in the XDG cache folder."""
    chosen = os.environ.get("BLUMEOPS_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    modules = Path(__file__).resolve().parents[2] / "engines"
    return Store(Path(chosen).absolute() if chosen else base / "blumeops", modules)


def find(binary: str) -> Path | None:
    """The program from the cache or PATH; None when it is missing."""
    return default_store().find(binary)


def require(binary: str) -> Path:
    """The program from the cache or PATH. Raises `EngineMissing` when it is missing."""
    return default_store().require(binary)


def expected(binary: str) -> Path:
    """The program, or where it will be once it is built."""
    return default_store().expected(binary)


def share(name: str) -> Path:
    """The folder with an engine's data files: `crds/`, `hack/` (argocd), `stages/` (kwok)."""
    return default_store().share(name)


def located() -> tuple[Located, ...]:
    """Every program of every engine with its version and source."""
    return default_store().located()


def missing() -> tuple[Engine, ...]:
    """The engines that would have to be built."""
    return default_store().missing()


def kind_of_machine() -> str:
    """This machine as Go names it: `linux/amd64`."""
    machine = platform.machine().lower()
    return f"{sys.platform}/{_ARCHITECTURES.get(machine, machine)}"

"""What Git says of a host, service, tag, group, role or Application: a line for each fact, with its place.

The rows come from the service map and from the policy: who brings a service about, on which host, under which
route, with which tag, and which rules name that tag. Each quotes its lines of the source as they stand there,
folded into one line. Read without any engine, and kept by what the file system says of the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from blumeops.context import policy_rows
from blumeops.services import manifests, map
from blumeops.services.manifests import Fact
from blumeops.services.model import Application, Role, Service, normal
from blumeops.site.cache import Cache, digest

LONGEST = 240
"""Characters of a row's text; more is for whoever opens the file."""

KEY_FILES = ("defaults", "templates", "files", "handlers", "vars")
"""The folders of a role beside its tasks, in the order in which a reader wants them."""

_FORM = "desired state of a context pack, 1"
_WORD = re.compile(r"[\w:@.-]*\w")


@dataclass(frozen=True, slots=True)
class Row:
    """One fact of the desired state: what it is, where it stands, and its lines, folded; `about` names it.

    A row without text is a pointer to a file.
    """

    what: str
    path: str
    line: int
    last: int
    text: str
    about: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it stands: `homelab/argocd/apps/miniflux.yaml:4`, with the last line when it has several."""
        more = f"-{self.last}" if self.last > self.line else ""
        return f"{self.path}:{self.line}{more}" if self.text else self.path


def read(root: Path, cache: Cache | None = None) -> tuple[Row, ...]:
    """Every row of a repository, those of services first; from the cache while its files are the same."""
    root, kept = root.resolve(), cache or Cache(None)
    files = manifests.files(root)
    policies = [path for path in sorted((root / "homelab").rglob("*.hujson")) if not path.is_symlink()]
    key = digest(_FORM, *(_stamp(path) for path in (*files.paths, *policies)))
    said = kept.get(key)
    if said is None:
        rows = [*_services(root), *(row for path in policies for row in _policy(root, path))]
        said = json.dumps([asdict(row) for row in rows])
        kept.put(key, said)
    return tuple(Row(**{**one, "about": tuple(one["about"])}) for one in json.loads(said))


def _stamp(path: Path) -> str:
    seen = path.stat()
    return f"{path} {seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"


def names(rows: Iterable[Row]) -> frozenset[str]:
    """Every name that some rows are about."""
    return frozenset(name for row in rows for name in row.about)


def named_in(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """The known names that stand in a text, in the order in which they stand there; longer ones first."""
    words = [word.casefold() for word in _WORD.findall(text)]
    known, found = set(known), list[str]()
    for n in range(len(words)):
        for length in (3, 2, 1):
            if n + length <= len(words):
                spelt = " ".join(words[n : n + length])
                found += [one for one in (spelt, normal(spelt)) if one in known]
    return tuple(dict.fromkeys(found))


def about(rows: Iterable[Row], wanted: Iterable[str]) -> tuple[Row, ...]:
    """The rows about these names, those of the first name first, each once."""
    rows = tuple(rows)
    return tuple(dict.fromkeys(row for name in wanted for row in rows if name in row.about))


def _services(root: Path) -> Iterator[Row]:
    """The rows of the service map, read without its cards: the pages stand in the pack by themselves."""
    lines = Lines(root)
    for one in map.read(root, root / ".no-cards").services:
        called = tuple(dict.fromkeys((one.name, *(normal(fact.value) for fact in one.made_by))))
        yield from _of(one, called, lines)
        for host, tag in zip(one.hosts, one.tags, strict=False):
            yield _row("host", host, (host.value,), lines)
            yield _row("tag", tag, (host.value, tag.value), lines)


def _of(one: Service, called: tuple[str, ...], lines: Lines) -> Iterator[Row]:
    if one.application:
        yield from _application(one.application, called, lines)
    for role in one.roles:
        yield from _role(role, called, lines)
    for what, fact in (("image", one.image), ("version", one.version)):
        if fact:
            yield _row(what, fact, called, lines)
    for route in one.routes:
        yield lines.block("route", route.fact, (*called, route.name, route.host))
    for host in one.hosts:
        yield _row("runs on", host, called, lines)


def _application(one: Application, called: tuple[str, ...], lines: Lines) -> Iterator[Row]:
    yield lines.block("Application", Fact(one.name, one.fact.path, one.fact.line), called)
    for folder in one.folders:
        if line := lines.having(one.fact.path, folder):
            yield _row("deploys", Fact(folder, one.fact.path, line), called, lines)
    for workload in one.workloads:
        for fact in (*workload.images, *workload.ports, *workload.host_ports, *workload.kept):
            yield _row(f"{workload.kind} {workload.name}", fact, called, lines)


def _role(one: Role, called: tuple[str, ...], lines: Lines) -> Iterator[Row]:
    folder = Path(one.fact.path).parents[1]
    yield Row("tasks", one.fact.path, 1, 1, "", called)
    for name in KEY_FILES:
        for path in sorted((lines.root / folder / name).glob("*")):
            if path.is_file() and not path.is_symlink():
                yield Row(name, (folder / name / path.name).as_posix(), 1, 1, "", called)
    for what, facts in (
        ("unit", one.units),
        ("port", one.ports),
        ("package", one.packages),
        ("keeps", one.kept),
    ):
        for fact in facts:
            yield _row(what, fact, called, lines)


def _row(what: str, fact: Fact, called: tuple[str, ...], lines: Lines) -> Row:
    line = max(fact.line, 1)
    return Row(what, fact.path, line, line, lines.folded(fact.path, line, line), called)


def _policy(root: Path, path: Path) -> Iterator[Row]:
    shown = path.relative_to(root).as_posix()
    lines = Lines(root)
    for part in policy_rows.read(path, shown):
        yield Row(
            part.what, shown, part.line, part.last, lines.folded(shown, part.line, part.last), part.about
        )


class Lines:
    """The lines of a repository's files, each file read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: dict[str, list[str]] = {}

    def of(self, path: str) -> list[str]:
        """The lines of a file; none when it cannot be read."""
        if path not in self._read:
            try:
                self._read[path] = (self.root / path).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError):
                self._read[path] = []
        return self._read[path]

    def folded(self, path: str, first: int, last: int) -> str:
        """Some lines as one, with a single space between words, cut where a row gets too long."""
        text = " ".join(" ".join(self.of(path)[first - 1 : last]).split())
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

    def having(self, path: str, word: str) -> int:
        """The first line that ends in a word; 0 when none does."""
        return next((n for n, line in enumerate(self.of(path), 1) if line.rstrip().endswith(word)), 0)

    def block(self, what: str, fact: Fact, called: tuple[str, ...]) -> Row:
        """The item of a YAML list that begins at a fact's line, with its deeper lines; else that line."""
        lines, first = self.of(fact.path), max(fact.line, 1)
        last = first
        if first <= len(lines) and lines[first - 1].lstrip().startswith("- "):
            depth = len(lines[first - 1]) - len(lines[first - 1].lstrip())
            while last < len(lines) and lines[last].startswith(" " * (depth + 1)):
                last += 1
        return Row(what, fact.path, first, last, self.folded(fact.path, first, last), called)

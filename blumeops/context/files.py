"""Which files of a repository are read for its context, and the quick sign that one has changed.

Pages, runbooks, desired state and the code's own words; what is hidden, generated, ignored by Git, too large,
encrypted, or leads out of the repository is not read. The walk opens no file: a thousand of them take about
ten milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from blumeops.context.model import Kind
from blumeops.site.place import Place

Stamp = tuple[int, int, int, int]
"""Size, modified, changed (both in nanoseconds) and inode: a file that has the same was not written since."""

MAX_PAGE_BYTES = 3_000_000
"""Larger than any page that a person writes, as in `blumeops.facts.tree`."""
MAX_BYTES = 300_000
"""Of other files: what is larger was generated, or is data."""
_NEVER = frozenset({"node_modules", "vendor", "third_party", "__pycache__", "venv", "site-packages"})
_NOT_STATE = frozenset({"tests", "test", "testdata", "fixtures", "benchmarks"})
_GENERATED_AT_THE_TOP = frozenset({"build", "site", "dist", "public", "engines"})
_STATE = frozenset({"tests", "test", "testdata", "fixtures", "benchmarks", "dist", "build", "site",
                        "records", "engines"})  # fmt: skip
_STATE = frozenset({".hujson", ".yaml", ".yml", ".toml", ".j2", ".ini", ".cfg", ".conf", ".tf", ".tfvars",
                    ".nix", ".hcl", ".service", ".timer", ".md"})  # fmt: skip
_STATE_NAMES = frozenset({"Caddyfile", "Dockerfile", "Corefile", "Containerfile"})
_SECRET_NAME = re.compile(r"(?:^|[._-])(?:secrets?|vault|credentials?|passwd|htpasswd)(?=[._-]|$)|^\.|^id_")
_SECRET = re.compile(r"\A\$ANSIBLE_VAULT|-----BEGIN [A-Z ]*PRIVATE KEY|\bENC\[AES256_GCM,", re.MULTILINE)
_TOP = frozenset({"mkdocs.yml", "pyproject.toml", "mise.toml"})
_OURS = ("homelab/", "blumeops/")
_ABOUT_IT_ALL = frozenset({"README.md", "CONTRIBUTING.md", "SECURITY.md"})
"""Pages at the top of a repository. What assistants read anyway (`AGENTS.md`) is not among them."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is read of a place; folders are relative to its root and end with `/`, empty for the root."""

    root: Path
    docs: str
    runbooks: str
    ours: bool
    skipped: frozenset[str]

    @staticmethod
    def of(place: Place) -> Rules:
        """The rules of a place."""
        skipped = {f"{name}/" for name in _GENERATED_AT_THE_TOP}
        for folder in (place.site, place.work, place.staged):
            if folder != place.root and folder.is_relative_to(place.root):
                skipped.add(_relative(folder, place.root))
        docs = _relative(place.docs, place.root)
        return Rules(place.root, docs, _relative(place.runbooks, place.root), place.ours, frozenset(skipped))

    def kind(self, path: str) -> Kind | None:
        """What a file is read as, by its path; None for one that is not read."""
        folder, _, name = path.rpartition("/")
        suffix = name[name.rfind(".") :] if "." in name else ""
        if suffix == ".md" and path.startswith(self.runbooks):
            return Kind.RUNBOOK if folder + "/" == self.runbooks else None
        if suffix == ".md" and path.startswith(self.docs):
            return Kind.PAGE
        if path in _ABOUT_IT_ALL:
            return Kind.PAGE
        if self.ours and not path.startswith(_OURS):
            return None
        if suffix == ".py":
            return Kind.DESIRED if path.startswith("homelab/") else Kind.CODE
        if (suffix not in _STATE and name not in _STATE_NAMES) or _SECRET_NAME.search(name.casefold()):
            return None
        return Kind.DESIRED if folder or (name not in _TOP and suffix != ".md") else None

    def enters(self, folder: str, name: str) -> bool:
        """Whether a folder is looked into; it ends with `/`."""
        if name in _NEVER or folder in self.skipped:
            return False
        if self.ours and not folder.startswith((*_OURS, self.docs, self.runbooks)):
            return False
        return name not in _NOT_STATE or folder.startswith((self.docs, self.runbooks))


def walk(rules: Rules) -> dict[str, Stamp]:
    """Every file that may be read, by its path from the root, with its stamp."""
    return dict(sorted(_walk(rules, str(rules.root), "")))


def read(rules: Rules, path: str) -> bytes | None:
    """A file's bytes; None when it is too large, gone, no file, or leads out of the repository."""
    kind = rules.kind(path)
    try:
        file = (rules.root / path).resolve()
        if kind is None or not file.is_relative_to(rules.root.resolve()):
            return None
        opened = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as stream:
            data = stream.read(_limit(kind) + 1)
            return data if len(data) <= _limit(kind) else None
    except (OSError, RuntimeError):
        return None


def text_of(data: bytes) -> str:
    """What a file says, with plain line ends; empty for what is no text, and for what is encrypted."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        said = data.decode("utf-16", "replace")
    else:
        said = data.decode("utf-8-sig", "replace")
    if "\0" in said or _SECRET.search(said):
        return ""
    return said.replace("\r\n", "\n").replace("\r", "\n")


def _walk(rules: Rules, folder: str, above: str) -> Iterator[tuple[str, Stamp]]:
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return
    for entry in entries:
        name = entry.name
        if name[0] == "." or not name.isprintable():
            continue
        path = above + name
        if entry.is_dir(follow_symlinks=False):
            if rules.enters(path + "/", name):
                yield from _walk(rules, entry.path, path + "/")
        elif (kind := rules.kind(path)) and (stamp := _stamp(rules, entry, kind)):
            yield path, stamp


def _stamp(rules: Rules, entry: os.DirEntry[str], kind: Kind) -> Stamp | None:
    try:
        if entry.is_symlink() and not _leads_to_a_page(rules, Path(entry.path), kind):
            return None
        said = entry.stat()
    except OSError:
        return None
    if not stat.S_ISREG(said.st_mode) or said.st_size > _limit(kind):
        return None
    return said.st_size, said.st_mtime_ns, said.st_ctime_ns, said.st_ino


def _leads_to_a_page(rules: Rules, link: Path, kind: Kind) -> bool:
    """A link is followed to a Markdown file of this repository that is not hidden, as the site does."""
    root = rules.root.resolve()
    target = link.resolve()
    if kind not in (Kind.PAGE, Kind.RUNBOOK) or not target.is_relative_to(root) or target.suffix != ".md":
        return False
    return not any(part.startswith(".") for part in target.relative_to(root).parts)


def _limit(kind: Kind) -> int:
    return MAX_PAGE_BYTES if kind in (Kind.PAGE, Kind.RUNBOOK) else MAX_BYTES


def _relative(folder: Path, root: Path) -> str:
    where = folder.relative_to(root).as_posix()
    return "" if where == "." else f"{where}/"


def allowed(root: Path, paths: Collection[str]) -> frozenset[str]:
    """Those of some paths that Git knows or would add; all of them where there is no Git."""
    from blumeops.facts import tree  # only when a file is new, which is rare

    known = tree.read(root)
    return (
        frozenset(path for path in paths if path in known.files) if known.ignored_by_git else frozenset(paths)
    )


def ignoring(rules: Rules) -> str:
    """A digest of what says which files Git ignores, as far as it stands in the repository."""
    made = hashlib.blake2b(digest_size=12)
    for path in (".git/info/exclude", ".gitignore", f"{rules.docs}.gitignore", "homelab/.gitignore"):
        file = rules.root / path
        made.update(file.read_bytes() if file.is_file() else b"\0")
    return made.hexdigest()

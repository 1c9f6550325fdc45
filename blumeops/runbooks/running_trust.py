"""What must be so before a run begins: the target named and there, the page trusted, the programs installed.

Nothing is started until all of it holds. On a real target a page runs only as it was committed: who reviewed
the commit reviewed what runs. Where CI is set only the sandbox may be changed, whatever a page asks for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blumeops import homelab, records, target
from blumeops.errors import Unmet, Untrusted
from blumeops.records import RunMode
from blumeops.repository import Repository
from blumeops.runbooks.gates import in_ci
from blumeops.runbooks.model import Runbook
from blumeops.target import SANDBOX, Target


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run happens. A page that uses no layer needs no sandbox, so its target may have no file yet."""

    name: str
    identity: str
    state: Path
    layers: tuple[str, ...]

    @property
    def is_sandbox(self) -> bool:
        """True for the sandbox, the only target that may be changed without naming it."""
        return self.name == SANDBOX


def place(root: Path, name: str) -> Place:
    """The place that a target's name means. Raises `BlumeOpsError` when there is no such target."""
    main = homelab.main_checkout(root)
    if name == SANDBOX and not (main / ".sandbox" / "target.toml").exists():
        return Place(SANDBOX, "the sandbox, which is not up", main / records.STATE, ())
    found = target.load(main, name)
    return Place(found.name, found.identity, found.state, _layers(found))


def _layers(found: Target) -> tuple[str, ...]:
    return tuple(name for name in homelab.LAYERS if getattr(found, name) is not None)


def admit(root: Path, book: Runbook, where: Place, *, mode: RunMode, allow_uncommitted: bool = False) -> None:
    """Raise `Untrusted` or `Unmet` unless this runbook may run there now."""
    if not where.is_sandbox:
        _trusted(root, book, where, mode, allow_uncommitted)
    missing = [name for name in book.requires if not _has(where, name)]
    if missing:
        up = missing[0] in homelab.LAYERS and where.is_sandbox
        hint = "`blumeops sandbox up`" if up else "`blumeops doctor` lists every prerequisite and its fix"
        raise Unmet(f"it needs {', '.join(missing)}", where=book.name, hint=hint)


def _has(where: Place, name: str) -> bool:
    return name in where.layers if name in homelab.LAYERS else shutil.which(name) is not None


def _trusted(root: Path, book: Runbook, where: Place, mode: RunMode, allow_uncommitted: bool) -> None:
    if mode is RunMode.REHEARSAL:
        raise Untrusted("a rehearsal is for the sandbox", where=where.name, hint="leave the target out")
    if in_ci(os.environ):
        hint = "where CI is set, only the sandbox may be changed"
        raise Untrusted("a real target is never changed from CI", where=where.name, hint=hint)
    if not allow_uncommitted and uncommitted(root, book.path):
        hint = "commit it; `--allow-uncommitted` runs it all the same, and the record says so"
        raise Untrusted(f"{book.name} is not as it was committed", where=str(book.path), hint=hint)


def uncommitted(root: Path, path: Path) -> bool:
    """Whether a file differs from HEAD, is not known to Git, or hides from it."""
    git = Repository(root).git
    name = str(path.resolve().relative_to(root.resolve()))
    known = git("rev-parse", "--verify", "--quiet", f"HEAD:{name}", check=False)
    if not known.ok:
        return True
    # The file's own hash, and not `git status`: `assume-unchanged` and an index made up to fit hide there.
    return git("hash-object", "--", name).stdout.strip() != known.stdout.strip()


def dirty(root: Path, book: Runbook) -> bool:
    """Whether the page or the desired state differ from the commit that a record names."""
    return uncommitted(root, book.path) or bool(Repository(root).dirty_paths())


def variables(environment: Mapping[str, str], run: str) -> dict[str, str]:
    """The environment of a run's kernel."""
    return {**environment, "BLUMEOPS_RUN": run}


def engine_versions() -> dict[str, str]:
    """The versions of the engines that a run meets: the three layers' own, and the sandbox's."""
    from importlib import metadata

    from blumeops.sandbox.engines_pinned import ENGINES

    libraries = {"ansible-core": metadata.version("ansible-core")}
    return {**{engine.name: engine.version for engine in ENGINES}, **libraries}

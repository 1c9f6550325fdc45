"""Whether what a page or runbook says still holds: the marks that stand beside it in a pack.

Four things are looked at, and only for the pages that are asked for: bound values against the place that they
are bound to, links that lead nowhere, files that changed since the page was reviewed, and the last run of a
runbook. What was found is kept by the digests of what it was found in. Where nobody can know (no history, a
record that cannot be read), the mark says so: unknown is never fresh.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from blumeops.context import dead_links
from blumeops.context.untrusted import clean, label
from blumeops.errors import BadInput, Problem
from blumeops.facts import bound
from blumeops.facts import freshness as reviews
from blumeops.facts.page import Page
from blumeops.facts.places import Places
from blumeops.facts.tree import Tree
from blumeops.site import vault as pages
from blumeops.site.cache import Cache, digest
from blumeops.site.vault import Vault

SHOWN = 160
"""Characters of what a mark says: it may quote a page, and stands outside of the page's fence."""

_QUOTED = re.compile(r"(\[\[|'|\")(.*?)(\]\]|'|\")")
"""What a check quotes: the words of a page, or of the file that a value stands in."""

NAMED = 2
"""So many changed files are named in a mark; the rest is a number."""


class Doubt(StrEnum):
    """What is in doubt: a bound value, a link, a whole page since its review, a runbook by its last run."""

    FACT = "fact"
    LINK = "link"
    REVIEW = "review"
    RUN = "run"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Mark:
    """One reason not to believe a page as it stands; `line` is that of the source, 0 for all of it."""

    doubt: Doubt
    said: str
    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"line {self.line}: {self.said}" if self.line else self.said

    def within(self, first: int, last: int) -> bool:
        """Whether it concerns a piece of its file."""
        return not self.line or first <= self.line <= last


def of(
    root: Path, paths: Iterable[str], cache: Cache | None = None, vault: Vault | None = None
) -> dict[str, tuple[Mark, ...]]:
    """The marks of these pages and runbooks, by path; none for what still holds.

    `vault` knows the names of all pages; without it links are not looked at.
    """
    texts = {path: text for path in dict.fromkeys(paths) if (text := _text(root, path)) is not None}
    kept = cache or Cache(None)
    tree = Tree(root.resolve(), frozenset())
    found = {path: [*_facts(root, path, text, tree, kept)] for path, text in texts.items()}
    if vault is not None:
        known_as = dead_links.names(vault)
        for path, text in texts.items():
            found[path] += _links(root, path, text, vault, known_as, kept)
    for path, mark in _reviews(root, texts, kept):
        found[path].append(mark)
    names = {path: Path(path).stem for path in texts if path.startswith("runbooks/")}
    for path, name in names.items():
        found[path] += _runs(root, path, name, kept)
    return {path: tuple(marks) for path, marks in found.items() if marks}


def _text(root: Path, path: str) -> str | None:
    try:
        return (root / path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError, ValueError):
        return None


def _facts(root: Path, path: str, text: str, tree: Tree, kept: Cache) -> Iterator[Mark]:
    """The bound values of a page that are not any more what stands in their place."""
    if "fact:" not in text:
        return
    page = Page(path, text)
    facts = list(bound.find(page, []))
    stamps = [_stamp(root, fact.place.partition("#")[0]) for fact in facts if not fact.is_live]
    key = digest("facts of a context pack", path, text, *stamps)
    said = kept.get(key)
    if said is None:
        problems: list[Problem] = []
        bound.check(page, Places(tree), problems)
        said = json.dumps([asdict(one) for one in problems])
        kept.put(key, said)
    for one in json.loads(said):
        yield Mark(Doubt.FACT, _shown(one["what"]), path, one["line"] if one["path"] == path else 0)


def _links(root: Path, path: str, text: str, vault: Vault, known_as: bytes, kept: Cache) -> Iterator[Mark]:
    """The links of a page that lead nowhere."""
    if not path.endswith(".md"):
        return
    try:
        broken = dead_links.of(root, path, text, vault, known_as, kept)
    except BadInput:
        yield Mark(Doubt.UNKNOWN, "whether its links lead anywhere is unknown: the site cannot be read", path)
        return
    for one in broken:
        yield Mark(Doubt.LINK, _shown(one.what), path, one.line)


def _stamp(root: Path, path: str) -> str:
    try:
        seen = (root / path).stat()
    except (OSError, ValueError):
        return f"{path} gone"
    return f"{path} {seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"


def _reviews(root: Path, texts: Mapping[str, str], kept: Cache) -> Iterator[tuple[str, Mark]]:
    """The pages whose subject changed since they were reviewed, and those of which nobody can know."""
    at = head(root)
    reviewed = {path: text for path, text in texts.items() if "\nreviewed:" in text[:4000]}
    keys = {path: digest("review of a context pack", at, path, text) for path, text in reviewed.items()}
    known = {path: said for path, key in keys.items() if at and (said := kept.get(key)) is not None}
    missing = [path for path in reviewed if path not in known]
    if missing:
        made = reviews.read(root, [*_pages(missing, reviewed)], history=_log(root, at, kept))
        for one in made:
            known[one.source] = json.dumps(_words(one))
            kept.put(keys[one.source], known[one.source])
    for path, said in known.items():
        if words := json.loads(said):
            yield path, Mark(Doubt(words[0]), words[1], path)


def _pages(paths: Iterable[str], texts: Mapping[str, str]) -> Iterator[pages.Page]:
    for path in paths:
        try:
            yield pages.page(path, path, texts[path])
        except BadInput:
            continue  # its front matter cannot be read: `docs check` says so


def _words(one: reviews.Freshness) -> tuple[str, str] | None:
    match one.state:
        case reviews.State.STALE:
            named = ", ".join(label(changed.path) for changed in one.changed[:NAMED])
            more = f" and {len(one.changed) - NAMED} more" if len(one.changed) > NAMED else ""
            return Doubt.REVIEW, f"reviewed {label(one.reviewed)}; since then {named}{more} changed"
        case reviews.State.UNKNOWN:
            return Doubt.UNKNOWN, f"whether it is stale is unknown: {_shown(one.why)}"
        case _:
            return None


def _log(root: Path, at: str, kept: Cache) -> reviews.Log:
    """The history, from the cache when the commit that we are at is the same."""
    key = digest("history of a context pack", at)
    if at and (said := kept.get(key)) is not None:
        return reviews.Log(
            tuple(
                reviews.Commit(at, day, subject, tuple(files)) for at, day, subject, files in json.loads(said)
            )
        )
    made = reviews.log(root)
    if at and not made.why:
        kept.put(key, json.dumps([(one.id, one.day, one.subject, one.files) for one in made.commits]))
    return made


def head(root: Path) -> str:
    """The commit that a checkout is at, read without starting Git; empty where that cannot be told."""
    folder = root / ".git"
    try:
        said = (folder / "HEAD").read_text().strip()
        if not said.startswith("ref: "):
            return said
        name = said.removeprefix("ref: ")
        if (folder / name).is_file():
            return (folder / name).read_text().strip()
        packed = (folder / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except (OSError, UnicodeDecodeError):
        return ""


def _runs(root: Path, path: str, name: str, kept: Cache) -> Iterator[Mark]:
    """What the last run of a runbook leaves in doubt."""
    from blumeops.context import rehearsed

    last = rehearsed.of(root, name, kept)
    if not last.holds:
        yield Mark(Doubt.RUN, last.said, path)


def _shown(said: str) -> str:
    """What is said in one line; what it quotes of a page is one word each: it stands outside of a fence."""
    words = " ".join(clean(said).replace("`", "'").split())
    words = _QUOTED.sub(lambda found: found[1] + label(found[2]) + found[3], words)
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 1]}…"

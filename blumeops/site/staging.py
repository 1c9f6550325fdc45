"""From `docs/`, `runbooks/` and run records to `build/docs`: standard Markdown that any generator builds.

    docs/**.md          wikilinks made relative links, "Linked from" added
    runbooks/*.md       -> how-to/NAME.md, with the outputs of the last run and a status card
    blumeops/**.py      -> reference/cli.md, reference/library/*.md
    docs/assets/**      copied; an SVG that a page embeds is put into the page, so it follows light and dark

Staging again writes only what changed, and takes away what left. Three lines in a page are filled in:
`<!-- blumeops:state -->`, `<!-- blumeops:pages -->` (the section's pages) and `<!-- blumeops:runbooks -->`.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blumeops.errors import BadInput, Problem
from blumeops.facts import freshness
from blumeops.site import downloads, reference, wikilinks
from blumeops.site.additions import additions
from blumeops.site.additions import pages as made_pages
from blumeops.site.backlinks import Contexts
from blumeops.site.cache import digest
from blumeops.site.compose import Basis, Source, finish, read_text, runbook_name
from blumeops.site.leaks import leaks
from blumeops.site.navigation import SECTIONS, Nav, navigation
from blumeops.site.place import STAGED as STAGED
from blumeops.site.place import Place
from blumeops.site.sanitise import Sanitised, sanitise
from blumeops.site.vault import Page, Vault, page, vault
from blumeops.site.verified import LastRun, last_runs
from blumeops.site.wikilinks import Rewritten

ATTACHMENTS = frozenset({
    ".md", ".apng", ".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp",
    ".m4a", ".mp3", ".mp4", ".ogg", ".webm", ".pdf",
})  # fmt: skip
"""What a bare vault publishes: its folder may hold anything, so only pages and what they embed."""


@dataclass(frozen=True, slots=True)
class Staged:
    """The staged tree: its folder, the index of its pages, the navigation, and what was written.

    `digests` are those of its files, by path; none when it was not written. `basis` is what it was made from.
    """

    folder: Path
    vault: Vault
    nav: Nav
    links: Mapping[str, frozenset[str]]
    written: tuple[str, ...]
    removed: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    digests: Mapping[str, bytes] = field(default_factory=dict)
    basis: Basis | None = None


@dataclass(slots=True)
class Kept:
    """What a process that stages again keeps: each is found by what it was made from, whole and equal."""

    pages: dict[str, tuple[tuple[str, str, bool], Sanitised, Page]] = field(default_factory=dict)
    names: object = None
    rewritten: dict[str, tuple[Page, Rewritten]] = field(default_factory=dict)
    contexts: Contexts = field(default_factory=dict)


def read(where: Path | Place, kept: Kept | None = None) -> Source:
    """Read everything the site is made from. Raises `BadInput` with every problem of every page.

    What would act in a page is shown instead, and is in the `problems` of what is returned.
    """
    place, kept = Place.of(where), kept or Kept()
    root = place.root
    pages: list[Page] = []
    problems: list[Problem] = []
    harm: list[Problem] = []
    files: dict[str, Path] = {}
    for path, file in _files(place, problems):
        if file.suffix != ".md":
            files[path] = file
            continue
        try:
            safe, read = _page(
                kept, path, (place.source(file), read_text(file), place.runbooks in file.parents)
            )
            harm += safe.problems
            pages.append(read)
        except BadInput as error:
            problems += error.problems
        except UnicodeDecodeError as error:
            problems.append(Problem(f"not UTF-8 (byte {error.start})", str(file.relative_to(root))))
    pages += [page(path, source, text, generated=True) for path, source, text in reference.pages(root)]
    pages += [page(path, source, text, generated=True) for path, source, text in made_pages(pages)]
    problems += _clashes(pages)
    runs = _runs(root, pages, problems)
    if problems:
        raise BadInput(problems)
    return Source(root, vault([*pages, *_missing_indexes(pages)], files), files, tuple(harm), runs)


def _runs(root: Path, pages: list[Page], problems: list[Problem]) -> dict[str, LastRun]:
    """What is known of each runbook's runs; a record that is wrong, and every secret, goes to `problems`."""
    runbooks = {name: one for one in pages if (name := runbook_name(one))}
    try:
        runs = last_runs(root, runbooks)
    except BadInput as error:
        problems += error.problems
        return {}
    problems += leaks(root, runbooks, runs)
    return runs


def _require_pages(place: Place, source: Source) -> None:
    """A site of nothing is a wrong folder, not a good site."""
    if all(page.generated for page in source.vault.pages.values()):
        hint = "name another folder with --root, or write the first page with `blumeops docs new`"
        raise BadInput([Problem("there is no page in this folder", str(place.docs), hint=hint)])


def _page(kept: Kept, path: str, made_from: tuple[str, str, bool]) -> tuple[Sanitised, Page]:
    known = kept.pages.get(path)
    if known is None or known[0] != made_from:
        source, text, notebook = made_from
        safe = sanitise(text, source=source, notebook=notebook)
        known = kept.pages[path] = made_from, safe, page(path, source, safe.text)
    return known[1], known[2]


def _rewritten(source: Source, kept: Kept) -> dict[str, Rewritten]:
    """Each page with its links rewritten; the kept ones while no page's names and headings are others."""
    pages = source.vault.pages
    names = (
        source.vault.files,
        [
            (p.path, p.source, p.title, p.aliases, p.id, p.generated, p.headings, p.scan.blocks)
            for p in pages.values()
        ],
    )
    if kept.names != names:
        kept.rewritten.clear()
    kept.names = names
    made = {}
    for path, one in pages.items():
        known = kept.rewritten.get(path)
        if known is None or known[0] is not one or known[1].embeds:
            known = kept.rewritten[path] = one, wikilinks.rewrite(one, source.vault)
        made[path] = known[1]
    return made


def _files(place: Place, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    """Every file of the vault with its path in the site. A symbolic link that leads out is a problem."""
    root = place.root
    found = [(file.relative_to(place.docs).as_posix(), file) for file in _under(place)]
    found += [(f"how-to/{file.name}", file) for file in sorted(place.runbooks.glob("*.md"))]
    for path, file in found:
        if not file.resolve().is_relative_to(root.resolve()):
            where = file.relative_to(root).as_posix()
            problems.append(
                Problem("this symbolic link leads out of the repository", where, hint="remove it")
            )
        elif file.is_file():
            yield path, file


def _under(place: Place) -> Iterator[Path]:
    """The files of the pages' folder in order; of a bare vault only what belongs to its pages."""
    bare = place.docs == place.root
    left_out = {place.site, place.runbooks, place.staged, place.root / "node_modules"} if bare else set()
    for folder, names, files in os.walk(place.docs):
        names[:] = sorted(n for n in names if n[0] != "." and Path(folder, n) not in left_out)
        for name in sorted([*files, *(n for n in names if Path(folder, n).is_symlink())]):
            if name[0] != "." and (not bare or Path(name).suffix.lower() in ATTACHMENTS):
                yield Path(folder, name)


def _clashes(pages: list[Page]) -> list[Problem]:
    taken: dict[str, Page] = {}
    clashes = []
    for one in pages:
        other = taken.setdefault(one.path.casefold(), one)
        if other is not one:
            clashes.append(
                Problem(f"the site has {other.source} at the same place", one.source, hint="rename one")
            )
    return clashes


def _missing_indexes(pages: list[Page]) -> list[Page]:
    """An index page for every section that has none, so that each folder of the site can be opened."""
    paths = {page.path for page in pages}
    folders = {folder for path in paths for folder in _parents(path)}
    missing = sorted(f"{folder}/index.md" for folder in folders if f"{folder}/index.md" not in paths)
    return [_index(path) for path in missing]


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _index(path: str) -> Page:
    folder = posixpath.dirname(path)
    package = folder.removeprefix("reference/library/")
    name = posixpath.basename(folder).replace("-", " ").capitalize()
    title = name if package == folder else f"blumeops.{package.replace('/', '.')}"
    text = f"---\ntitle: {title}\n---\n# {title}\n\n{SECTIONS.get(folder, '')}\n\n<!-- blumeops:pages -->\n"
    return page(path, path, text, generated=True)


def stage(
    where: Path | Place,
    folder: Path | None = None,
    *,
    strict: bool = True,
    write: bool = True,
    kept: Kept | None = None,
) -> Staged:
    """Write the staged tree where the place has it (or into `folder`). Raises `BadInput` with every problem.

    Nothing is written when there is a problem, so a site that was right stays as it was. Without `strict`
    the problems are in what is returned, and a link that leads nowhere stays as it was written; without
    `write` nothing is written at all. `kept` is what an earlier call of this process left for this one.
    """
    place, keep, kept = Place.of(where), kept is not None, kept or Kept()
    source = read(place, kept)
    _require_pages(place, source)
    into = folder or place.staged
    rewritten = _rewritten(source, kept)
    problems = [*source.problems, *(problem for done in rewritten.values() for problem in done.problems)]
    texts = {path: finish(source, path, done.text, problems) for path, done in rewritten.items()}
    links = {path: done.links for path, done in rewritten.items()}
    linked = {path: done.text for path, done in rewritten.items()}
    added = additions(
        place,
        source.vault,
        linked,
        links,
        contexts=kept.contexts,
        runs={one.path: source.last_run(one) for one in source.vault.pages.values() if runbook_name(one)},
    )
    problems += added.problems
    if problems and strict:
        raise BadInput(problems)
    notes = freshness.notes(place.root, source.vault.pages.values())
    for path, note in notes.items():
        texts[path] = freshness.with_note(texts[path], note)
    for path, end in added.ends.items():
        texts[path] = texts[path].rstrip("\n") + "\n\n" + end
    runbooks = [one for one in source.vault.pages.values() if runbook_name(one)]
    wanted: dict[str, str | Path] = {**texts, **added.files, **downloads.notebooks(runbooks), **source.files}
    written, removed, made = _write(wanted, into) if write else ((), (), {})
    nav, basis = navigation(source.vault.pages), Basis(source, linked, notes, keep)
    return Staged(into, source.vault, nav, links, written, removed, tuple(problems), made, basis)


def _write(
    wanted: Mapping[str, str | Path], folder: Path
) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, bytes]]:
    """Bring a folder to exactly these files. Returns what was written, what was removed, and digests."""
    written = []
    digests: dict[str, bytes] = {}
    for path, made in wanted.items():
        file = os.path.join(folder, path)
        data = made.encode() if isinstance(made, str) else made.read_bytes()
        digests[path] = digest(data)
        if _holds(file, data):
            continue
        os.makedirs(os.path.dirname(file), exist_ok=True)
        Path(file).write_bytes(data)
        written.append(path)
    left = _clear(wanted, folder)
    return tuple(sorted(written)), tuple(left), digests


def _holds(file: str, data: bytes) -> bool:
    try:
        with open(file, "rb") as there:
            return there.read() == data
    except OSError:
        return False


def _clear(wanted: Mapping[str, str | Path], folder: Path) -> list[str]:
    """Remove the files that are not wanted, and the folders that are empty then."""
    left = []
    for inside, _, files in os.walk(folder, topdown=False):
        for name in sorted(files):
            path = os.path.relpath(os.path.join(inside, name), folder) if inside != str(folder) else name
            if path not in wanted:
                os.unlink(os.path.join(inside, name))
                left.append(path)
        if inside != str(folder) and not os.listdir(inside):
            os.rmdir(inside)
    return left

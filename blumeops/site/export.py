"""The whole site as plain Markdown: for GitHub, for another wiki, for an assistant's context.

Every page with its links resolved, runbooks with what their last run said, listings written out, other
files beside them. A manifest in the folder says what was exported, so that exporting again changes only
what changed, takes away what left, and never overwrites what somebody else wrote.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from blumeops import records
from blumeops.errors import BadInput, BlumeOpsError, Problem
from blumeops.facts.bound import strip
from blumeops.site import frontmatter, graph, markdown, outputs, plain, runbook_page, staging, wikilinks
from blumeops.site.compose import Source
from blumeops.site.place import Place
from blumeops.site.vault import Page, Vault

MANIFEST = ".blumeops-export.json"
FOLDER = Path("build/markdown")
"""Where our own repository is exported to when nothing is said; Git ignores it."""
_MARKER = re.compile(r"^<!-- blumeops:(?P<name>pages|runbooks|state) -->[ \t]*$", re.MULTILINE)
_GOES = "This page shows the homelab's state on the site; `blumeops status` asks for it."


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did: the folder, the paths in it that it wrote and removed, and how many it left."""

    folder: Path
    written: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


def export(where: Path | Place, into: Path | None = None) -> Exported:
    """Write the site of a repository or vault as plain Markdown. Raises `BadInput` with every problem.

    Nothing is written when there is one: a broken link, or a file in the folder that is not ours. The
    folder is `FOLDER` in our own repository when none is given; for somebody else's it has to be named.
    """
    place = Place.of(where)
    if into is None and not place.ours:
        raise BlumeOpsError(
            "where to?", where=str(place.root), hint="name a folder: blumeops docs export DIR"
        )
    into = (into or place.root / FOLDER).absolute()
    if into.resolve().is_relative_to(place.docs.resolve()):
        what = "an export inside of the vault would be read as pages of it"
        raise BlumeOpsError(what, where=str(into), hint="name a folder outside of it")
    source = staging.read(place)
    wanted = {path: text.encode() for path, text in texts(source).items()}
    wanted |= {path: file.read_bytes() for path, file in source.files.items()}
    return _write(wanted, into)


def texts(source: Source) -> dict[str, str]:
    """Every page of a site as plain Markdown, by its path. Raises `BadInput` with every problem."""
    vault = source.vault
    rewritten = {path: wikilinks.rewrite(page, vault) for path, page in vault.pages.items()}
    if problems := [problem for done in rewritten.values() for problem in done.problems]:
        raise BadInput(problems)
    anchors = {path: plain.anchors(done.text) for path, done in rewritten.items()}
    made = {}
    for path, done in rewritten.items():
        page = vault.pages[path]

        def anchor(way: str, slug: str, *, origin: str = path) -> str:
            beside = posixpath.join(posixpath.dirname(origin), unquote(way))
            target = posixpath.normpath(beside) if way else origin
            return anchors.get(target, {}).get(unquote(slug), slug)

        made[path] = with_heading(page, plain.plain(body(source, page, done.text), anchor))
    return made


def body(source: Source, page: Page, linked: str) -> str:
    """A page's text with its listings and a runbook's outcome written out, in the site's own Markdown.

    `linked` is its text with links rewritten; those of what is written out are relative to the page, too.
    """
    if page.generated and page.path == graph.PAGE:
        return f"# {page.title}\n\nThe site draws it. All pages:\n\n{_listing('all', page, source.vault)}"
    text = _body(source, page, linked)
    return strip(_MARKER.sub(lambda found: _listing(found["name"], page, source.vault), text), titles=False)


def _body(source: Source, page: Page, linked: str) -> str:
    if not page.source.startswith("runbooks/"):
        return linked[frontmatter.end_of(linked) :]
    return "\n".join(_runbook(linked, source.last_run(page).record))


def _runbook(linked: str, record: records.RunRecord | None) -> Iterator[str]:
    """A runbook's lines, its links rewritten already: prose, code, and below each cell what it said."""
    starts = {cell.first: cell for cell in runbook_page.cells(linked)}
    ran = {cell.index: cell for cell in record.cells} if record else {}
    lines = linked.split("\n")
    number = linked.count("\n", 0, frontmatter.end_of(linked))
    while number < len(lines):
        if cell := starts.get(number):
            yield outputs.fence(cell.source, "python")
            said = ran[cell.index].outputs if cell.index in ran else ()
            yield from (f"\n{shown}" for output in said if (shown := outputs.to_markdown(output)))
            number = cell.last
        elif lines[number] != "+++":
            yield lines[number]
            if lines[number].startswith("# "):
                yield f"\n> **{record or 'Never run'}**"
        number += 1


def _listing(name: str, page: Page, vault: Vault) -> str:
    """What the site fills in for a marker, as a list."""
    prefix = page.path[: page.path.rfind("/") + 1]
    match name:
        case "pages":
            found = [one for one in vault.pages.values() if one is not page and _stands_in(one.path, prefix)]
        case "all":
            found = [one for one in vault.pages.values() if one is not page]
        case "runbooks":
            found = [one for one in vault.pages.values() if one.source.startswith("runbooks/")]
        case _:
            return _GOES
    ordered = sorted(found, key=lambda one: (one.order, one.title.casefold()))
    return "\n".join(_item(one, page) for one in ordered)


def _stands_in(path: str, prefix: str) -> bool:
    """Whether a page stands in a folder, or is the page of a folder in it. `prefix` ends with a slash."""
    if not path.startswith(prefix):
        return False
    name = path[len(prefix) :]
    return "/" not in name or (name.count("/") == 1 and name.endswith("/index.md"))


def _item(one: Page, origin: Page) -> str:
    link = f"- [{wikilinks.escape(one.title)}]({wikilinks.relative(one.path, origin.path)})"
    return f"{link}: {wikilinks.safe(one.description)}" if one.description else link


def with_heading(page: Page, text: str) -> str:
    """A page's text closed up, below its title."""
    text = plain.close_up(text)
    has_one = any(heading.level == 1 for heading in markdown.headings(text))
    return f"{text}\n" if has_one else f"# {wikilinks.escape(page.title)}\n\n{text}\n"


def _write(wanted: Mapping[str, bytes], folder: Path) -> Exported:
    known = _manifest(folder)
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in wanted.items()}
    left = [path for path in known if path not in wanted and (folder / path).is_file()]
    if problems := [*_foreign(digests, known, folder), *_edited(left, known, folder)]:
        raise BadInput(problems)
    written = [path for path in wanted if _digest(folder / path) != digests[path]]
    for path in written:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(wanted[path])
    for path in left:
        (folder / path).unlink()
        _remove_empty((folder / path).parent, folder)
    folder.mkdir(parents=True, exist_ok=True)
    said = json.dumps({"files": dict(sorted(digests.items()))}, indent=1, ensure_ascii=False) + "\n"
    if written or left or not (folder / MANIFEST).is_file():
        (folder / MANIFEST).write_text(said, encoding="utf-8")
    return Exported(folder, tuple(sorted(written)), tuple(sorted(left)), len(wanted) - len(written))


def _manifest(folder: Path) -> Mapping[str, str]:
    file = folder / MANIFEST
    if not file.is_file():
        return {}
    try:
        files = json.loads(file.read_text(encoding="utf-8"))["files"]
        return {str(path): str(digest) for path, digest in files.items() if _is_inside(str(path))}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"this is not the manifest of an export ({type(error).__name__})"
        raise BadInput([Problem(what, str(file), hint="export into an empty folder")]) from error


def _is_inside(path: str) -> bool:
    return not posixpath.isabs(path) and ".." not in path.split("/")


def _foreign(digests: Mapping[str, str], known: Mapping[str, str], folder: Path) -> Iterator[Problem]:
    for path, digest in digests.items():
        file = folder / path
        if any(part.is_symlink() for part in (file, *file.parents) if part.is_relative_to(folder)):
            yield Problem("a symbolic link stands where the export writes", str(file), hint="remove it")
        elif file.exists() and _digest(file) not in (digest, known.get(path)):
            what = "was edited since it was exported" if path in known else "is not from an export"
            yield Problem(f"this file {what}", str(file), hint="move it away, or export to another folder")


def _edited(left: list[str], known: Mapping[str, str], folder: Path) -> Iterator[Problem]:
    for path in left:
        if _digest(folder / path) != known[path]:
            what = "this page left the site, and was edited since it was exported"
            yield Problem(what, str(folder / path), hint="move it away, or remove it")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent

"""From `docs/`, `runbooks/` and run records to `build/docs`: standard Markdown that any generator builds.

    docs/**.md          wikilinks made relative links, "Linked from" added
    runbooks/*.md       -> how-to/NAME.md, with the outputs of the last run and a status card
    blumeops/**.py      -> reference/cli.md, reference/library/*.md
    docs/assets/**      copied; an SVG that a page embeds is put into the page, so it follows light and dark

Staging again writes only what changed, and takes away what left. Three lines in a page are filled in:
`<!-- blumeops:state -->`, `<!-- blumeops:pages -->` (the section's pages) and `<!-- blumeops:runbooks -->`.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blumeops import records
from blumeops.errors import BadInput, Problem
from blumeops.site import frontmatter, home, reference, runbook_page, wikilinks
from blumeops.site.navigation import SECTIONS, Nav, navigation
from blumeops.site.vault import Page, Vault, page, vault

STAGED = Path("build/docs")
_MARKER = re.compile(r"^<!-- blumeops:(\w+) -->[ \t]*$", re.MULTILINE)
_SVG = re.compile(r"^!\[(?P<label>[^\]\n]*)\]\((?P<path>[^)\s]+\.svg)\)(?:\{[^}\n]*\})?[ \t]*$", re.MULTILINE)
_ACTIVE_SVG = re.compile(
    r"<\s*(?:script|foreignObject|iframe|image|use)\b|\son\w+\s*=|javascript:", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Staged:
    """The staged tree: its folder, the index of its pages, the navigation, and what was written."""

    folder: Path
    vault: Vault
    nav: Nav
    links: Mapping[str, frozenset[str]]
    written: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """What was read from a repository: its index, and the files beside the pages with where they are."""

    root: Path
    vault: Vault
    files: Mapping[str, Path]


def read(root: Path) -> Source:
    """Read everything the site is made from. Raises `BadInput` with every problem of every page."""
    pages: list[Page] = []
    problems: list[Problem] = []
    files: dict[str, Path] = {}
    for path, file in _files(root, problems):
        if file.suffix != ".md":
            files[path] = file
            continue
        try:
            pages.append(page(path, file.relative_to(root).as_posix(), _text(file)))
        except BadInput as error:
            problems += error.problems
        except UnicodeDecodeError as error:
            problems.append(Problem(f"not UTF-8 (byte {error.start})", str(file.relative_to(root))))
    pages += [page(path, source, text, generated=True) for path, source, text in reference.pages(root)]
    problems += _clashes(pages)
    if problems:
        raise BadInput(problems)
    return Source(root, vault([*pages, *_missing_indexes(pages)], files), files)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")


def _files(root: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    """Every file of the vault with its path in the site. A symbolic link that leads out is a problem."""
    docs, runbooks = root / "docs", root / "runbooks"
    found = [(file.relative_to(docs).as_posix(), file) for file in sorted(docs.rglob("*"))]
    found += [(f"how-to/{file.name}", file) for file in sorted(runbooks.glob("*.md"))]
    for path, file in found:
        if any(part.startswith(".") for part in path.split("/")):
            continue
        if not file.resolve().is_relative_to(root.resolve()):
            where = file.relative_to(root).as_posix()
            problems.append(
                Problem("this symbolic link leads out of the repository", where, hint="remove it")
            )
        elif file.is_file():
            yield path, file


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


def stage(root: Path, folder: Path | None = None) -> Staged:
    """Write the staged tree under `root / build/docs` (or `folder`). Raises `BadInput` with every problem.

    Nothing is written when there is a problem, so a site that was right stays as it was.
    """
    source = read(root)
    into = folder or root / STAGED
    rewritten = {path: wikilinks.rewrite(one, source.vault) for path, one in source.vault.pages.items()}
    problems = [problem for done in rewritten.values() for problem in done.problems]
    texts = {path: _finish(source, path, done.text, problems) for path, done in rewritten.items()}
    if problems:
        raise BadInput(problems)
    links = {path: done.links for path, done in rewritten.items()}
    for path, linked_from in _backlinks(links, source.vault).items():
        texts[path] = texts[path].rstrip("\n") + "\n\n" + linked_from
    wanted = {path: text.encode() for path, text in texts.items()}
    wanted |= {path: file.read_bytes() for path, file in source.files.items()}
    written, removed = _write(wanted, into)
    return Staged(into, source.vault, navigation(source.vault.pages), links, written, removed)


def _finish(source: Source, path: str, text: str, problems: list[Problem]) -> str:
    one = source.vault.pages[path]
    if one.source.startswith("runbooks/"):
        stem = posixpath.basename(path).removesuffix(".md")
        text = _front(one) + runbook_page.render(one.text, text, records.latest(source.root, stem))
    text = _SVG.sub(lambda found: _inline_svg(source, one, found, problems), text)
    return _MARKER.sub(lambda found: _fill(source, one, found[1], problems), text)


def _front(one: Page) -> str:
    """A runbook's front matter for the site: the notebook's own keys say nothing to a reader."""
    return f"---\ntitle: {_quoted(one.title)}\ndescription: {_quoted(one.description)}\n---\n\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _fill(source: Source, one: Page, name: str, problems: list[Problem]) -> str:
    pages = source.vault.pages
    runbooks = {p.path: p for p in pages.values() if p.source.startswith("runbooks/")}
    match name:
        case "state":
            ways = {
                posixpath.basename(p).removesuffix(".md"): (r.title, _way(p, one))
                for p, r in runbooks.items()
            }
            return home.state_html(source.root, ways)
        case "pages":
            folder = posixpath.dirname(one.path)
            return _listing([p for p in pages.values() if _stands_in(p, folder) and p is not one], one)
        case "runbooks":
            return _listing(list(runbooks.values()), one)
    problems.append(
        Problem(f"<!-- blumeops:{name} --> is not known", one.source, hint="state, pages or runbooks")
    )
    return ""


def _way(path: str, origin: Page) -> str:
    """The address of a page from another, in the site (folders, not files)."""
    here = origin.path.removesuffix("index.md").removesuffix(".md") or "."
    return posixpath.relpath(path.removesuffix("index.md").removesuffix(".md"), here) + "/"


def _stands_in(one: Page, folder: str) -> bool:
    parent = posixpath.dirname(one.path)
    return parent == folder or (one.path.endswith("/index.md") and posixpath.dirname(parent) == folder)


def _listing(pages: list[Page], origin: Page) -> str:
    ordered = sorted(pages, key=lambda one: (one.order, one.title.casefold()))
    items = [_item(one, origin) for one in ordered]
    return '<div class="grid cards" markdown="1">\n\n' + "\n\n".join(items) + "\n\n</div>"


def _item(one: Page, origin: Page) -> str:
    link = f"-   **[{wikilinks.escape(one.title)}]({wikilinks.relative(one.path, origin.path)})**"
    summary = one.description or _first_sentence(one.text)
    return f"{link}\n\n    {wikilinks.safe(summary)}" if summary else link


def _first_sentence(text: str) -> str:
    body = text[frontmatter.end_of(text) :]
    paragraphs = (block.strip() for block in body.split("\n\n"))
    first = next((block for block in paragraphs if block[:1].isalnum() or block[:2] == "[["), "")
    words = runbook_page.markdown.plain(first.replace("\n", " "))
    return re.split(r"(?<=[.?])\s", words, maxsplit=1)[0].removesuffix(":")


def _inline_svg(source: Source, one: Page, found: re.Match[str], problems: list[Problem]) -> str:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(one.path), found["path"]))
    file = source.files.get(path)
    if file is None:
        return found[0]
    svg = _text(file)
    if _ACTIVE_SVG.search(svg):
        problems.append(
            Problem("this picture holds a script or loads other files", f"docs/{path}", hint="draw it plain")
        )
        return ""
    drawn = re.sub(r"\s*\n\s*", " ", svg[svg.index("<svg") :].strip())
    label = f"<figcaption>{found['label']}</figcaption>" if found["label"] else ""
    return f'<figure class="drawing">{drawn}{label}</figure>'


def _backlinks(links: Mapping[str, frozenset[str]], index: Vault) -> dict[str, str]:
    """For each page that others link to, the closing lines that name them."""
    back: dict[str, list[Page]] = defaultdict(list)
    for origin, targets in links.items():
        for target in targets:
            back[target].append(index.pages[origin])
    return {
        target: _linked_from(index.pages[target], pages)
        for target, pages in back.items()
        if target != "index.md"
    }


def _linked_from(target: Page, pages: list[Page]) -> str:
    ordered = sorted(pages, key=lambda one: one.title.casefold())
    listed = [f"- [{wikilinks.escape(p.title)}]({wikilinks.relative(p.path, target.path)})" for p in ordered]
    return '<div class="backlinks" markdown="1">\n\n**Linked from**\n\n' + "\n".join(listed) + "\n\n</div>\n"


def _write(wanted: Mapping[str, bytes], folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Bring a folder to exactly these files. Returns what was written and what was removed."""
    written = []
    for path, data in wanted.items():
        file = folder / path
        if file.is_file() and file.read_bytes() == data:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        written.append(path)
    there = [file for file in sorted(folder.rglob("*"), reverse=True)] if folder.is_dir() else []
    left = [file for file in there if file.is_file() and file.relative_to(folder).as_posix() not in wanted]
    for file in left:
        file.unlink()
    for file in there:
        if file.is_dir() and not any(file.iterdir()):
            file.rmdir()
    return tuple(sorted(written)), tuple(file.relative_to(folder).as_posix() for file in left)

"""What a page gets that its author did not write: run results, listings, drawings."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blumeops.errors import BadInput, Problem
from blumeops.facts.bound import strip
from blumeops.site import downloads, frontmatter, home, markdown, runbook_page, verified, wikilinks
from blumeops.site.home import RunLine
from blumeops.site.runbook_card import About, to_verify_by
from blumeops.site.vault import Page, Vault
from blumeops.site.verified import LastRun

_MARKER = re.compile(r"^<!-- blumeops:(\w+) -->[ \t]*$", re.MULTILINE)
_SVG = re.compile(r"^!\[(?P<label>[^\]\n]*)\]\((?P<path>[^)\s]+\.svg)\)(?:\{[^}\n]*\})?[ \t]*$", re.MULTILINE)
_ACTIVE_SVG = re.compile(
    r"<\s*(?:script|foreignObject|iframe|image|use)\b|\son\w+\s*=|javascript:", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Source:
    """What was read from a repository: its index, the files beside the pages with where they are, the harm
    that was taken out of its pages, and what is known of its runbooks' runs, by name."""

    root: Path
    vault: Vault
    files: Mapping[str, Path]
    problems: tuple[Problem, ...] = ()
    runs: Mapping[str, LastRun] = field(default_factory=dict)

    def last_run(self, one: Page) -> LastRun:
        """What is known of the runs of a runbook's page."""
        return self.runs.get(runbook_name(one), verified.NEVER)


@dataclass(frozen=True, slots=True)
class Basis:
    """What a staged tree was made from: its source, the texts with links rewritten, notes on freshness.

    `keep` is true for a process that will stage again, and has use for what it remembers.
    """

    source: Source
    linked: Mapping[str, str]
    notes: Mapping[str, str]
    keep: bool = False


def runbook_name(one: Page) -> str:
    """The name of the runbook that a page is; empty for every other page."""
    if not one.source.startswith("runbooks/"):
        return ""
    return posixpath.basename(one.path).removesuffix(".md")


def due(one: Page, source: Source) -> str:
    """When a runbook is to be run again (a date and time in UTC); empty when nobody said how often."""
    return to_verify_by(one.front, source.last_run(one))


def services(pages: Mapping[str, Page]) -> dict[str, str]:
    """The page of each service, by the name that its front matter gives it."""
    return {name: one.path for one in pages.values() if (name := one.front.text("service"))}


def read_text(file: Path) -> str:
    """A file's text with plain line ends."""
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")


def finish(source: Source, path: str, text: str, problems: list[Problem]) -> str:
    """A page as it is staged, but for its end (`page_end.py`).

    `text` has its links rewritten; what is wrong is added to `problems`.
    """
    one = source.vault.pages[path]
    if name := runbook_name(one):
        ways = {s: wikilinks.relative(way, path) for s, way in services(source.vault.pages).items()}
        about = About(name, one.source, one.front, ways, downloads.beside(one))
        try:
            text = _front(one) + runbook_page.render(one.text, text, source.last_run(one), about)
        except BadInput as error:
            problems += error.problems
    text = strip(text)
    text = _in_prose(_SVG, lambda found: _inline_svg(source, one, found, problems), text)
    return _in_prose(_MARKER, lambda found: _fill(source, one, found[1], problems), text)


def _in_prose(pattern: re.Pattern[str], made: Callable[[re.Match[str]], str], text: str) -> str:
    """Replace outside of fences only: what a page quotes, and what a run printed, is never acted on."""
    if not pattern.search(text):
        return text
    ends = [(f.first, len(text) if f.last is None else f.last) for f in markdown.fences(text)]

    def outside(found: re.Match[str]) -> str:
        line = text.count("\n", 0, found.start())
        return found[0] if any(first <= line <= last for first, last in ends) else made(found)

    return pattern.sub(outside, text)


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
            lines = [
                RunLine(r.title, _way(p, one), source.last_run(r), due(r, source))
                for p, r in runbooks.items()
            ]
            return home.state_html(source.root, lines)
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
    about = summary(one)
    return f"{link}\n\n    {wikilinks.safe(about)}" if about else link


def summary(one: Page) -> str:
    """What a page is about: its description, or else its first sentence."""
    return one.description or _first_sentence(one.text)


def _first_sentence(text: str) -> str:
    body = text[frontmatter.end_of(text) :]
    paragraphs = (block.strip() for block in body.split("\n\n"))
    first = next((block for block in paragraphs if block[:1].isalnum() or block[:2] == "[["), "")
    words = markdown.plain(first.replace("\n", " "))
    return re.split(r"(?<=[.?])\s", words, maxsplit=1)[0].removesuffix(":")


def _inline_svg(source: Source, one: Page, found: re.Match[str], problems: list[Problem]) -> str:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(one.path), found["path"]))
    file = source.files.get(path)
    if file is None:
        return found[0]
    svg = read_text(file)
    if _ACTIVE_SVG.search(svg):
        problems.append(
            Problem("this picture holds a script or loads other files", f"docs/{path}", hint="draw it plain")
        )
        return ""
    drawn = re.sub(r"\s*\n\s*", " ", svg[svg.index("<svg") :].strip())
    label = f"<figcaption>{found['label']}</figcaption>" if found["label"] else ""
    return f'<figure class="drawing">{drawn}{label}</figure>'

"""Judges runbooks without running them: everything that is wrong with a page, each with its line.

`format` refuses what cannot be read; here stands what a page of this project has to be besides.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops.errors import BadInput, Problem
from blumeops.runbooks import check_cells, code, format
from blumeops.runbooks.blocks import Page, parse
from blumeops.runbooks.canonical import canonical
from blumeops.runbooks.check_cells import near
from blumeops.runbooks.model import Role, Runbook

if TYPE_CHECKING:
    import click

SECTIONS = ("Purpose", "Preconditions", "Parameters", "Steps", "Verify", "Rollback", "Escalation", "Related")
LAYERS = ("tailnet", "hosts", "cluster")
REQUIRED = (
    "title",
    "description",
    "tags",
    "layers",
    "services",
    "alerts",
    "risk",
    "reversible",
    "owner",
    "requires",
    "timeout",
    "verify-every",
)
OF_ANY_PAGE = (
    "aliases",
    "order",
    "redirect_from",
    "id",
    "reviewed",
    "describes",
    "orphan",
    "archived",
    "status",
    "hide",
)
_SENTENCE = re.compile(r"[^\s].*?[.!?](?=\s|$)")
_ALERT = re.compile(r"^\s*-?\s*alert:\s*[\"']?([\w-]+)", re.MULTILINE)


def check(
    root: Path,
    names: Sequence[str] = (),
    *,
    clis: Mapping[str, click.Command] | None = None,
    prose: bool = True,
) -> list[Problem]:
    """Everything that is wrong with some runbooks, or with all, in the order of files and lines.

    `clis` are our own programs by name: commands in prose are compared with them. `prose` is off where the
    docs' own check looks at commands and secrets anyway. Raises `BlumeOpsError` for a name that is none.
    """
    wanted = [format.path_of(root, name).stem for name in names] or list(format.names(root))
    around = _Around(root)
    problems = [problem for name in wanted for problem in _of(root, name, around)]
    if prose:
        problems += _prose(root, wanted, clis or {})
    return sorted(dict.fromkeys(problems), key=lambda one: (one.path, one.line, one.column))


def text_problems(text: str, path: Path, *, services: Sequence[str], alerts: Sequence[str]) -> list[Problem]:
    """Everything that is wrong with the text of one runbook. No services or alerts: they are not compared."""
    shown = format.shown(path)
    try:
        page, book = parse(text, shown), format.reads(text, path)
    except BadInput as error:
        return list(error.problems)
    found = [
        *_front(page, book, shown, services, alerts),
        *_sections(page, text, shown),
        *check_cells.check(book, page, shown),
        *code.check(book, shown),
    ]
    return found or list(_form(text, page, shown))


class _Around:
    """What the pages of a checkout are compared with."""

    def __init__(self, root: Path) -> None:
        self.services = tuple(_services(root))
        texts = (p.read_text(encoding="utf-8", errors="replace") for p in (root / "homelab").rglob("*.y*ml"))
        self.alerts = tuple(sorted({name for text in texts for name in _ALERT.findall(text)}))


def _services(root: Path) -> Iterator[str]:
    """The services that have a card in the docs."""
    from blumeops.site import frontmatter

    for path in sorted((root / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if "\nservice:" in text[:4000]:
            try:
                yield frontmatter.read(text, source=str(path)).text("service")
            except BadInput:
                continue  # for the check of the docs to say


def _of(root: Path, name: str, around: _Around) -> Iterator[Problem]:
    path = root / format.FOLDER / f"{name}.md"
    try:
        raw = path.read_bytes().decode()
    except UnicodeDecodeError:
        yield Problem("this is not UTF-8 text", format.shown(path))
        return
    if "\r" in raw:
        hint = "jupytext would end them all anew"
        yield Problem("its lines end as on Windows", format.shown(path), 1, 0, hint)
    text = raw.replace("\r\n", "\n")
    yield from text_problems(text, path, services=around.services, alerts=around.alerts)
    yield from _notebook(path.with_suffix(".ipynb"), text, path)


def _front(
    page: Page, book: Runbook, path: str, services: Sequence[str], alerts: Sequence[str]
) -> Iterator[Problem]:
    if page.front is None:
        yield Problem("there is no front matter", path, 1, 0, f"between two ---: {', '.join(REQUIRED)}")
        return
    given = page.front.each()
    known = (*REQUIRED, *OF_ANY_PAGE)
    for key, value in given.items():
        if key in ("jupytext", "kernelspec"):
            yield Problem(f"{key} is not needed: jupytext.toml says it for all", path, value.named)
        elif key not in known:
            yield Problem(
                f"there is no field {key}", path, value.named, 0, near(key, known, "the fields are")
            )
    for key in REQUIRED:
        if key not in given:
            yield Problem(f"the field {key} is missing", path, 1)
    line = {key: value.line for key, value in given.items()}
    for word in book.layers:
        if word not in LAYERS:
            hint = near(word, LAYERS, "the layers are")
            yield Problem(f"there is no layer {word}", path, line["layers"], 0, hint)
    for word in book.services if services else ():
        if word not in services:
            hint = near(word, tuple(services), "services with a card")
            yield Problem(f"no card in the docs is of a service {word}", path, line["services"], 0, hint)
    for word in book.alerts if alerts else ():
        if word not in alerts:
            hint = near(word, tuple(alerts), "the alerts are")
            yield Problem(f"no rule in homelab/ raises {word}", path, line["alerts"], 0, hint)
    if "runbook" not in book.tags:
        yield Problem("it is not tagged runbook", path, line.get("tags", 1), 0, "tags: [runbook, how-to]")
    if book.description and _SENTENCE.match(book.description + " ") is None:
        yield Problem(
            "the description is a sentence", path, line["description"], 0, "end it with a full stop"
        )
    elif len(_SENTENCE.findall(book.description)) > 1:
        yield Problem("the description is one sentence", path, line["description"])
    for word in (*book.requires, *book.services, *book.alerts, *book.tags):
        if not word or word != word.strip() or "[" in word:
            yield Problem(f"{word!r} is no plain word", path, 1, 0, "plain words, no links: [caddy, gatus]")
    if not book.owner and "owner" in given:
        yield Problem("nobody owns it", path, line["owner"])


def _sections(page: Page, text: str, path: str) -> Iterator[Problem]:
    tops = [heading for heading in page.headings if heading.level == 1]
    if len(tops) != 1:
        yield Problem(f"{len(tops)} headings of the first level", path, tops[1].line if tops else page.body)
    sections = [heading for heading in page.headings if heading.level == 2]
    lines, said = text.split("\n"), [heading.text for heading in sections]
    for heading in sections:
        if heading.text not in SECTIONS:
            hint = near(heading.text, SECTIONS, "the sections are")
            yield Problem(f"there is no section {heading.text}", path, heading.line, 0, hint)
        elif said.count(heading.text) > 1 and heading is not sections[said.index(heading.text)]:
            yield Problem(f"the section {heading.text} is there twice", path, heading.line)
        later = (h.line - 1 for h in page.headings if h.line > heading.line and h.level <= 2)
        if not "".join(lines[heading.line : min(later, default=len(lines))]).strip():
            yield Problem(f"the section {heading.text} is empty", path, heading.line)
    for name in SECTIONS:
        if name not in said:
            after = SECTIONS[SECTIONS.index(name) - 1] if name != SECTIONS[0] else ""
            yield Problem(
                f"there is no section {name}", path, 0, 0, f"## {name}{after and f', after {after}'}"
            )
    order = [SECTIONS.index(name) for name in said if name in SECTIONS]
    for one, next_ in itertools.pairwise(order):
        if next_ < one:
            heading = sections[said.index(SECTIONS[next_])]
            what = f"{heading.text} stands after {SECTIONS[one]}"
            yield Problem(what, path, heading.line, 0, f"in order: {', '.join(SECTIONS)}")
    yield from _steps(page, path)


def _steps(page: Page, path: str) -> Iterator[Problem]:
    """Steps stand under a heading of their own, which gives them a name."""
    for block in page.blocks:
        role = format.role_of(block.tags)
        above = [heading for heading in page.headings if heading.line < block.first]
        if role in (Role.STEP, Role.ATTEST) and block.tags and (not above or above[-1].level < 3):
            yield Problem(
                "this step has no heading", path, block.first, 0, "### What it does, above its words"
            )


def _form(text: str, page: Page, path: str) -> Iterator[Problem]:
    """Whether an editor of notebooks leaves the page as it is. Asked last: a page that is right otherwise."""
    wanted = canonical(text, page)
    if wanted == text:
        return
    old, new = text.split("\n"), wanted.split("\n")
    pairs = enumerate(itertools.zip_longest(old, new), 1)
    line = next(number for number, (one, other) in pairs if one != other)
    what = "an editor of notebooks would write this otherwise"
    said = new[line - 1] if line <= len(new) else ""
    yield Problem(what, path, line, 0, f"`blumeops runbook check --fix` writes {said!r}")


def fix(root: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Write runbooks in the form that editors of notebooks keep; which ones were changed."""
    changed = []
    for name in names:
        path = format.path_of(root, name)
        text = path.read_text(encoding="utf-8")
        made = canonical(text, parse(text, format.shown(path)))
        if made != text and format.reads(made, path).cells:
            path.write_text(made, encoding="utf-8")
            changed.append(path.stem)
    return tuple(changed)


def _notebook(path: Path, text: str, page: Path) -> Iterator[Problem]:
    """R7: a notebook beside the page is a second truth, and one of them is wrong sooner or later."""
    if not path.is_file():
        return
    shown, hint = format.shown(path), f"remove it: {format.shown(page)} is the notebook"
    try:
        cells = [one for one in json.loads(path.read_text())["cells"] if one["cell_type"] == "code"]
        sources = ["".join(one["source"]) for one in cells]
        outputs = sum(bool(one.get("outputs")) for one in cells)
        ours = [block.source for block in parse(text, shown).blocks]
    except (OSError, ValueError, KeyError, TypeError, BadInput):
        yield Problem("this is not a notebook", shown, 0, 0, hint)
        return
    if sources != ours:
        pairs = enumerate(itertools.zip_longest(sources, ours), 1)
        first = next(number for number, (theirs, mine) in pairs if theirs != mine)
        yield Problem(f"it and {format.shown(page)} disagree from cell {first} on", shown, 0, 0, hint)
    else:
        said = f", with outputs in {outputs} of its cells" if outputs else ""
        yield Problem(f"a runbook is one file, and this is a copy{said}", shown, 0, 0, hint)


def _prose(root: Path, names: Sequence[str], clis: Mapping[str, click.Command]) -> Iterator[Problem]:
    """Commands in prose that do not exist, and secrets."""
    from blumeops.facts import census, commands, secrets, shell
    from blumeops.facts import page as pages
    from blumeops.facts import tree as trees

    tree = trees.read(root)
    known = census.of(tree)
    paths = [f"{format.FOLDER}/{name}.md" for name in names]
    for path in paths:
        try:
            page = pages.read(root, path)
        except BadInput:
            continue  # told already
        for one in commands.check(page, known, list(shell.commands(page)), clis):
            if one.sure and one.problem.line not in page.silenced:
                yield one.problem
    yield from (one.problem for one in secrets.check(tree, paths))

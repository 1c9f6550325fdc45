"""A new page: its place, its name from its title, its front matter, and a skeleton with prompts.

The skeletons are the files in `skeletons/`, one for each kind. Their prompts are HTML comments, which no
reader sees: a page is right from its first minute, and says to its author what is still missing.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import yaml

from blumeops.errors import BlumeOpsError
from blumeops.site import frontmatter, markdown, page_links, staging, wikilinks
from blumeops.site.place import Place
from blumeops.site.vault import Page, Unresolved, Vault

MAX_TITLE_CHARACTERS = 120
UNORDERED = 1000
"""The `order` of a page that gives none: after all that do."""
SEE_ALSO = "See also"
_SKELETONS = Path(__file__).parent / "skeletons"
_NOT_IN_A_NAME = re.compile(r"[^\w-]+")


class Kind(StrEnum):
    """What a page is for: the four kinds of Diataxis, and two kinds of reference card.

    A page that runs has a verb of its own, `blumeops runbook new`.
    """

    TUTORIAL = "tutorial"
    HOW_TO = "how-to"
    REFERENCE = "reference"
    EXPLANATION = "explanation"
    HOST = "host"
    SERVICE = "service"


FOLDERS = {
    Kind.TUTORIAL: ("tutorials", "tutorial"),
    Kind.HOW_TO: ("how-to", "howto", "how-tos", "guides"),
    Kind.REFERENCE: ("reference", "references"),
    Kind.EXPLANATION: ("explanation", "explanations", "concepts"),
    Kind.HOST: ("reference", "references"),
    Kind.SERVICE: ("reference", "references"),
}
"""What vaults call the folder of a kind; the first is made where none of them is there."""


@dataclass(frozen=True, slots=True)
class NewPage:
    """A page that was written: its file, what a link calls it, its title and its kind."""

    file: Path
    name: str
    title: str
    kind: Kind


def name_of(title: str) -> str:
    """The file name of a title, without suffix: lower case, words joined by dashes, letters of any script.

    Raises `BlumeOpsError` for a title that gives no name.
    """
    composed = unicodedata.normalize("NFC", title).strip()
    words = _NOT_IN_A_NAME.sub("-", re.sub(r"['’]", "", composed)).lower()
    name = re.sub(r"-{2,}", "-", words).strip("-_")
    if not name or not composed.isprintable() or len(composed) > MAX_TITLE_CHARACTERS:
        what = f"{title[:60]!r} cannot be the title of a page"
        raise BlumeOpsError(
            what, hint=f"one line of at most {MAX_TITLE_CHARACTERS} characters, with a letter"
        )
    return name


def create(
    where: Path | Place,
    kind: Kind,
    title: str,
    *,
    description: str = "",
    linked_from: str = "",
    today: datetime.date | None = None,
) -> NewPage:
    """Write a new page into a repository or vault. Raises `BlumeOpsError` rather than touch what is there.

    A title or name that already leads somewhere is refused, too: links by that name would change their
    target, or become ambiguous. `linked_from` names a page that gets a link to the new one, at its end.
    """
    name, title = name_of(title), unicodedata.normalize("NFC", title).strip()
    place = Place.of(where)
    index = staging.read(place).vault
    origin = place.root / page_links.named(index, linked_from).source if linked_from else None
    for word in (name, title):
        _require_free(word, index)
    folder = _folder(place, kind)
    order = _next_order(f"{place.source(folder)}/", index)
    reviewed = today or datetime.datetime.now(datetime.UTC).date()
    text = skeleton(kind, name, title, description=description, order=order, reviewed=reviewed)
    if kind is Kind.SERVICE and not _is_service(place, name):
        text = text.replace(f"service: {name}\n", "", 1)
    file = folder / f"{name}.md"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as page:
            page.write(text)
    except FileExistsError:
        raise BlumeOpsError("this file is there already", where=str(file), hint="edit it") from None
    if origin:
        _link(origin, name, title)
    return NewPage(file, name, title, kind)


def _is_service(place: Place, name: str) -> bool:
    """Whether an Application or a role brings about a service of this name: only then it is its card."""
    from blumeops.services import map

    return any(service.name == name for service in map.read(place.root, place.docs).services)


def _link(origin: Path, name: str, title: str) -> None:
    """Add a link to the list under the last heading of a page, which is `See also`; made where it is not."""
    text = origin.read_text(encoding="utf-8").rstrip("\n")
    said = markdown.headings(text)
    item = f"- [[{name}|{wikilinks.escape(title)}]]" if name != title else f"- [[{name}]]"
    head = "\n" if said and said[-1].text == SEE_ALSO else f"\n\n## {SEE_ALSO}\n\n"
    origin.write_text(f"{text}{head}{item}\n", encoding="utf-8")


def skeleton(
    kind: Kind, name: str, title: str, *, description: str, order: int, reviewed: datetime.date
) -> str:
    """The text of a new page of a kind."""
    template = (_SKELETONS / f"{kind.value}.md").read_text(encoding="utf-8")
    said = frontmatter.read(template, source=f"{kind.value}.md")
    given = {key: _filled(value, name, title) for key, value in said.values.items()}
    front = {"title": title, **given, "order": order, "reviewed": reviewed}
    front["description"] = description or front["description"]
    dumped = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=None)
    body = template[said.body :].replace("{name}", name)
    return f"---\n{dumped}---\n\n# {wikilinks.escape(title)}\n{body}"


def _filled(value: object, name: str, title: str) -> object:
    words = re.sub(r"[.!?]+(?=\s|$)", "", title)
    return value.replace("{name}", name).replace("{title}", words) if isinstance(value, str) else value


def _require_free(word: str, index: Vault) -> None:
    match index.resolve(word, origin="index.md"):
        case Page(source=where):
            hint = "edit that page, or choose another title"
            raise BlumeOpsError(f"[[{word}]] leads to this page already", where=where, hint=hint)
        case Unresolved(what=what) if "ambiguous" in what:
            raise BlumeOpsError(what, hint="choose another title")


def _folder(place: Place, kind: Kind) -> Path:
    """Where pages of a kind stand: in the folder that the vault has for them, whatever it calls it."""
    there = {one.name.casefold(): one for one in place.docs.iterdir() if one.is_dir()}
    return next((there[name] for name in FOLDERS[kind] if name in there), place.docs / FOLDERS[kind][0])


def _next_order(folder: str, index: Vault) -> int:
    """The place after the last page of a folder that has one."""
    orders = [p.order for p in index.pages.values() if p.source.startswith(folder) and p.order < UNORDERED]
    return min(max(orders, default=0) // 10 * 10 + 10, UNORDERED - 1)

"""The page of the service map: the drawing, a table of services, what is missing, where facts stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from blumeops.errors import Problem
from blumeops.services import diagram, map
from blumeops.services.manifests import Fact
from blumeops.services.model import Aspect, Cover, Service, ServiceMap
from blumeops.site import wikilinks

PATH = "reference/service-map.md"
"""Where the site has it; cards are linked from here."""
COLUMNS = ("service", "runs on", "version", "reached as", "tag", "probe", "backup", "dashboard")


def pages(root: Path, docs: Path | None = None) -> Iterator[tuple[str, str, str]]:
    """The page as the site's generated pages are (path, source, text); none where there are no services.

    A repository that has a page of this name already keeps it.
    """
    shown = map.read(root, docs)
    folder = docs or root / "docs"
    if shown.services and not any(folder.rglob(PATH.rpartition("/")[2])):
        yield PATH, source_of(root), text(shown)


def source_of(root: Path) -> str:
    """The folder that the map was read from, for "made from"."""
    return "homelab" if (root / "homelab").is_dir() else "."


def text(shown: ServiceMap) -> str:
    """The whole page as Markdown."""
    drawn = " ".join(diagram.svg(shown).split("\n"))
    head = (
        "---\ntitle: Service map\norder: 4\n"
        "description: What runs where, how it is reached, watched, kept and shown.\n---\n"
        "# Service map\n\nRead from the repository, not written by hand: a change of a manifest, a role, a "
        "route or a card changes this page. `blumeops services check` looks whether it is so.\n"
    )
    parts = [
        head,
        f'<figure class="drawing">{drawn}<figcaption>Machines and the cluster, and the routes of the reverse '
        "proxy; the table below says the same.</figcaption></figure>\n",
        table(shown, PATH),
        _missing(shown.problems),
        _intended(shown.services),
        _places(shown.services),
    ]
    return "\n".join(part for part in parts if part)


def rows(root: Path) -> tuple[tuple[str, ...], ...]:
    """The rows of the table for a block on a written page, where a card is linked by its name."""
    return tuple((_linked(service), *list(_cells(service, ""))[1:]) for service in map.read(root).services)


def _linked(service: Service) -> str:
    stem = service.card.page.rpartition("/")[2].removesuffix(".md") if service.card else ""
    return f"[[{stem}]]" if stem else _words(service.name)


def table(shown: ServiceMap, origin: str = "") -> str:
    """The table of services; links to cards are relative to `origin`, without it names are plain."""
    rows = [_line(COLUMNS), _line(["---"] * len(COLUMNS))]
    return "\n".join([*rows, *(_line(_cells(service, origin)) for service in shown.services)]) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(service: Service, origin: str) -> Iterator[str]:
    yield _name(service, origin)
    where = ", ".join(host.value for host in service.hosts)
    cluster = "cluster" if service.application else ""
    yield _words(f"{cluster} on {where}" if cluster and where else cluster or where or "unknown")
    yield (_code(str(service.version)) if service.version else ("package" if service.package else "unknown"))
    yield _aspect(service.aspect("route"))
    yield ", ".join(_words(tag) for tag in dict.fromkeys(tag.value for tag in service.tags)) or "unknown"
    for name in ("probe", "backup", "dashboard"):
        yield _aspect(service.aspect(name))


def _name(service: Service, origin: str) -> str:
    shown = f"**{_words(service.name)}**"
    if not (service.card and origin):
        return f"{shown}, no card" if service.aspect("card").cover is Cover.HOLE else shown
    return f"**[{_words(service.name)}]({wikilinks.relative(service.card.page, origin)})**"


def _aspect(aspect: Aspect) -> str:
    match aspect.cover:
        case Cover.THERE:
            words = list(dict.fromkeys(str(fact) for fact in aspect.facts))
            return _words(words[0]) + (f" and {len(words) - 1} more" if len(words) > 1 else "")
        case Cover.HOLE:
            return "**missing**"
        case Cover.INTENDED:
            return "none, on purpose"
        case Cover.NOT_NEEDED | Cover.UNKNOWN:
            return aspect.cover.value


def _words(text: str) -> str:
    return wikilinks.escape(" ".join(text.split()))


def _said(text: str) -> str:
    """A person's words: their code stays code."""
    return wikilinks.safe(" ".join(text.split()))


def _code(text: str) -> str:
    return f"`{' '.join(text.split()).replace('`', '').replace('|', '/').strip() or '?'}`"


def _title(text: str) -> str:
    """Words between the double quotes of a folded block, where a double quote would be their end."""
    return _words(text.replace('"', "'"))


def _missing(problems: Iterable[Problem]) -> str:
    rows = [f"- **{_words(one.what)}** {_code(one.where)}: {_said(one.hint)}" for one in problems]
    return "\n".join(["## What is missing\n", *rows]) + "\n" if rows else ""


def _intended(services: Iterable[Service]) -> str:
    rows = [
        f"- {_words(service.name)}, {aspect.name}: {_said(aspect.why)}."
        for service in services
        for aspect in service.aspects
        if aspect.cover is Cover.INTENDED
    ]
    return "\n".join(["## None, on purpose\n", "What the cards say:\n", *rows]) + "\n" if rows else ""


def _places(services: Iterable[Service]) -> str:
    """Each fact's place, folded by service, so that a reader can open the file that says it."""
    blocks = ["## Where it stands"]
    for service in services:
        rows = [f"    - {kind} {_words(fact.value)}: {_code(fact.where)}" for kind, fact in _facts(service)]
        blocks += [f'??? abstract "{_title(service.name)}"', "\n".join(rows)]
    return "\n\n".join(blocks) + "\n"


def _facts(service: Service) -> Iterable[tuple[str, Fact]]:
    facts = [("made by", fact) for fact in service.made_by]
    facts += [("image", service.image)] if service.image else []
    facts += [("package", service.package)] if service.package else []
    facts += [("version", service.version)] if service.version and not service.image else []
    facts += [("unit", unit) for unit in service.units]
    facts += [("host", host) for host in service.hosts] + [("tag", tag) for tag in service.tags]
    told = {fact for _, fact in facts}
    for aspect in service.aspects:
        if aspect.cover is Cover.THERE and aspect.name != "card":
            facts += [(aspect.name, fact) for fact in aspect.facts if fact not in told]
    return dict.fromkeys(facts)

"""What the docs and the repository say, compared with the running homelab.

Looked at without being told: the images of every Application, the tags of devices, the names of hosts, and
the ports in the tables of a host's card. Besides, every value that is bound to a `live:` place, see
`live_places`. What could not be seen is `unknown`, with its reason, and never counts as right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from blumeops import target as targets
from blumeops.errors import BlumeOpsError, Problem
from blumeops.facts import census as of
from blumeops.facts import page as pages
from blumeops.facts import tree as trees
from blumeops.facts.bound import Fact
from blumeops.facts.census import Census
from blumeops.facts.check import page_paths
from blumeops.facts.live_places import Absent, Live, Unseen
from blumeops.facts.page import Page
from blumeops.target import Target

AT_ONCE = 6
"""Looks at the same time: each waits for a network more than it computes."""

_PORTS = re.compile(r"(?<![\d.:])\d{2,5}(?![\d.:/-])")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at the homelab found; `simulated` was only played by a sandbox, so it says nothing."""

    looked: int = 0
    problems: tuple[Problem, ...] = ()
    unknown: tuple[Problem, ...] = ()
    simulated: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """One look: where it is said, and what is wrong with it ("" when nothing is)."""

    at: Problem
    ask: Callable[[], str]


@dataclass
class _Found:
    problems: list[Problem] = field(default_factory=list)
    unknown: list[Problem] = field(default_factory=list)
    simulated: list[Problem] = field(default_factory=list)


def check(root: Path, name: str, facts: Iterable[Fact]) -> Seen:
    """Compare a repository and its pages with a target by its name; one that is not there is unknown."""
    try:
        target = targets.load(root, name)
    except BlumeOpsError as error:
        why = Problem(f"target {name}: {error.what}", error.where or name, hint=error.hint)
        return Seen(unknown=(why,))
    return look(root, target, facts)


def look(root: Path, target: Target, facts: Iterable[Fact]) -> Seen:
    """Compare a repository and its pages with one target. Never raises for what it does not answer."""
    live = Live(target)
    census = of.of(trees.read(root))
    looks = [*_of_facts(facts, live), *_of_images(census, facts, live), *_of_tailnet(census, live)]
    looks += _of_cards(root, census, live)
    found = _Found()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for said, kind in pool.map(_ask, looks):
            if said is not None:
                getattr(found, kind).append(said)
    return Seen(len(looks), tuple(found.problems), tuple(found.unknown), tuple(found.simulated))


def _ask(look: _Look) -> tuple[Problem | None, str]:
    at = look.at
    try:
        wrong = look.ask()
    except Absent as error:
        wrong = str(error)
    except Unseen as error:
        kind = "simulated" if error.simulated else "unknown"
        return Problem(f"{at.what}: {error}", at.path, at.line, at.column), kind
    except BlumeOpsError as error:
        what = f"{at.what}: {error.what}" + (f" ({error.where})" if error.where else "")
        return Problem(what, at.path, at.line, at.column, error.hint), "unknown"
    return (Problem(f"{at.what}: {wrong}", at.path, at.line, at.column) if wrong else None), "problems"


def _of_facts(facts: Iterable[Fact], live: Live) -> Iterator[_Look]:
    for fact in facts:
        if fact.is_live:
            at = Problem(f"the page says {fact.value!r} ({fact.place})", fact.page, fact.line, fact.column)
            yield _Look(at, partial(live.compare, fact.place, fact.value))


def _of_images(census: Census, facts: Iterable[Fact], live: Live) -> Iterator[_Look]:
    """Every image that an Application pins, in the namespace that it deploys to."""
    said: dict[tuple[str, str], list[str]] = {}
    for fact in facts:
        path = fact.place.partition("#")[0]
        said.setdefault((path, fact.value), []).append(f"{fact.page}:{fact.line}")
    for application in census.applications.values():
        for image in application.images:
            pages_ = ", ".join(dict.fromkeys(said.get((image.path, image.tag), ())))
            what = f"{application.name} is {image.name}:{image.tag}" + (f", as in {pages_}" if pages_ else "")
            at = Problem(what, image.path, image.line)
            yield _Look(at, partial(live.runs, application.namespace, image.name, image.tag))


def _of_tailnet(census: Census, live: Live) -> Iterator[_Look]:
    """Every host of the inventory is in the tailnet by its name, with the tags that it is given in Git."""
    for host in census.hosts.values():
        at = Problem(f"{host.name} is a host", host.path, host.line)
        yield _Look(at, partial(live.is_device, host.name))
    for tag in census.tags.values():
        for device in tag.devices:
            at = Problem(f"{device} has {tag.name}", tag.path, tag.line)
            yield _Look(at, partial(live.has_tag, device, tag.name))


def _of_cards(root: Path, census: Census, live: Live) -> Sequence[_Look]:
    """Every port in a table of ports on the card of a host."""
    tree = trees.read(root)
    cards = (path for path in page_paths(tree) if path.rpartition("/")[2].removesuffix(".md") in census.hosts)
    return [look for path in cards for look in _ports(pages.read(root, path), live)]


def _ports(card: Page, live: Live) -> Iterator[_Look]:
    for table in card.tables:
        if table.head[:1] in (("port",), ("ports",)):
            for row in table.rows:
                for port in _PORTS.findall(row.key):
                    at = Problem(f"{card.stem} listens on port {port}", card.path, row.line)
                    yield _Look(at, partial(live.listens, card.stem, int(port)))

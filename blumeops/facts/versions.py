"""Versions that a page states, against those that the manifests pin.

A page is about an Application or a role when it is called like it (its file, its title, an alias, `service`
in its front matter). Only what the page calls a version counts: a table's row or a line that begins with
"Version:", a reference to an image, a column of versions in a list of Applications.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from blumeops.facts import blocks, census_hosts
from blumeops.facts.census import Census
from blumeops.facts.census_cluster import Application, Image, parse
from blumeops.facts.finding import Finding, Tense, tense
from blumeops.facts.page import Page, said

_LABEL = re.compile(
    r"(?:(?:current|running|pinned|installed|container|docker|oci|app|application|helm|chart|image) )*"
    r"(?:version|image|tag|chart|release|container|revision)(?: \(.*\))?:?",
    re.IGNORECASE,
)
_LINE_LABEL = re.compile(
    r"^[ \t]*(?:[-*+][ \t]+)?\**(?P<label>[A-Z][A-Za-z ]{2,24}?)\**[ \t]*:\**[ \t]*(?P<value>\S.*)$",
    re.MULTILINE,
)
_VERSION = re.compile(r"(?<![\w.])v?\d+(?:\.\d+)+(?:[-+][\w.-]*\w)?(?![\w/])")
_COLUMNS = {
    "version",
    "versions",
    "tag",
    "image tag",
    "image",
    "chart version",
    "current version",
    "running",
    "chart",
}
_SINCE = re.compile(
    r"\b(?:before|until|since|older|newer|at least|upgraded?|was|were|required?s?)\b|[<>]=?|→", re.I
)
"""Words of a line that speaks of other versions than the one that runs."""

_IP = re.compile(r"\d+\.\d+\.\d+\.\d+")
_FLOATING = {"latest", "stable", "main", "master", "edge", "nightly", "release", "rolling", "develop"}


@dataclass(frozen=True, slots=True)
class Known:
    """What the repository pins: by the name of an Application or role, and by the name of an image."""

    of: Mapping[str, tuple[Image, ...]]
    images: Mapping[str, tuple[Image, ...]]


def known(census: Census) -> Known:
    """Every pinned version of a repository."""
    of: dict[str, list[Image]] = {}
    images: dict[str, list[Image]] = {}
    for application in census.applications.values():
        for version in application.versions:
            images.setdefault(version.name.removeprefix("docker.io/").removeprefix("library/"), []).append(
                version
            )
        for name in _names(application, census):
            of.setdefault(name, []).extend(application.versions)
    for role, name, value, path, line in census_hosts.variables(census.places):
        if re.fullmatch(rf"(?:{re.escape(role)}_)?version", name) and _VERSION.fullmatch(value):
            of.setdefault(role.casefold().replace("_", "-"), []).append(Image(role, value, path, line))
    return Known(
        {name: tuple(found) for name, found in of.items()}, {n: tuple(found) for n, found in images.items()}
    )


def _names(application: Application, census: Census) -> Iterator[str]:
    """What people call an Application: its name, and its name without the cluster or a suffix of it."""
    name = application.name.casefold()
    yield name
    base = name
    while "-" in base:
        base = base.rpartition("-")[0]
        ours = any(
            base in image.short.casefold() or image.short.casefold() in base for image in application.versions
        )
        if ours and base not in census.applications:
            yield base


def check(page: Page, pins: Known) -> Iterator[Finding]:
    """Every version on a page that the manifests contradict."""
    seen: set[int] = set()
    for finding in (*_of_images(page, pins), *_of_lists(page, pins), *_of_card(page, pins)):
        if finding.problem.line not in seen:
            seen.add(finding.problem.line)
            yield finding


def subject(page: Page, pins: Known) -> tuple[Image, ...]:
    """The pinned versions of what a page is about; none when it is about something else."""
    words = [page.front.text("service"), page.stem, page.title, *page.front.texts("aliases")]
    for word in words:
        if found := pins.of.get(word.casefold().replace(" ", "-").replace("_", "-")):
            return found
    return ()


def _of_card(page: Page, pins: Known) -> Iterator[Finding]:
    pinned = subject(page, pins)
    if not pinned:
        return
    for key in ("version", "image", "image_tag", "chart_version"):
        if value := page.front.text(key):
            index = max(page.text.find(f"\n{key}:") + 1, 0)
            yield from _compare(page, index, key, value, pinned)
    for table in page.tables:
        for row in table.rows:
            if len(table.head) == 2 and len(row.cells) > 1 and _LABEL.fullmatch(row.key):
                yield from _compare(page, page.start_of(row.line), row.key, row.cells[1], pinned)
    for found in _LINE_LABEL.finditer(page.prose):
        if _LABEL.fullmatch(found["label"]) and not found[0].lstrip().startswith("|"):
            yield from _compare(page, found.start("value"), found["label"], found["value"], pinned)


def _compare(page: Page, index: int, label: str, value: str, pinned: Iterable[Image]) -> Iterator[Finding]:
    pinned = [one for one in pinned if _VERSION.search(one.tag)]
    charts = [one for one in pinned if one.is_chart]
    if "chart" in label.casefold():
        pinned = charts or pinned
    words = said(value)
    if "<!-- fact:" in value or not pinned or tense(words) is not Tense.NOW or _SINCE.search(words):
        return
    image = parse(words.split()[0]) if words else None
    stated = [image.tag] if image and _VERSION.fullmatch(image.tag) else _VERSION.findall(words)
    stated = [one for one in stated if not _IP.fullmatch(one)]
    if not stated or any(agrees(one, pin.tag) for one in stated for pin in pinned):
        return
    # Of a chart alone the version of the program in it is not known.
    sure = "chart" in label.casefold() or any(one not in charts for one in pinned)
    yield _finding(page, index, stated[0], pinned, sure)


def _of_images(page: Page, pins: Known) -> Iterator[Finding]:
    """References to an image of the homelab with another tag than the manifests have."""
    for code in page.codes:
        text = code.text.strip()
        image = parse(text) if ":" in text and " " not in text and "/" in text and "://" not in text else None
        pinned = (
            pins.images.get(image.name.removeprefix("docker.io/").removeprefix("library/")) if image else None
        )
        if image is None or not pinned or "<" in text or "$" in text or "{" in text:
            continue
        line = page.line(page.place(code.start)[0])
        if (
            any(agrees(image.tag, pin.tag) for pin in pinned)
            or tense(line) is not Tense.NOW
            or _SINCE.search(line)
        ):
            continue
        if _VERSION.fullmatch(image.tag) or image.tag in _FLOATING or image.tag[:1].isdigit():
            yield _finding(page, code.start, image.tag, pinned, True)


def _of_lists(page: Page, pins: Known) -> Iterator[Finding]:
    """A column of versions in a table whose first column names Applications."""
    for table in blocks.outside(page):
        columns = [n for n, head in enumerate(table.head) if n and head in _COLUMNS]
        for row in table.rows:
            name = row.key.casefold().replace(" ", "-")
            pinned = [one for one in pins.of.get(name, ()) if _VERSION.search(one.tag)]
            for column in columns:
                words = said(row.cells[column]) if column < len(row.cells) else ""
                stated = [one for one in _VERSION.findall(words) if not _IP.fullmatch(one)]
                if not pinned or not stated or "fact:" in row.cells[column]:
                    continue
                wrong = [one for one in stated if not any(agrees(one, pin.tag) for pin in pinned)]
                if wrong:
                    yield _finding(page, page.start_of(row.line), wrong[0], pinned, True)


def agrees(stated: str, pinned: str) -> bool:
    """Whether a stated version is the pinned one, or the beginning of it: `17.6` is `17.6-alpine`."""
    stated, pinned = stated.removeprefix("v"), pinned.removeprefix("v")
    rest = pinned.removeprefix(stated)
    return pinned == stated or (rest != pinned and not rest[:1].isalnum())


def _finding(page: Page, index: int, stated: str, pinned: Iterable[Image], sure: bool) -> Finding:
    pinned = list(pinned)
    named = [one for one in pinned if _is_like(one.short, page.stem) or _is_like(one.short, page.title)]
    places = dict.fromkeys(f"{one.path}:{one.line} says {one.tag!r}" for one in named or pinned)
    what = f"the page says {stated!r}, {', '.join(list(places)[:3])}"
    return Finding(page.problem(what, index, "correct the page, or bind the value to its place"), sure)


def _is_like(one: str, other: str) -> bool:
    """Whether one name is in the other, as `paperless` is in `paperless-ngx`."""
    one, other = one.casefold(), other.casefold().replace(" ", "-")
    return bool(one and other) and (one in other or other in one)

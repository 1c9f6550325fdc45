"""What stands below a page: its tags, who links to it, what is near it, its neighbourhood, its last change.

One block of HTML without an empty line, the last of the page, so a generator may set it aside before it
renders the Markdown and put it back afterwards (`cut`): rendering it would only cost time.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from urllib.parse import quote

from blumeops.records import RunStatus
from blumeops.site import backlinks, graph, related, tags
from blumeops.site.backlinks import Backlink, Contexts
from blumeops.site.history import NONE, Commit, History
from blumeops.site.redirects import built, way
from blumeops.site.vault import Page, Vault
from blumeops.site.verified import NEVER, LastRun

OPEN = '<footer class="page-end" data-search-exclude="">'
_ENDS = {RunStatus.DECLINED: "was declined", RunStatus.INTERRUPTED: "was interrupted"}
SENTENCES = 24
"""From the next one on a backlink is its title alone."""


@dataclass(frozen=True, slots=True)
class Relations:
    """How the pages of a site belong together: links, backlinks, nearness, tags, and their history."""

    pages: Mapping[str, Page]
    links: Mapping[str, frozenset[str]]
    back: Mapping[str, tuple[Backlink, ...]]
    near: Mapping[str, tuple[str, ...]]
    tagged: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    history: History = NONE
    flat: bool = False


def relations(
    vault: Vault,
    texts: Mapping[str, str],
    links: Mapping[str, frozenset[str]],
    history: History = NONE,
    *,
    flat: bool = False,
    contexts: Contexts | None = None,
) -> Relations:
    """What `footer` needs for every page, computed once. `texts` have their wikilinks rewritten."""
    pages = vault.pages
    written = {path: text for path, text in texts.items() if not made(pages[path])}
    back = backlinks.backlinks(written, {path: links[path] for path in written}, pages, contexts)
    origins = {path: [link.origin for link in found] for path, found in back.items()}
    near = related.related(pages, links, origins)
    found = tags.tags(page for page in pages.values() if not page.generated)
    tagged = {tag.casefold(): tags.place(tag, len(listed)) for tag, listed in found.items()}
    return Relations(pages, links, back, near, tagged, history, flat)


def made(page: Page) -> bool:
    """True for lists that are made from other pages: they link to everything, which means nothing."""
    return page.path.startswith(f"{tags.FOLDER}/") or page.path == graph.PAGE


def footer(relations: Relations, path: str, runs: Mapping[str, LastRun] = MappingProxyType({})) -> str:
    """The end of one page as a block of HTML; empty for the front page and for lists.

    `runs` is what is known of each runbook's runs, by the path of its page.
    """
    page = relations.pages[path]
    if path == "index.md" or made(page):
        return ""
    parts = (
        _tags(relations, page),
        _runbooks(relations, page, runs),
        _linked_from(relations, page),
        _related(relations, page),
        _neighbourhood(relations, page),
        _facts(relations.history.last.get(page.source), page, runs.get(path, NEVER)),
    )
    inside = "".join(parts)
    return f"{OPEN}{inside}</footer>\n" if inside else ""


def cut(text: str) -> tuple[str, str]:
    """A staged page in two: its Markdown, and its end as HTML (empty when it has none)."""
    body, opened, rest = text.rpartition(f"\n{OPEN}")
    return (f"{body}\n", f"{OPEN}{rest}") if opened else (text, "")


def _way(relations: Relations, page: Page, to: str, anchor: str = "") -> str:
    address = way(to, built(page.path, flat=relations.flat), flat=relations.flat)
    return quote(f"{address}#{anchor}" if anchor else address, safe="/#")


def _link(relations: Relations, page: Page, to: str) -> str:
    return f'<a href="{_way(relations, page, to)}">{_text(relations.pages[to].title)}</a>'


def _tags(relations: Relations, page: Page) -> str:
    chips = [_chip(relations, page, tag) for tag in dict.fromkeys(page.tags)]
    return f'<nav class="page-tags" aria-label="Tags">{"".join(chips)}</nav>' if chips else ""


def _chip(relations: Relations, page: Page, tag: str) -> str:
    path, anchor = relations.tagged.get(tag.casefold(), ("", ""))
    if path not in relations.pages:
        return f'<span class="page-tag">{_text(tag)}</span>'
    return f'<a class="page-tag" href="{_way(relations, page, path, anchor)}">{_text(tag)}</a>'


def _runbooks(relations: Relations, page: Page, runs: Mapping[str, LastRun]) -> str:
    """The runbooks for the service that a page is the card of, each with how it stands."""
    name = page.front.text("service")
    about = [path for path in runs if name and name in relations.pages[path].front.texts("services")]
    items = []
    for path in sorted(about):
        stands = f'<span class="run-word is-{runs[path].kind}">{_verified(runs[path])}</span>'
        items.append(f"<li>{_link(relations, page, path)} {stands}</li>")
    return _section("runbooks", "Runbooks", items)


def _linked_from(relations: Relations, page: Page) -> str:
    found = relations.back.get(page.path, ())
    items = [_backlink(relations, page, link, n < SENTENCES) for n, link in enumerate(found)]
    return _section("backlinks", "Linked from", items)


def _backlink(relations: Relations, page: Page, link: Backlink, whole: bool) -> str:
    said = _link(relations, page, link.origin)
    if whole and link.heading:
        above = _text(link.heading)
        if link.anchor:
            above = f'<a href="{_way(relations, page, link.origin, link.anchor)}">{above}</a>'
        said += f' <span class="backlink-heading">{above}</span>'
    if whole and link.sentence:
        said += f'<span class="backlink-sentence">{_text(link.sentence)}</span>'
    return f"<li>{said}</li>"


def _related(relations: Relations, page: Page) -> str:
    items = []
    for path in relations.near.get(page.path, ()):
        about = relations.pages[path].description
        said = f'<span class="backlink-sentence">{_text(backlinks.plain(about))}</span>' if about else ""
        items.append(f"<li>{_link(relations, page, path)}{said}</li>")
    return _section("related", "Related", items)


def _section(name: str, title: str, items: Iterable[str]) -> str:
    listed = "".join(items)
    return f'<section class="{name}"><h2>{title}</h2><ul>{listed}</ul></section>' if listed else ""


def _neighbourhood(relations: Relations, page: Page) -> str:
    if not relations.links.get(page.path) and not relations.back.get(page.path):
        return ""
    return (
        '<details class="local-graph" open><summary>Neighbourhood</summary>'
        f'<div class="graph" data-graph="local" data-page="{html.escape(page.path)}"></div>'
        f'<p><a href="{_way(relations, page, graph.PAGE)}">The graph of all pages</a></p></details>'
        if graph.PAGE in relations.pages
        else ""
    )


def _facts(commit: Commit | None, page: Page, run: LastRun) -> str:
    facts = []
    if commit:
        facts.append(f"<span>Last changed {_time(commit.day)}: {_text(commit.subject)}</span>")
    if page.source.startswith("runbooks/"):
        facts.append(f"<span>{_verified(run)}</span>")
    if reviewed := _day(page.front.text("reviewed")):
        facts.append(f"<span>Reviewed {reviewed}</span>")
    return f'<p class="page-facts">{"".join(facts)}</p>' if facts else ""


def _verified(run: LastRun) -> str:
    """How a runbook stands, in a few words, as HTML."""
    record = run.record
    if record is None:
        return "Never verified by a run"
    said = f"{_time(f'{record.started:%Y-%m-%d}')} on {_text(record.target)}"
    if record.status is not RunStatus.PASSED:
        return f"The last run {_ENDS.get(record.status, 'failed')} {said}"
    if run.stale:
        return f"Stale: last verified {said}, and what it ran on changed since"
    return f"Last verified {said}" if record.verifies else f"The last run left out steps {said}"


def _day(text: str) -> str:
    try:
        return _time(date.fromisoformat(text).isoformat())
    except ValueError:
        return ""


def _time(day: str) -> str:
    said = date.fromisoformat(day)
    return f'<time datetime="{day}">{said.day} {said:%B %Y}</time>'


def _text(words: str) -> str:
    return html.escape(" ".join(words.split()))

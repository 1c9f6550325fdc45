"""A page for each tag, and one for all of them: made pages, so that search, graph and links know them.

Material's `tags` plugin renders its listings from all pages at once, which no page cache survives and no
other generator does. A tag that one page alone has gets no page of its own: it is listed with its page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from blumeops.site.markdown import slugify
from blumeops.site.redirects import address
from blumeops.site.vault import Page
from blumeops.site.wikilinks import escape, relative

FOLDER = "tags"
INDEX = f"{FOLDER}/index.md"
Generated = tuple[str, str, str]
Tags = Mapping[str, list[Page]]


def tags(pages: Iterable[Page]) -> dict[str, list[Page]]:
    """The pages of each tag, by name; spellings that differ in case are one tag, called as the first one."""
    called: dict[str, str] = {}
    found: defaultdict[str, list[Page]] = defaultdict(list)
    for page in sorted(pages, key=lambda one: (one.title.casefold(), one.path)):
        for tag in dict.fromkeys(tag.casefold() for tag in page.tags):
            found[tag].append(page)
        for tag in page.tags:
            called.setdefault(tag.casefold(), tag)
    return {called[tag]: found[tag] for tag in sorted(found)}


def pages(all_pages: Iterable[Page]) -> Iterator[Generated]:
    """The index of tags and a page for each tag that two pages have. Nothing without tags."""
    every = list(all_pages)
    found = tags(page for page in every if not page.generated)
    taken = {address(page.path).casefold() for page in every}
    if not found or FOLDER in taken:
        return
    own = {tag: listed for tag, listed in found.items() if len(listed) > 1}
    yield INDEX, INDEX, _index(found)
    for slug, named in _by_slug(own).items():
        path = f"{FOLDER}/{slug}.md"
        if address(path) not in taken:
            yield path, path, _page(named, found)


def place(tag: str, count: int) -> tuple[str, str]:
    """Where a tag that `count` pages have is listed: the page's path, and the anchor in it or nothing."""
    slug = slugify(tag.replace("/", "-").replace(":", "-")) or "tag"
    if slug in ("index", "readme"):  # these files are the page of their folder
        slug = f"{slug}-tag"
    return (f"{FOLDER}/{slug}.md", "") if count > 1 else (INDEX, "once")


def _by_slug(own: Tags) -> dict[str, list[str]]:
    """Two tags of one slug, such as `a b` and `a-b`, share a page rather than one losing its own."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for tag in own:
        found[place(tag, 2)[0].removeprefix(f"{FOLDER}/").removesuffix(".md")].append(tag)
    return found


def _index(found: Tags) -> str:
    many = {tag: listed for tag, listed in found.items() if len(listed) > 1}
    once = {tag: listed for tag, listed in found.items() if len(listed) == 1}
    text = f"{_front('Tags', f'All {len(found)} tags of this site.', 9000)}\n"
    if many:
        rows = [
            f"- [{escape(tag)}]({relative(place(tag, 2)[0], INDEX)}) {len(p)} pages"
            for tag, p in many.items()
        ]
        text += '<div class="tag-cloud" markdown="1">\n\n' + "\n".join(rows) + "\n\n</div>\n\n"
    if once:
        rows = [f"- {_shown(tag)}: {_link(listed[0], INDEX)}" for tag, listed in once.items()]
        text += "## On one page {#once}\n\n" + "\n".join(rows) + "\n"
    return text


def _page(named: list[str], found: Tags) -> str:
    title = ", ".join(named)
    listed = {page.path: page for tag in named for page in found[tag]}
    origin = place(named[0], 2)[0]
    rows = [
        f"- {_link(page, origin)}" + (f": {escape(page.description)}" if page.description else "")
        for page in listed.values()
    ]
    front = _front(f"Tag: {title}", f"The {len(listed)} pages with the tag {title}.", 1000)
    return f"{front}\n" + "\n".join(rows) + f"\n\n[All tags]({relative(INDEX, origin)})\n"


def _shown(tag: str) -> str:
    """A tag with brackets as code, so that no reader of Markdown takes it for a link."""
    return f"`{tag}`" if "[" in tag and "`" not in tag else escape(tag)


def _front(title: str, description: str, order: int) -> str:
    said = title.replace("\\", "\\\\").replace('"', '\\"')
    told = description.replace("\\", "\\\\").replace('"', '\\"')
    head = f'---\ntitle: "{said}"\ndescription: "{told}"\norder: {order}\nsearch:\n  exclude: true\n---\n'
    return f"{head}\n# {escape(title)}\n"


def _link(page: Page, origin: str) -> str:
    return f"[{escape(page.title)}]({relative(page.path, origin)})"

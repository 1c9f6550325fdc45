"""The baseline: what mkdocs-roamlinks-plugin resolves, ours resolves to the same page, and code stays code.

The plugin is not part of the site. It is what a vault like this one is usually published with, so whoever
comes from it must find every link where it was.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from mkdocs_roamlinks_plugin.plugin import ROAMLINK_RE, RoamLinkReplacer

from blumeops.site import staging, wikilinks
from blumeops.site.vault import Page, Vault, page, vault
from tests.site.conftest import ROOT, VAULT

PAGES = Path(__file__).parent / "pages"
CASES = Path(__file__).parent / "cases"
WRONG: Mapping[str, str] = {
    "notes": "two files have this name: the plugin takes the one that the disk lists last, ours is an error",
    "a-b": "`-`, `_` and spaces are ignored: a-b, a_b and ab are one name to it",
    "a_b": "`-`, `_` and spaces are ignored: a-b, a_b and ab are one name to it",
    "ab": "`-`, `_` and spaces are ignored: a-b, a_b and ab are one name to it",
    "index": "every section has a file of this name; it takes the last, ours the front page",
}
"""Names that the plugin resolves to a page which is not the one that was meant."""


def theirs(docs: Path, origin: str, written: str) -> str:
    """The page to which the plugin leads a link that stands in the page at `origin`; empty: to none."""
    made = re.sub(ROAMLINK_RE, RoamLinkReplacer(str(docs), origin), written)
    found = re.search(r"\]\(<([^#>]+\.md)", made)
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), found[1])) if found else ""


def compared(pages: list[Page], index: Vault, docs: Path) -> Iterator[tuple[str, str, str]]:
    """Each link that the plugin resolves to a page: as it is written, where it leads, where ours leads."""
    for one in pages:
        for link in wikilinks.find(one.text):
            written = one.text[link.start : link.end]
            target = theirs(docs, one.path, written)
            if link.embed or not link.target or link.target in WRONG or target not in index.pages:
                continue
            ours = index.resolve(link.target, origin=one.path)
            yield written, target, ours.path if isinstance(ours, Page) else str(ours)


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture vault and the pages of the link tests as one folder, since the plugin looks at the disk."""
    folder = tmp_path_factory.mktemp("roamlinks") / "docs"
    for source in (VAULT / "docs", PAGES):
        for file in source.rglob("*.md"):
            copy = folder / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(file.read_text())
    return folder


def test_every_link_that_roamlinks_resolves_goes_to_the_same_page(docs: Path) -> None:
    """In the fixture vault, for the links of every case of syntax."""
    paths = [file.relative_to(docs).as_posix() for file in sorted(docs.rglob("*.md"))]
    index = vault(page(path, f"docs/{path}", (docs / path).read_text()) for path in paths)
    given = [case.read_text().split("\n----\n")[0] for case in sorted(CASES.glob("*.md"))]
    here = [page("reference/here.md", "docs/reference/here.md", text) for text in given]
    found = list(compared([*index.pages.values(), *here], index, docs))
    assert [one for one in found if one[1] != one[2]] == []
    assert len(found) >= 60


def test_every_link_of_our_own_pages_that_roamlinks_resolves_goes_to_the_same_page() -> None:
    """In docs/ as it is now."""
    index = staging.read(ROOT).vault
    own = [one for one in index.pages.values() if one.source.startswith("docs/")]
    found = list(compared(own, index, ROOT / "docs"))
    assert [one for one in found if one[1] != one[2]] == []
    assert len(found) >= 50


@pytest.mark.parametrize(("name", "why"), WRONG.items(), ids=WRONG)
def test_where_roamlinks_is_wrong_it_is_wrong(name: str, why: str, docs: Path) -> None:
    """Each exception is one: the plugin leads to one page without a word where several have the name."""
    folded = re.sub(r"[-_ ]", "", name)
    named = [file for file in docs.rglob("*.md") if re.sub(r"[-_ ]", "", file.stem.lower()) == folded]
    assert len(named) > 1, why
    assert theirs(docs, "reference/here.md", f"[[{name}]]")


def test_roamlinks_rewrites_bash_in_a_fence_and_ours_leaves_it(docs: Path) -> None:
    """The worst thing that it does: code on the page which is not the code that was written."""
    text = (docs / "reference/caddy.md").read_text()
    made = re.sub(ROAMLINK_RE, RoamLinkReplacer(str(docs), "reference/caddy.md"), text)
    fence = text.partition("```bash\n")[2].partition("```")[0]
    assert fence not in made
    assert "[[ -d /etc/nginx ]]" in fence or "[[ -d /etc/nginx ]] " in text
    index = staging.read(VAULT).vault
    done = wikilinks.rewrite(index.pages["reference/caddy.md"], index)
    assert done.problems == ()
    assert fence in done.text

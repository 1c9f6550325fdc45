"""Which page a link means, and what is never touched; one file in `cases/` for each rule, named after it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blumeops.site import markdown, wikilinks
from blumeops.site.vault import Vault, page, vault
from tests.site.rendering import render

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").glob("*.md"))
FILES = {"files/manual.pdf"}


@pytest.fixture(scope="module")
def pages(index: Vault) -> Vault:
    """The fixture vault with the pages in `pages/`: names, blocks and circles that only these tests need."""
    more = [
        page(path, f"docs/{path}", file.read_text())
        for file in sorted((HERE / "pages").rglob("*.md"))
        for path in [file.relative_to(HERE / "pages").as_posix()]
    ]
    return vault([*index.pages.values(), *more], index.files | FILES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_case(case: Path, pages: Vault) -> None:
    """Each file holds a page's text, what becomes of it, and lines of the HTML that the reader gets.

    The three are parted by lines of four dashes. Where the page is wrong, `!` begins each problem.
    """
    given, expected, *seen = case.read_text().split("\n----\n")
    here = page("reference/here.md", "docs/reference/here.md", given)
    done = wikilinks.rewrite(here, vault([*pages.pages.values(), here], pages.files))
    said = "\n".join(str(problem) for problem in done.problems)
    found = re.sub(r"^docs/reference/here\.md:", "! ", said, flags=re.MULTILINE) if said else done.text
    assert found.rstrip("\n") == expected.rstrip("\n")
    assert bool(seen) is not bool(said), "a page that is right says what its readers see"
    rendered = render(done.text) if seen else ""
    for line in seen[0].strip("\n").split("\n") if seen else ():
        assert line in rendered


def test_a_name_is_found_however_it_is_composed(index: Vault) -> None:
    """Unicode has two ways to write é; both name the same page."""
    cafe = page("cafe\u0301.md", "docs/cafe\u0301.md", "# x")
    found = vault([cafe]).resolve("caf\u00e9", origin="index.md")
    assert found is cafe


def test_a_nul_in_a_name_is_only_a_name_that_is_not_there(index: Vault) -> None:
    """No name is ever opened as a file: it is looked up in the index."""
    here = page("here.md", "docs/here.md", "[[indri\0]] [[\0/etc/passwd]]")
    assert len(wikilinks.rewrite(here, index).problems) == 2


@pytest.mark.parametrize("text", [
    "A `code_word` and *its* [link](x.md)", "Häfen -- und Café", "1. A_b __bold__ c\\_d", "a_b_ _c_ **d**e",
    "What? Yes & no < maybe", "Trailing hashes ##", "`a` | `b`", "x {#own-id}",
    "emphasis *with `code`* inside",
    "ends with a colon:", "Ünïcode ß ﬁ", "2 * 3 * 4", "<b>bold</b> text",
    "it's \"quoted\"", "a -- b --- c", "!",
])  # fmt: skip
def test_anchors_equal_those_of_the_site(text: str) -> None:
    """A heading's anchor is computed before the site exists; Python-Markdown must give the same one."""
    from markdown import Markdown
    from markdown.extensions.toc import slugify_unicode

    source = f"# One\n\n## {text}\n\n## {text}\n\n## One\n"
    rendered = Markdown(
        extensions=["attr_list", "toc", "pymdownx.superfences"],
        extension_configs={"toc": {"slugify": slugify_unicode}},
    ).convert(source)
    theirs = re.findall(r'<h\d id="([^"]*)"', rendered)
    ours = [heading.slug for heading in markdown.headings(source)]
    assert ours == theirs

"""What a vault may hold and what becomes of it: anchors, embeds, blocks, tags, comments, orphans."""

from __future__ import annotations

import html
import pickle
import posixpath
import random
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from mkdocs.utils.meta import get_data

from blumeops.site import headings, prose, wikilinks
from blumeops.site.vault import Vault, page, vault
from tests.site.rendering import render

PAGES = Path(__file__).parent / "pages"
CIRCLES = ("circle-", "chain-1", "chain-2", "chain-3")
WORDS = (
    "word", "Two words", "`code`", "`a_b`", "*em*", "**bold**", "_under_", "__init__", "snake_case_name",
    "[link](x.md)", "[l *i*](x.md#a)", "![pic](p.svg)", "==mark==", "C#", "a & b", "&amp;", "<b>x</b>",
    "<https://a.b/c>", "\\*esc\\*", "\\_", "2 * 3", "$5", "10 %", "Häfen", "ß", "é", "--", "—", "1.", "a/b",
    "x: y", '"q"', "it's", "(par)", "!", "?", "ab*cd*ef", "a_b_c", "**a `c` b**", "***both***", "[ref][r]",
    "[^1]", "`` a ` b ``", "~~del~~", "`#!python x`", "|", "日本語", "own", "word_1", "a__b__c", "#tag", "#1",
)  # fmt: skip


def texts(**pages: str) -> Vault:
    """A vault of a few pages in one folder, by their names."""
    return vault(page(f"notes/{name}.md", f"docs/notes/{name}.md", text) for name, text in pages.items())


def rewritten(index: Vault, name: str) -> wikilinks.Rewritten:
    """A page of `texts` as it is published."""
    return wikilinks.rewrite(index.pages[f"notes/{name}.md"], index)


def said(index: Vault, name: str) -> list[str]:
    """What is wrong in a page, each with its place."""
    return [f"{problem.where}: {problem.what}" for problem in rewritten(index, name).problems]


def ids(rendered: str) -> list[str]:
    """Every id in a page's HTML, in order."""
    return [html.unescape(found) for found in re.findall(r'\sid="([^"]*)"', rendered)]


@pytest.fixture(scope="module")
def fixture(index: Vault) -> Vault:
    """The fixture vault with the pages of the link tests, but those that are circles on purpose."""
    paths = [file.relative_to(PAGES).as_posix() for file in sorted(PAGES.rglob("*.md"))]
    kept = [path for path in paths if not posixpath.basename(path).startswith(CIRCLES)]
    more = [page(path, f"docs/{path}", (PAGES / path).read_text()) for path in kept]
    return vault([*index.pages.values(), *more], index.files)


# Anchors


def random_page(chance: random.Random) -> str:
    """A page of headings of every form, between things that look like headings and are none."""
    lines = []
    for _ in range(chance.randint(1, 6)):
        words = " ".join(chance.choice(WORDS) for _ in range(chance.randint(1, 4)))
        ends = chance.choice(("", " ##", " {#own}", " { .cls }", " ^a1"))
        lines += chance.choice((
            [chance.choice(("", "", "> ", "- ")) + "#" * chance.randint(1, 6) + f" {words}{ends}"],
            [words, chance.choice(("===", "---", "-", "="))],
            [f"text {words}"], ["```", "# no", "```"], ["text", "", "    # code"], ["<!--", "# no", "-->"],
            ["text", "{: #word }"], ["%%", "# no", "%%"], [f"Text ^b{chance.randint(1, 999)}"],
        ))  # fmt: skip
        lines.append("")
    return "\n".join([*lines, "[r]: x.md", "", "[^1]: note", ""])


@pytest.mark.parametrize("seed", range(250))
def test_anchors_are_those_of_the_site(seed: int) -> None:
    """For random headings, the anchors that links use are the ids that the real configuration renders."""
    index = texts(x=random_page(random.Random(seed)))
    done = rewritten(index, "x")
    found = re.findall(r'<h[1-6][^>]*? id="([^"]*)"', render(done.text))
    assert [one.slug for one in index.pages["notes/x.md"].headings] == [html.unescape(one) for one in found]


def test_every_link_that_is_made_leads_to_something_on_a_rendered_page(fixture: Vault) -> None:
    """Of the whole fixture: each address is a page or a file, and each anchor an id on it."""
    done = {path: wikilinks.rewrite(one, fixture) for path, one in fixture.pages.items()}
    assert [problem for one in done.values() for problem in one.problems] == []
    rendered = {path: render(one.text) for path, one in done.items()}
    checked = 0
    for path, said_there in rendered.items():
        for found in re.findall(r'(?:href|src)="([^":]*)"', said_there):
            way, _, anchor = html.unescape(found).partition("#")
            beside = posixpath.join(posixpath.dirname(path), unquote(way))
            target = posixpath.normpath(beside) if way else path
            assert target in fixture.pages or target in fixture.files, f"{path}: {found}"
            assert not anchor or unquote(anchor) in ids(rendered[target]), f"{path}: {found}"
            checked += 1
    assert checked >= 20


# Embeds


def test_an_embed_adds_no_anchor_and_no_id_twice(fixture: Vault) -> None:
    """A page's own anchors are the same whatever it embeds, also the same page twice."""
    own = "# Here\n\n![[blocks]]\n\n## List\n\n![[blocks]]\n\n![[blocks#List]]\n\n## Table\n\n![[indri]]\n"
    here = page("reference/here.md", "docs/reference/here.md", own)
    done = wikilinks.rewrite(here, vault([*fixture.pages.values(), here], fixture.files))
    rendered = render(done.text)
    assert done.problems == ()
    assert re.findall(r'<h[1-6] id="([^"]*)"', rendered) == ["here", "list", "table"]
    found = ids(rendered)
    assert sorted(found) == sorted(set(found))
    assert done.embeds == ("reference/blocks.md", "reference/indri.md")
    assert "Custom</strong>" in rendered and "hidden" not in rendered


def test_headings_in_an_embed_stand_below_the_heading_above_it() -> None:
    """They are no headings of the page, but a screen reader is told their level."""
    index = texts(a="# A\n\n## B\n\n![[c]]\n", c="# C\n\nText.\n\n## D\n\n### E\n")
    levels = re.findall(r'aria-level="(\d)"[^>]*>(\w+)', render(rewritten(index, "a").text))
    assert levels == [("3", "D"), ("4", "E")]


def test_d3_a_circle_of_embeds_is_an_error_on_each_of_its_pages() -> None:
    """With the line that begins it (fault D3), and on every page above."""
    index = texts(
        a="# A\n\n![[b]]\n", b="Text.\n\n## Part\n\n![[c]]\n", c="![[a]]", d="\n![[a]]", e="![[b#Part]]"
    )
    circle = "this embeds itself: docs/notes/{} → docs/notes/{} → docs/notes/{} → docs/notes/{}"
    assert said(index, "a") == ["docs/notes/a.md:3:1: " + circle.format("a.md", "b.md", "c.md", "a.md")]
    assert said(index, "b") == ["docs/notes/b.md:5:1: " + circle.format("b.md", "c.md", "a.md", "b.md")]
    for name in "cde":
        assert "this embeds itself" in said(index, name)[0]


def test_d3_a_page_may_embed_another_part_of_itself_or_a_part_that_is_in_no_circle() -> None:
    """Only text that would hold itself is refused."""
    index = texts(
        a="## One\n\nText.\n\n## Two\n\n![[#One]]\n\n![[b#Safe]]\n", b="## Safe\n\nx\n\n## Other\n\n![[a]]\n"
    )
    assert said(index, "a") == []
    assert said(index, "b") == []


def test_d3_embeds_have_a_bound_of_depth_and_of_number() -> None:
    """Twelve embeds of twelve embeds of twelve, and nine in a row, are refused unwritten (faults D3, D5)."""
    deep = texts(**{f"p{n}": f"![[p{n + 1}]]\n" for n in range(9)}, p9="end")
    assert "nested more than 5 deep" in said(deep, "p0")[0]
    assert said(deep, "p4") == []
    rows = {
        f"r{level}c{n}": "\n\n".join(f"![[r{level + 1}c{m}]]" for m in range(12))
        for level in range(4)
        for n in range(12)
    }
    wide = texts(**rows, **{f"r4c{n}": "end" for n in range(12)})
    assert any("more than 200 embeds" in one for one in said(wide, "r0c0"))
    assert len(rewritten(wide, "r0c0").text) < 1_000_000


def test_what_is_embedded_is_as_it_is_on_its_own_page() -> None:
    """Relative addresses, footnotes and code of another folder: each still means what it meant there."""
    text = "A [page](sub/o.md#x), ![p](p.svg), [own](#here).[^1]\n\n"
    text += '<img src="../p.svg">\n\n`[x](y.md)`\n\n[^1]: Note.\n'
    one = page("far/one.md", "docs/far/one.md", text)
    here = page("near/here.md", "docs/near/here.md", "Own[^1].\n\n![[one]]\n\n[^1]: Mine.\n")
    done = wikilinks.rewrite(here, vault([one, here, page("far/sub/o.md", "docs/far/sub/o.md", "# x")]))
    for expected in (
        "[page](../far/sub/o.md#x)", "![p](../far/p.svg)", "[own](../far/one.md#here)",
        '<img src="../../far/p.svg">',
        "`[x](y.md)`", "[^far-one-1]: Note.", "[own](../far/one.md#here).[^far-one-1]", "Own[^1].",
    ):  # fmt: skip
        assert expected in done.text
    rendered = render(done.text)
    assert "Note." in rendered and "Mine." in rendered


# Places


def test_a_line_of_the_published_text_knows_where_it_was_written(fixture: Vault) -> None:
    """Comments keep their lines, and what an embed, a tag or an anchor adds is counted."""
    own = (
        "Note: one\n\n#tag two\n\n%%\nhidden\n%%\nthree\n\n![[blocks]]\n\nfour\n\n"
        "| a |\n|---|\n| five |\n\n^t\n\n"
        "- six\n- ![[blocks#^first]]\n- seven\n"
    )
    here = page("reference/here.md", "docs/reference/here.md", own)
    done = wikilinks.rewrite(here, vault([*fixture.pages.values(), here], fixture.files))
    source, made = own.split("\n"), done.text.split("\n")
    for word in ("one", "two", "three", "four", "five", "six", "seven"):
        written = next(n for n, line in enumerate(source, 1) if re.search(rf"\b{word}\b", line))
        published = [n for n, line in enumerate(made, 1) if re.search(rf"^[^>]*\b{word}\b", line)]
        assert [done.line(n) for n in published] == [written], word
    inside = next(n for n, line in enumerate(made, 1) if "A claim" in line)
    assert source[done.line(inside) - 1] == "![[blocks]]"


def test_a_page_can_be_kept_between_builds(fixture: Vault) -> None:
    """A page depends on its path and text alone: pickled and read again it is published as the same text."""
    kept = pickle.loads(pickle.dumps(tuple(fixture.pages.values())))
    again = vault(kept, fixture.files)
    for path, one in fixture.pages.items():
        assert wikilinks.rewrite(one, fixture) == wikilinks.rewrite(again.pages[path], again)


# Tags and comments


def test_tags_in_the_text_join_those_of_the_front_matter() -> None:
    """Each once, those of the front matter first; in code, headings and numbers there are none."""
    text = "---\ntitle: X\ntags: [one]\n---\n# Not #two\n\n#one `#code` #2024 #three/four\n\n```\n#no\n```\n"
    index = texts(x=text)
    assert index.pages["notes/x.md"].tags == ("one", "two", "three/four")
    _, values = get_data(rewritten(index, "x").text)
    assert values == {"title": "X", "tags": ["one", "two", "three/four"]}


def test_d4_what_is_code_stays_to_the_character(fixture: Vault) -> None:
    """Random pages of code in every form: each fence and span is published as it was written (fault D4)."""
    chance = random.Random(4)
    odd = (
        "[[caddy]]",
        "[[ -f x ]]",
        "![[my-page]]",
        "%%x%%",
        "#tag",
        "text ^id",
        "$[[x]]$",
        "==x==",
        "\\[[x]]",
    )
    for _ in range(200):
        code = "\n".join(" ".join(chance.sample(odd, 3)) for _ in range(chance.randint(1, 3)))
        lead = chance.choice(("", "    ", "> ", "> > "))
        item = "- item\n\n" if lead == "    " else ""
        mark = chance.choice(("```", "~~~", "`````", "~~~~"))
        block = "\n".join(f"{lead}{line}" for line in (f"{mark}bash", *code.split("\n"), mark))
        here = page("here.md", "docs/here.md", f"See [[caddy]].\n\n{item}{block}\n\n`{odd[0]} {odd[3]}`\n")
        done = wikilinks.rewrite(here, fixture)
        assert (done.problems, done.links) == ((), {"reference/caddy.md"})
        assert prose.fences(done.text) == prose.fences(here.text)
        assert block in done.text and f"`{odd[0]} {odd[3]}`" in done.text


def test_d1_a_name_is_looked_up_and_never_opened() -> None:
    """Ways out of the vault, in every spelling, are names that are not there (fault D1)."""
    names = ("../../etc/passwd", "/etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..\\..\\etc\\passwd",
             "\0/etc/passwd",
             "file:///etc/passwd", "/proc/self/environ", "~/.ssh/config", "etc/passwd\0.md")  # fmt: skip
    index = texts(x="\n\n".join(f"[[{name}]] ![[{name}]]" for name in names))
    assert len(rewritten(index, "x").problems) == 2 * len(names)
    assert rewritten(index, "x").text == index.pages["notes/x.md"].text


def test_d3_pages_that_differ_in_case_alone_are_told_apart() -> None:
    """The exact name wins; a spelling that fits both is ambiguous, with the line (fault D3)."""
    index = texts(Caddy="# One", caddy="# Two", x="[[Caddy]] [[caddy]]", y="\n\n[[CADDY]]")
    assert rewritten(index, "x").text == "[Caddy](Caddy.md) [caddy](caddy.md)"
    assert said(index, "y") == [
        "docs/notes/y.md:3:1: [[CADDY]] is ambiguous: docs/notes/Caddy.md, docs/notes/caddy.md"
    ]


def test_headings_of_a_text_are_found_without_its_page() -> None:
    """What others ask of a text alone: its headings with lines, none in code and comments."""
    found = headings.headings("# A\n\n```\n# b\n```\n\n<!--\n# c\n-->\n\nD\n---\n\n#tag\n\n## E #")
    assert [(one.level, one.text, one.line) for one in found] == [(1, "A", 1), (2, "D", 11), (2, "E", 16)]

"""What a page tells about other pages: who links to it and in which words, what is near it, its tags."""

from __future__ import annotations

import json
from pathlib import Path

from blumeops.site import backlinks, graph, page_end, related, staging, tags, wikilinks
from blumeops.site.vault import Vault, page, vault


def site(**texts: str) -> tuple[Vault, dict[str, str], dict[str, frozenset[str]]]:
    """An index of pages (`a__b` is `a/b.md`), their texts with links rewritten, and their links."""
    named = {name.replace("__", "/").replace("_", "-") + ".md": text for name, text in texts.items()}
    index = vault([page(path, f"docs/{path}", text) for path, text in named.items()])
    done = {path: wikilinks.rewrite(one, index) for path, one in index.pages.items()}
    assert not [problem for one in done.values() for problem in one.problems]
    return index, {path: one.text for path, one in done.items()}, {p: one.links for p, one in done.items()}


def said(origin: str, text: str) -> backlinks.Backlink:
    """The backlink that a text with one link to `caddy` gives that page."""
    index, texts, links = site(caddy="# Caddy\n", **{origin: text})
    (link,) = backlinks.backlinks(texts, links, index.pages)["caddy.md"]
    return link


def test_a_backlink_says_its_sentence_and_not_its_neighbours() -> None:
    """The words are those that a reader of the other page sees: no markup, no link syntax."""
    link = said(
        "proxy",
        "# P\n\n## Who **serves**\n\nFirst one. On `indri` the [[caddy|web *server*]] answers! Last.\n",
    )
    assert link == backlinks.Backlink(
        "proxy.md", "Who serves", "who-serves", "On indri the web server answers!"
    )


def test_an_item_a_row_and_a_wrapped_paragraph_are_blocks_of_their_own() -> None:
    """A list's other items, a table's other rows and the paragraph before say nothing about a link."""
    assert (
        said("a", "# A\n\nBefore.\n\n- one\n- see [[caddy]] there\n- three\n").sentence == "see caddy there"
    )
    row = said("a", "# A\n\n| x | y |\n|---|---|\n| p | q |\n| `80` | [[caddy\\|it]] |\n")
    assert row.sentence == "80 · it"
    assert said("a", "# A\n\nA long line\nthat goes on to [[caddy]]\nand on.\n").sentence == (
        "A long line that goes on to caddy and on."
    )


def test_code_that_looks_like_a_link_gives_no_sentence() -> None:
    """The first link that is one counts, whatever an example above it shows."""
    text = "# A\n\n```md\nNot [this](caddy.md).\n```\n\nBut [that](caddy.md).\n"
    assert said("a", text).sentence == "But that."


def test_a_long_sentence_is_cut_around_its_link() -> None:
    """The words around the link stay, however far in the sentence it stands."""
    cut = said("a", f"# A\n\n{'before ' * 80}[[caddy]] {'after ' * 80}.\n").sentence
    assert "before caddy after" in cut and len(cut) <= backlinks.MAX_CHARACTERS + 4
    assert cut.startswith("… ") and cut.endswith(" …")


def test_what_a_sentence_holds_stays_text_in_the_footer() -> None:
    """A backlink repeats another page's words, so nothing in them may act here (fault D2)."""
    index, texts, links = site(
        caddy="# Caddy\n", a='# <b>A</b>\n\nx `<script>alert(1)</script>` &lt;i&gt; [[caddy]] "q"\n'
    )
    end = page_end.footer(page_end.relations(index, texts, links), "caddy.md")
    assert "<script" not in end and "<i>" not in end and "<b>" not in end
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in end


def test_related_pages_are_those_that_stand_together() -> None:
    """Pages that others name together, and share a rare tag with, are near; those already linked are not."""
    index, _, links = site(
        one="# 1\n\n[[disk]] [[backup]]\n",
        two="# 2\n\n[[disk]] [[backup]] [[other]]\n",
        disk="---\ntags: [storage]\n---\n# Disk\n",
        backup="---\ntags: [storage]\n---\n# Backup\n",
        other="# Other\n",
        linked="---\ntags: [storage]\n---\n# Linked\n\n[[disk]]\n",
    )
    back = {
        "disk.md": ["one.md", "two.md", "linked.md"],
        "backup.md": ["one.md", "two.md"],
        "other.md": ["two.md"],
    }
    near = related.related(index.pages, links, back)
    assert near["disk.md"][0] == "backup.md" and "linked.md" not in near["disk.md"]
    assert near["two.md"] == ("one.md", "linked.md")


def test_what_everything_shares_makes_nothing_related() -> None:
    """A front page that links to all, and a tag on all, would make each page near to every other."""
    pages = {f"p{n:03}": "---\ntags: [all]\n---\n# P\n" for n in range(related.SHARED_BY_AT_MOST + 1)}
    index, _, links = site(front="# F\n\n" + "\n\n".join(f"[[{name}]]" for name in pages), **pages)
    assert related.related(index.pages, links, {f"{name}.md": ["front.md"] for name in pages}) == {}


def test_the_graph_has_every_link_once_and_counts_both_ends() -> None:
    """The data is what the drawing, the page for what is missing and other programs read."""
    index, _, links = site(
        a="# A\n\n[[b]] [[b|again]]\n", x__b="---\ntags: [t]\n---\n# B\n\n[[a]]\n", c="# C\n"
    )
    found = json.loads(graph.graph(index.pages, links))
    assert [(n["path"], n["kind"], n["tags"], n["in"], n["out"]) for n in found["nodes"]] == [
        ("a.md", "top", [], 1, 1), ("c.md", "top", [], 0, 0), ("x/b.md", "x", ["t"], 1, 1),
    ]  # fmt: skip
    assert found["edges"] == [[0, 2], [2, 0]]


def test_every_tag_leads_to_all_of_its_pages() -> None:
    """A tag of two pages has a page; one that a single page has is listed; case makes no second tag."""
    index, *_ = site(
        a="---\ntags: [Disk, rare]\n---\n# A\n",
        b="---\ntags: [disk]\n---\n# B\n",
        c="---\ntags: ['k:v/w']\n---\n# C\n",
    )
    made = {path: text for path, _, text in tags.pages(index.pages.values())}
    assert set(made) == {"tags/index.md", "tags/disk.md"}
    assert "[A](../a.md)" in made["tags/disk.md"] and "[B](../b.md)" in made["tags/disk.md"]
    assert (
        "- rare: [A](../a.md)" in made["tags/index.md"] and "- k:v/w: [C](../c.md)" in made["tags/index.md"]
    )


def test_a_tags_page_takes_no_pages_name(small: Path) -> None:
    """`[[storage]]` means the page of that name, whatever tags there are."""
    (small / "docs/storage.md").write_text("---\ntags: [storage]\n---\n# Storage\n\n[[indri]]\n")
    (small / "docs/index.md").write_text("---\ntags: [storage]\n---\n# x\n\n[[storage]] [[caddy]]\n")
    done = staging.stage(small, strict=False)
    assert "tags/storage.md" in done.vault.pages
    assert done.links["index.md"] >= {"storage.md"}


def test_a_page_of_the_vault_keeps_its_place(small: Path) -> None:
    """A vault that has its own `graph.md` or `tags/` is not told to rename them."""
    for name in ("graph.md", "tags/index.md"):
        (small / "docs" / name).parent.mkdir(exist_ok=True)
        (small / "docs" / name).write_text("# Mine\n")
    done = staging.stage(small, strict=False)
    assert (done.folder / "graph.md").read_text().startswith("# Mine")
    assert (done.folder / "tags/index.md").read_text().startswith("# Mine")


def test_the_end_of_a_page_can_be_set_aside() -> None:
    """What is cut off and what is left make the page again, and a page without an end stays whole."""
    index, texts, links = site(caddy="# Caddy\n", a="# A\n\n[[caddy]]\n")
    end = page_end.footer(page_end.relations(index, texts, links), "caddy.md")
    assert "\n\n" not in end
    assert page_end.cut(f"# Caddy\n\n{end}") == ("# Caddy\n\n", end)
    assert page_end.cut("# Caddy\n") == ("# Caddy\n", "")

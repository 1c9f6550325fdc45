"""The exported pages, read by a CommonMark parser that knows nothing of this project."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from blumeops import records
from blumeops.errors import BadInput, BlumeOpsError
from blumeops.site import export
from tests.site.conftest import ROOT, VAULT
from tests.site.test_staging import record

PAGE = """---
title: Everything
description: A page with `code` and every form.
---

# Everything

## Twice over -- and over

## Twice over -- and over

## Named by hand { #by-hand }

[[everything#Twice over -- and over]], [[indri#Services|its *services*]], [[#Named by hand]],
[button](indri.md){ .md-button .md-button--primary }, :material-check: done, ==marked==.

![[pic.svg|120]]

> [!warning] Mind the gap
> It is [[indri]].

> [!note]-
> Folded.

!!! tip "Said in Material's words"

    A fence in it:

    ```yaml title="a.yaml" hl_lines="1"
    a: "{ .not-an-attribute }  ==not marked=="
    ```

??? question

    Hidden.

=== "First"

    One.

=== "Second"

    Two.

<div class="grid cards" markdown="1">

-   **A card**

    of text

</div>

| a | b |
|---|---|
| [[caddy\\|Caddy]] | `[[caddy]]` |
| `[[caddy|Caddy]]` | `a || b` |

```bash
[[ -f x ]] && echo '==x== { .y } > [!note] :material-check:'
```

    indented [[ -d y ]] { .code }

![[indri#Services]]

A block that is linked. ^ports

See [[everything#^ports]], #homelab/tag. %%Nobody reads this.%%

- [ ] a task

<!-- blumeops:pages -->
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture vault with a page of every form and a record of a run, exported once."""
    root = tmp_path_factory.mktemp("export") / "vault"
    copy_of_the_vault(root)
    records.save(record(root), root / records.COMMITTED / "restart-indri.json")
    return export.export(root, root.parent / "out").folder


def copy_of_the_vault(root: Path) -> None:
    """The fixture vault with the project's own site configuration and a page of every form."""
    for file in VAULT.rglob("*"):
        if file.is_file():
            (root / file.relative_to(VAULT)).parent.mkdir(parents=True, exist_ok=True)
            (root / file.relative_to(VAULT)).write_bytes(file.read_bytes())
    config = root / "mkdocs.yml"
    config.write_text(config.read_text().replace("../../../mkdocs.yml", str(ROOT / "mkdocs.yml")))
    (root / "docs/reference/everything.md").write_text(PAGE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the fixture vault that a test may change."""
    copy_of_the_vault(tmp_path / "vault")
    return tmp_path / "vault"


def tokens(page: Path) -> list[Token]:
    """A page as CommonMark with tables reads it, with the tokens inside of lines."""
    parsed = MarkdownIt("commonmark").enable("table").parse(page.read_text())
    return [inner for token in parsed for inner in (token, *(token.children or ()))]


def github_anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings: lower case, no marks, a dash for each space, `-1` for a second."""
    found: list[str] = []
    parsed = MarkdownIt("commonmark").parse(page.read_text())
    for opened, inline in pairwise(parsed):
        if opened.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            slug = "".join(c for c in text.strip().lower() if c.isalnum() or c in "-_ ").replace(" ", "-")
            again = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", one) is not None for one in found)
            found.append(f"{slug}-{again}" if again else slug)
    return set(found)


def html_ids(page: Path) -> set[str]:
    """The places that are marked by hand, as GitHub keeps them."""
    return {found for token in tokens(page) for found in re.findall(r'<a id="([^"]+)">', token.content)}


def links(page: Path) -> Iterator[str]:
    """The targets of all links and images of a page."""
    for token in tokens(page):
        for name in ("href", "src"):
            if target := token.attrGet(name):
                yield str(target)
        yield from re.findall(r'<img src="([^"]+)"', token.content if token.type == "html_inline" else "")


def test_every_link_of_every_page_leads_to_a_file_and_a_heading_of_it(folder: Path) -> None:
    pages = sorted(folder.rglob("*.md"))
    assert len(pages) > 8
    followed = 0
    for page in pages:
        for target in links(page):
            way, _, anchor = unquote(target).partition("#")
            file = (page.parent / way).resolve() if way else page
            assert file.is_file(), f"{page}: {target}"
            assert not anchor or anchor in github_anchors(file) | html_ids(file), f"{page}: {target}"
            followed += 1
    assert followed > 20


def test_nothing_of_the_sites_own_dialect_is_left_outside_of_code(folder: Path) -> None:
    """The pages of tags are left out: a tag of the fixture vault looks like a link, and is none."""
    for page in (page for page in folder.rglob("*.md") if page.parent.name != "tags"):
        said = " ".join(t.content for t in tokens(page) if t.type in ("text", "html_inline", "html_block"))
        for form in (
            "[[",
            "]]",
            "[!",
            "!!!",
            "???",
            "===",
            "{ ",
            "==",
            ":material",
            "<div",
            "blumeops:pages",
        ):
            assert form not in said, f"{page}: {form}"
        assert not page.read_text().startswith("---")


def test_code_is_exported_as_it_was_written_D4(folder: Path) -> None:
    text = (folder / "reference/everything.md").read_text()
    assert "[[ -f x ]] && echo '==x== { .y } > [!note] :material-check:'\n```" in text
    assert "    indented [[ -d y ]] { .code }" in text and "`[[caddy]]`" in text
    cells = [
        token.content for token in tokens(folder / "reference/everything.md") if token.type == "code_inline"
    ]
    assert {"[[caddy|Caddy]]", "a || b"} <= set(cells), "a bare pipe in code ends no cell"
    assert '> ```yaml\n> a: "{ .not-an-attribute }  ==not marked=="\n> ```' in text
    bash = (VAULT / "docs/reference/caddy.md").read_text().partition("```bash\n")[2].partition("```")[0]
    assert bash in (folder / "reference/caddy.md").read_text()


def test_callouts_and_admonitions_are_quotes_that_say_what_they_are(folder: Path) -> None:
    page = folder / "reference/everything.md"
    assert sum(token.type == "blockquote_open" for token in tokens(page)) == 5
    text = page.read_text()
    assert "> **Mind the gap**\n>\n> It is [indri](indri.md)." in text
    assert "> **Note**\n>\n> Folded." in text and "> **Question**\n>\n> Hidden." in text
    assert "> **[indri › Services](indri.md#services)**\n>\n> **Backup**" in text, "an embedded section"
    assert "**First**\n\nOne.\n\n**Second**\n\nTwo." in text
    assert '<img src="../assets/pic.svg" alt="" width="120">' in text


def test_a_runbook_is_exported_with_what_its_last_run_said(folder: Path) -> None:
    text = (folder / "how-to/restart-indri.md").read_text()
    assert "restart-indri: passed on 2026-03-04" in text and "stopping indri" in text
    assert "{code-cell}" not in text and "```python\n" in text


def test_a_listing_is_written_out_with_its_descriptions(folder: Path) -> None:
    text = (folder / "reference/everything.md").read_text()
    assert "- [indri](indri.md)" in text
    assert "[Everything](everything.md): A page with `code`" in (folder / "reference/index.md").read_text()


def test_exporting_again_writes_nothing_and_a_change_writes_that_page(root: Path, tmp_path: Path) -> None:
    first = export.export(root, tmp_path / "out")
    times = {file: file.stat().st_mtime_ns for file in first.folder.rglob("*")}
    again = export.export(root, tmp_path / "out")
    assert (again.written, again.removed, again.unchanged) == ((), (), len(first.written))
    assert {file: file.stat().st_mtime_ns for file in first.folder.rglob("*")} == times
    with (root / "docs/explanation/my-page.md").open("a") as page:
        page.write("\nAnother sentence.\n")
    assert export.export(root, tmp_path / "out").written == ("explanation/my-page.md",)


def test_a_page_that_left_is_taken_away_with_its_folder_and_nothing_else(root: Path, tmp_path: Path) -> None:
    (root / "docs/new").mkdir()
    (root / "docs/new/page.md").write_text("# New\n")
    out = export.export(root, tmp_path / "out").folder
    (out / "mine.txt").write_text("mine")
    (root / "docs/new/page.md").unlink()
    assert "new/page.md" in export.export(root, out).removed
    assert not (out / "new").exists() and (out / "mine.txt").read_text() == "mine"


def test_what_is_not_from_an_export_is_never_overwritten(root: Path, tmp_path: Path) -> None:
    """All of it is named at once, and nothing is written: a foreign file, an edited page."""
    out = tmp_path / "out"
    (out / "reference").mkdir(parents=True)
    (out / "index.md").write_text("# My own front page\n")
    with pytest.raises(BadInput, match="not from an export"):
        export.export(root, out)
    assert [file.name for file in out.rglob("*") if file.is_file()] == ["index.md"]
    (out / "index.md").unlink()
    export.export(root, out)
    for name in ("reference/caddy.md", "reference/indri.md"):
        (out / name).write_text("edited")
    (root / "docs/reference/caddy.md").write_text("# Caddy, changed\n")
    with pytest.raises(BadInput, match="edited since") as caught:
        export.export(root, out)
    assert len(caught.value.problems) == 2 and (out / "reference/caddy.md").read_text() == "edited"


def test_an_export_never_leaves_its_folder_D1(root: Path, tmp_path: Path) -> None:
    """Neither through a link that somebody put there, nor by a manifest that names other files."""
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    victim.mkdir()
    (out / "reference").symlink_to(victim)
    with pytest.raises(BadInput, match="symbolic link"):
        export.export(root, out)
    assert not list(victim.iterdir())
    (out / "reference").unlink()
    (victim / "precious.md").write_text("x")
    (out / export.MANIFEST).write_text(
        json.dumps({"files": {"../victim/precious.md": "", "/etc/hostname": ""}})
    )
    export.export(root, out)
    assert (victim / "precious.md").exists()


def test_a_broken_link_is_named_and_nothing_is_exported_D3(root: Path, tmp_path: Path) -> None:
    (root / "docs/explanation/my-page.md").write_text("# Mine\n\n[[indry]]\n")
    with pytest.raises(BadInput, match=r"my-page\.md:3:1: \[\[indry\]\]"):
        export.export(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_somebody_elses_vault_is_not_written_into(root: Path, tmp_path: Path) -> None:
    """Our own repository has a folder for it that Git ignores; another one is asked where to."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/index.md").write_text("# Mine\n")
    with pytest.raises(BlumeOpsError, match="where to"):
        export.export(tmp_path / "notes")
    assert export.export(root).folder == root / "build/markdown"
    out = export.export(tmp_path / "notes", tmp_path / "out").folder
    assert (out / "index.md").read_text() == "# Mine\n"


def test_an_export_into_the_vault_is_refused(root: Path) -> None:
    with pytest.raises(BlumeOpsError, match="inside of the vault"):
        export.export(root, root / "docs/export")

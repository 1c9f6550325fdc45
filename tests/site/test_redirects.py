"""Old addresses lead to pages, and never in the place of one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from blumeops.errors import BadInput
from blumeops.site import redirects, staging
from blumeops.site.navigation import edit_url
from blumeops.site.vault import Page, page


def pages(**texts: str) -> dict[str, Page]:
    """Pages by path; `a__b` is `a/b.md`."""
    made = (
        page(f"{n.replace('__', '/')}.md", f"docs/{n.replace('__', '/')}.md", t) for n, t in texts.items()
    )
    return {one.path: one for one in made}


def targets(found: dict[str, str]) -> dict[str, str]:
    """Where each redirect leads."""
    return {path: re.search(r'url=([^"]*)', text)[1] for path, text in found.items()}  # type: ignore[index]


def test_an_alias_leads_to_its_page_from_beside_it_and_from_the_top() -> None:
    """An alias is what people call a page, so it is what they type."""
    found, problems = redirects.redirects(pages(x__caddy="---\naliases: [Reverse Proxy]\n---\n# C\n"), {})
    assert not problems
    assert targets(found) == {
        "reverse-proxy/index.html": "../x/caddy/",
        "x/reverse-proxy/index.html": "../caddy/",
    }


def test_a_renamed_page_redirects(tmp_path: Path) -> None:
    """A `git mv` is all there is to do: the old address leads to the new one, a runbook's too."""
    for name in ("docs/old.md", "runbooks/was.md"):
        file = tmp_path / name
        file.parent.mkdir()
        file.write_text(f"---\njupyter: x\n---\n# {name}\n\n" + "Something that only this page says.\n" * 9)
    (tmp_path / "mkdocs.yml").write_text("site_name: x\nplugins:\n  - blumeops\n")
    run = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
    for words in ("init -q", "add -A", "commit -qm one", "mv docs/old.md docs/new.md",
                  "mv runbooks/was.md runbooks/is.md", "commit -qm two"):  # fmt: skip
        subprocess.run([*run, *words.split()], cwd=tmp_path, check=True, capture_output=True)
    done = staging.stage(tmp_path, strict=False)
    assert 'href="../new/"' in (done.folder / "old/index.html").read_text()
    assert 'href="../is/"' in (done.folder / "how-to/was/index.html").read_text()


def test_a_redirect_never_takes_a_pages_place() -> None:
    """Neither an alias nor an old name, in whatever case; a folder's index is a page too."""
    all_pages = pages(a="---\naliases: [B, Folder]\n---\n# A\n", b="# B\n", folder__index="# F\n")
    found, problems = redirects.redirects(all_pages, {"docs/B.md": "docs/a.md", "docs/index.md": "docs/a.md"})
    assert (found, problems) == ({}, [])


def test_what_two_pages_claim_leads_nowhere() -> None:
    """The reader would land on one of them by chance; beside each page it is still clear."""
    all_pages = pages(x__a="---\naliases: [it]\n---\n# A\n", y__b="---\naliases: [it]\n---\n# B\n")
    found, _ = redirects.redirects(all_pages, {})
    assert targets(found) == {"x/it/index.html": "../a/", "y/it/index.html": "../b/"}


def test_an_address_that_is_asked_for_is_made() -> None:
    """With a path, however it is written; it wins over an alias of another page."""
    text = "---\nredirect_from: [/old/place/, wiki/Page.html, nick]\n---\n# A\n"
    found, problems = redirects.redirects(pages(a=text, b="---\naliases: [nick]\n---\n# B\n"), {})
    assert not problems
    assert targets(found) == {
        "nick/index.html": "../a/", "old/place/index.html": "../../a/", "wiki/Page/index.html": "../../a/",
    }  # fmt: skip


@pytest.mark.parametrize("asked", ["b", "../out", "https://example.org/x", "a/../../x", "<script>", "''"])
def test_an_address_that_cannot_be_is_a_problem(asked: str, tmp_path: Path) -> None:
    """A page's own address, a way out of the site, another host: named with file and line (fault D1)."""
    (tmp_path / "b.md").write_text("# B\n\n[[a]]\n")
    (tmp_path / "a.md").write_text(f"---\ntitle: A\nredirect_from: [{asked}]\n---\n# A\n\n[[b]]\n")
    with pytest.raises(BadInput, match=r"a\.md:3.*redirect_from"):
        staging.stage(tmp_path)


def test_a_title_is_text_in_its_redirect() -> None:
    """A redirect's page shows the title, and nothing in a title may act (fault D2)."""
    found, _ = redirects.redirects(pages(a='---\ntitle: "<script>1</script>"\naliases: [x]\n---\n'), {})
    assert "<script" not in found["x/index.html"]


def test_a_redirect_needs_no_script_and_is_not_searched() -> None:
    """It works in a browser without JavaScript, shows a link, and says which page is meant."""
    text = redirects.redirects(pages(a="---\naliases: [x]\n---\n# A\n"), {})[0]["x/index.html"]
    for part in ('http-equiv="refresh"', 'rel="canonical" href="../a/"', "noindex", '<a href="../a/">A</a>'):
        assert part in text
    assert "<script" not in text


def test_without_directory_addresses_a_redirect_is_a_file() -> None:
    """`use_directory_urls: false`: `x.html` leads to `a.html`."""
    found, _ = redirects.redirects(pages(y__a="---\naliases: [x]\n---\n# A\n"), {}, flat=True)
    assert targets(found) == {"x.html": "y/a.html", "y/x.html": "a.html"}


@pytest.mark.parametrize(("repository", "uri", "source", "leads_to"), [
    ("https://h/r", "edit/main/", "runbooks/x.md", "https://h/r/edit/main/runbooks/x.md"),
    ("https://h/r/", "edit/master/docs/", "docs/a b.md", "https://h/r/edit/master/docs/a%20b.md"),
    ("https://h/r/", "edit/master/docs/", "runbooks/x.md", "https://h/r/edit/master/runbooks/x.md"),
    ("https://h/r", "edit/main/", "", None), ("https://h/r", None, "x", None), (None, "edit/", "x", None),
])  # fmt: skip
def test_the_edit_link_leads_to_the_file_that_a_person_edits(
    repository: str | None, uri: str | None, source: str, leads_to: str | None
) -> None:
    """A runbook is not below `docs/`; without a repository, and for a made page, there is no link."""
    assert edit_url(repository, uri, source) == leads_to

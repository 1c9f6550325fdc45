"""What Git says of pages: their last change, the names they had, and the feed, from one pass over the log."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from blumeops.site import feed, history, staging

ATOM = "{http://www.w3.org/2005/Atom}"


def git(root: Path, *words: str, day: int = 1) -> None:
    """One Git command, as of one day of March 2026."""
    at = f"2026-03-{day:02}T12:00:00+00:00"
    names = {f"GIT_{who}_{what}": "me" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(root),
        "GIT_AUTHOR_DATE": at,
        "GIT_COMMITTER_DATE": at,
        **names,
    }
    subprocess.run(["git", *words], cwd=root, env=env, check=True, capture_output=True)


def commit(root: Path, subject: str, day: int, **files: str | None) -> None:
    """Write these files of `docs/` (None: remove) and commit everything."""
    for name, text in files.items():
        file = root / "docs" / f"{name}.md"
        file.parent.mkdir(exist_ok=True)
        file.unlink() if text is None else file.write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", subject, day=day)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty repository."""
    made = tmp_path / "repository"
    made.mkdir()
    git(made, "init", "-q", "-b", "main")
    return made


LONG = "# A page\n\n" + "".join(f"Line {n} says what no other page says.\n" for n in range(20))


def test_the_last_change_is_the_newest_commit_of_that_page(root: Path) -> None:
    """Another page's commit is none of this one; a name with spaces, quotes and accents is a name."""
    name = 'Häfen "und" mehr'
    commit(root, "first", 1, a="# A\n", b="# B\n")
    commit(root, 'fix: "b" & <c>', 2, b="# B2\n", **{name: "# C\n"})
    known = history.read(root, ["docs/a.md", "docs/b.md", f"docs/{name}.md"])
    assert {path: (one.day, one.subject) for path, one in known.last.items()} == {
        "docs/a.md": ("2026-03-01", "first"),
        "docs/b.md": ("2026-03-02", 'fix: "b" & <c>'),
        f"docs/{name}.md": ("2026-03-02", 'fix: "b" & <c>'),
    }


def test_a_page_is_followed_through_its_renames(root: Path) -> None:
    """Twice renamed, then edited: every old name leads to today's, and the changes are one history."""
    commit(root, "write", 1, a=LONG)
    git(root, "mv", "docs/a.md", "docs/b.md")
    commit(root, "rename", 2)
    git(root, "mv", "docs/b.md", "docs/c.md")
    commit(root, "again", 3, c=LONG + "More.\n")
    known = history.read(root, ["docs/c.md"])
    assert known.renamed == {"docs/a.md": "docs/c.md", "docs/b.md": "docs/c.md"}
    assert [change.commit.subject for change in known.changes] == ["again", "rename", "write"]


def test_a_name_that_was_given_again_is_not_redirected(root: Path) -> None:
    """The old page moved away and a new one took its name: the name means the new one, with its own past."""
    commit(root, "write", 1, a=LONG)
    git(root, "mv", "docs/a.md", "docs/b.md")
    commit(root, "rename", 2)
    commit(root, "another", 3, a="# Another\n")
    known = history.read(root, ["docs/a.md", "docs/b.md"])
    assert known.renamed == {}
    assert known.last["docs/a.md"].subject == "another" and known.last["docs/b.md"].subject == "rename"
    assert [c.commit.subject for c in known.changes if c.path == "docs/a.md"] == ["another"]


def test_what_was_removed_leads_nowhere(root: Path) -> None:
    """A page that was renamed and then deleted has no page to lead to."""
    commit(root, "write", 1, a=LONG, z="# Z\n")
    git(root, "mv", "docs/a.md", "docs/b.md")
    commit(root, "rename", 2)
    commit(root, "remove", 3, b=None)
    assert history.read(root, ["docs/z.md"]).renamed == {}


def test_a_shallow_clone_says_nothing_rather_than_something_wrong(root: Path, tmp_path: Path) -> None:
    """Its oldest commit seems to have written every page; so does no repository, and one without a commit."""
    commit(root, "first", 1, a="# A\n")
    commit(root, "second", 2, b="# B\n")
    git(tmp_path, "clone", "-q", "--depth", "1", root.as_uri(), "shallow")
    assert history.read(tmp_path / "shallow", ["docs/a.md"]) == history.NONE
    assert history.read(tmp_path, ["docs/a.md"]) == history.NONE
    git(tmp_path, "init", "-q", "empty")
    assert history.read(tmp_path / "empty", ["docs/a.md"]) == history.NONE


def test_a_vault_inside_of_a_repository_has_its_own_paths(root: Path) -> None:
    """A folder of a larger repository is a place of its own; what lies beside it is not its history."""
    commit(root, "write", 1, a=LONG)
    (root / "other.md").write_text("# O\n")
    commit(root, "other", 2)
    known = history.read(root / "docs", ["a.md"])
    assert [(change.path, change.commit.subject) for change in known.changes] == [("a.md", "write")]


def test_a_page_says_when_it_changed_and_when_it_was_reviewed(root: Path) -> None:
    """One line at its end: from Git, and from its front matter; a page that is not committed says nothing."""
    commit(root, "fix: `a` <b>", 4, index="# I\n\n[[a]]\n", a="---\nreviewed: 2026-03-03\n---\n# A\n")
    (root / "docs/new.md").write_text("# New\n\n[[a]]\n")
    done = staging.stage(root, strict=False)
    text = (done.folder / "a.md").read_text()
    assert 'Last changed <time datetime="2026-03-04">4 March 2026</time>: fix: `a` &lt;b&gt;' in text
    assert 'Reviewed <time datetime="2026-03-03">3 March 2026</time>' in text
    assert "Last changed" not in (done.folder / "new.md").read_text()


@pytest.mark.parametrize("url", ["", "https://example.org/docs"])
def test_the_feed_has_what_the_standard_requires(root: Path, url: str) -> None:
    """RFC 4287, 4.1: id, title, updated and an author for the feed; id, title, updated for each entry."""
    commit(root, "write", 1, a="# A & B\n")
    commit(root, "more \x1b[31m", 2, a="# A & B\n\nMore.\n")
    pages = staging.read(root).vault.pages
    known = history.read(root, ["docs/a.md"])
    text = feed.feed(pages, known.changes, title="T", site_url=url)
    assert text == feed.feed(pages, known.changes, title="T", site_url=url)
    read = ElementTree.fromstring(text.encode())
    entries = read.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}summary") for entry in entries] == ["more [31m", "write"]
    for one in (read, *entries):
        for name in ("id", "title", "updated", "author/" + ATOM + "name"):
            assert one.findtext(f"{ATOM}{name}"), name
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == 2
    assert read.findtext(f"{ATOM}updated") == "2026-03-02T12:00:00Z"
    hrefs = {link.get("rel"): link.get("href") for link in read.findall(f"{ATOM}link")}
    base = f"{url}/" if url else ""
    assert hrefs == {"self": f"{base}feed.xml", "alternate": base or "./"}
    assert entries[0].find(f"{ATOM}link").get("href") == f"{base}a/"  # type: ignore[union-attr]


def test_without_git_the_feed_is_empty_and_whole() -> None:
    """Every page links to it, so it is there; it says that nothing is known by having no entry."""
    read = ElementTree.fromstring(feed.feed({}, (), title="T"))
    assert read.findtext(f"{ATOM}id", "").startswith("urn:uuid:") and not read.findall(f"{ATOM}entry")

"""A new page is right from its first minute, and takes nothing away from the pages that are there."""

from __future__ import annotations

import datetime
import html
from pathlib import Path

import markdown
import pytest
import yaml

from blumeops.cli.docs import KINDS
from blumeops.errors import BlumeOpsError
from blumeops.site import frontmatter, new, page_links, staging
from tests.test_docs import LAWS_OF_TEXT, unsaid_front_matter

DAY = datetime.date(2026, 1, 31)


def test_the_command_line_knows_every_kind() -> None:
    assert tuple(kind.value for kind in new.Kind) == KINDS


@pytest.mark.parametrize("kind", new.Kind)
def test_a_new_page_keeps_every_law_of_the_docs(kind: new.Kind, small: Path) -> None:
    """The site stages it, its front matter is whole, and its commands and paths exist."""
    made = new.create(small, kind, f"A {kind.value} of mine", today=DAY)
    text = made.file.read_text()
    assert unsaid_front_matter(text) == []
    assert [complaint for law in LAWS_OF_TEXT for complaint in law(text)] == []
    assert frontmatter.read(text, source="").values["reviewed"] == DAY
    page = staging.read(small).vault.resolve(made.name, origin="index.md")
    assert page.title == made.title
    assert "{" not in page.text.replace("{code-cell}", "")
    staging.stage(small)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Renew a certificate", "renew-a-certificate"),
        ("What's new?", "whats-new"),
        ("Ünïcode – über alles", "ünïcode-über-alles"),
        ("日本語のページ", "日本語のページ"),
        ("../../etc/passwd", "etc-passwd"),
        ("C++ & <b>HTML</b> [[link]]", "c-b-html-b-link"),
        ("-rf", "rf"),
    ],
)
def test_a_name_is_made_of_letters_of_any_script_and_never_leads_away_D1(title: str, name: str) -> None:
    assert new.name_of(title) == name


@pytest.mark.parametrize("title", ["", "???", "..", "a\nb", "a\0b", "x" * 200, "\u202eabc"])
def test_what_gives_no_name_is_refused(title: str) -> None:
    with pytest.raises(BlumeOpsError, match="cannot be the title"):
        new.name_of(title)


@pytest.mark.parametrize(
    "title", ['Yes: "no"', "1.10", "22:22", "# not a comment", "<script>alert(1)</script>", "a|b *c*"]
)
def test_a_title_is_what_was_typed_whatever_yaml_and_markdown_make_of_it_D6(title: str, small: Path) -> None:
    made = new.create(small, new.Kind.EXPLANATION, title)
    text = made.file.read_text()
    assert frontmatter.read(text, source="").values["title"] == title
    heading = markdown.markdown(text.partition("\n---\n")[2].partition("<!--")[0], extensions=["tables"])
    assert heading == f"<h1>{html.escape(title, quote=False)}</h1>"


@pytest.mark.parametrize("title", ["Caddy", "INDRI", "notes", "first hour"])
def test_a_name_that_leads_somewhere_is_not_taken_D3(title: str, small: Path) -> None:
    """`notes` is two pages already, a file name counts without regard to case, and so does a title."""
    before = {file: file.read_bytes() for file in small.rglob("*.md")}
    with pytest.raises(BlumeOpsError, match=r"leads to this page already|ambiguous"):
        new.create(small, new.Kind.HOW_TO, title)
    assert {file: file.read_bytes() for file in small.rglob("*.md")} == before


def test_a_file_that_no_link_sees_is_not_overwritten_either(small: Path) -> None:
    made = new.create(small, new.Kind.HOW_TO, "Water the plants")
    hidden = made.file.with_name("feed-the-cat.md")
    hidden.mkdir()
    with pytest.raises(BlumeOpsError, match="there already"):
        new.create(small, new.Kind.HOW_TO, "Feed the cat")
    assert hidden.is_dir()


def test_a_page_stands_where_the_vault_keeps_its_kind_and_after_the_others(tmp_path: Path) -> None:
    """A vault that calls its folder `Guides` gets no second one."""
    (tmp_path / "Guides").mkdir()
    (tmp_path / "index.md").write_text("# Mine\n")
    first = new.create(tmp_path, new.Kind.HOW_TO, "Sharpen a knife")
    second = new.create(tmp_path, new.Kind.HOW_TO, "Oil a board")
    assert first.file.parent == second.file.parent == tmp_path / "Guides"
    orders = [frontmatter.read(one.file.read_text(), source="").values["order"] for one in (first, second)]
    assert orders == [10, 20]
    assert new.create(tmp_path, new.Kind.TUTORIAL, "Begin").file == tmp_path / "tutorials/begin.md"


def test_a_page_that_is_named_gets_the_link_so_that_the_new_one_is_found(small: Path) -> None:
    before = (small / "docs/reference/caddy.md").read_text()
    for title in ("Renew a *certificate*", "Add a route"):
        new.create(small, new.Kind.HOW_TO, title, linked_from="Caddy")
    text = (small / "docs/reference/caddy.md").read_text()
    assert text.startswith(before.rstrip("\n")) and text.count("## See also") == 1
    links = page_links.of(staging.read(small).vault, "caddy").outgoing
    assert [link.target for link in links[-2:]] == [
        "docs/how-to/renew-a-certificate.md",
        "docs/how-to/add-a-route.md",
    ]
    with pytest.raises(BlumeOpsError, match="no page"):
        new.create(small, new.Kind.HOW_TO, "Third", linked_from="cady")
    assert not (small / "docs/how-to/third.md").exists()


def test_a_page_is_the_card_of_a_service_where_there_is_one(small: Path) -> None:
    """A card of nothing would be reported as one; so the key is there only when an Application is."""
    application = {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "mealie"},
        "spec": {"source": {"path": "argocd/workloads/mealie"}},
    }  # fmt: skip
    (small / "homelab/argocd/apps").mkdir(parents=True)
    (small / "homelab/argocd/apps/mealie.yaml").write_text(yaml.safe_dump(application))
    keys = {}
    for name in ("mealie", "nothing"):
        made = new.create(small, new.Kind.SERVICE, name)
        keys[name] = frontmatter.read(made.file.read_text(), source="").values.get("service")
    assert keys == {"mealie": "mealie", "nothing": None}


def test_a_description_may_be_given(small: Path) -> None:
    made = new.create(
        small, new.Kind.REFERENCE, "Ports", description="Every port, and who listens: all of it."
    )
    said = frontmatter.read(made.file.read_text(), source="").values["description"]
    assert said == "Every port, and who listens: all of it."

"""The laws that the documentation keeps: what a page says exists, exists, and what exists is on a page.

Every law is a function from a text to complaints, and every law is run twice: over the real pages, and over
a page with the mistake in it, so a law that notices nothing fails as well.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from blumeops.cli import cli
from blumeops.facts import census, commands, imports, paths, shell, tree
from blumeops.facts.page import Page
from blumeops.site import frontmatter, orphans, staging, wikilinks

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
ROOT_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "AGENTS.md")
PAGES = [ROOT / name for name in ROOT_PAGES]
PAGES += sorted(path for folder in ("docs", "runbooks") for path in (ROOT / folder).rglob("*.md"))
VAULT_PAGES = [page for page in PAGES if page.parent != ROOT]
FILED_PAGES = [page for page in VAULT_PAGES if page.stem != "index"]
"""All but the sections' front pages, which need no place in their own section."""

TREE = tree.read(ROOT)
CENSUS = census.of(TREE)


def unknown_commands(text: str) -> list[str]:
    """Commands that do not exist, or not with these words."""
    page = Page("docs/page.md", text)
    found = commands.check(page, CENSUS, shell.commands(page), {"blumeops": cli})
    return [one.problem.what for one in found if one.sure]


def missing_paths(text: str) -> list[str]:
    """Repository paths in backticks and commands that are not there."""
    page = Page("docs/page.md", text)
    found = list(paths.check(page, TREE, shell.commands(page)))
    ignored = paths.ignored(TREE, [path for path, _ in found])
    return [one.problem.what for path, one in found if one.sure and path not in ignored]


def unknown_imports(text: str) -> list[str]:
    """Names that a Python example takes from `blumeops` and that are not there."""
    return [one.problem.what for one in imports.check(Page("docs/page.md", text), TREE)]


def machine_paths(text: str) -> list[str]:
    """Paths that exist only on the machine where the page was written."""
    private = {ROOT, Path(tempfile.gettempdir())} | {home for home in (Path.home(),) if len(home.parts) > 2}
    private |= {
        parent for parent in (ROOT.parent,) if parent not in (Path("/"), Path("/root"), Path("/home"))
    }
    return [f"names the machine's own {path}" for path in private if re.search(rf"{path}(?=[/\s`\"'])", text)]


def unsaid_front_matter(text: str) -> list[str]:
    """Keys of the front matter that are missing or of the wrong kind."""
    front = frontmatter.read(text, source="page").values
    kinds = {"title": str, "description": str, "tags": list, "order": int}
    found = [
        f"front matter: {key} is missing"
        for key, kind in kinds.items()
        if not isinstance(front.get(key), kind)
    ]
    if len(re.findall(r"[.!?](?:\s|$)", str(front.get("description", "")))) != 1:
        found.append("front matter: the description is not one sentence")
    return found


LAWS_OF_TEXT = (unknown_commands, missing_paths, unknown_imports, machine_paths)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_what_exists(page: Path) -> None:
    text = page.read_text()
    assert [complaint for law in LAWS_OF_TEXT for complaint in law(text)] == []


@pytest.mark.parametrize("page", FILED_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_says_what_it_is(page: Path) -> None:
    assert unsaid_front_matter(page.read_text()) == []


@pytest.mark.parametrize(
    ("law", "text", "complaint"),
    [
        (unknown_commands, "```bash\nblumeops aply\n```", "blumeops aply: no such command"),
        (unknown_commands, "```bash\n.venv/bin/blumeops plan --colour\n```", "no such option --colour"),
        (unknown_commands, "```bash\ngit pull && blumeops plan kitchen\n```", "kitchen"),
        (unknown_commands, "```bash\nblumeops rollback\n```", "Missing argument"),
        (unknown_commands, '```bash\neval "$(blumeops environment)"\n```', "blumeops environment"),
        (unknown_commands, "Run `blumeops sandbox boot`.", "blumeops sandbox boot: no such command"),
        (unknown_commands, "Run `make everything`.", "make everything: no such target"),
        (unknown_commands, "```bash\nmise run tailnet-down\n```", "mise run tailnet-down: no such task"),
        (missing_paths, "See `homelab/pulumi/policy.yaml`.", "homelab/pulumi/policy.yaml is not"),
        (missing_paths, "See `blumeops/manager.py`.", "blumeops/manager.py is not"),
        (unknown_imports, "```python\nfrom blumeops import Homelob\n```", "blumeops has no Homelob"),
        (
            unknown_imports,
            "```{code-cell} ipython3\nfrom blumeops.plans import Plan\n```",
            "no module blumeops.plans",
        ),
        (machine_paths, f"Look into `{ROOT}/docs`.", str(ROOT)),
        (unsaid_front_matter, "---\ntitle: A\norder: 1\ntags: [a]\n---\n# A\n", "description is missing"),
        (unsaid_front_matter, "---\ndescription: One. Two.\n---\n", "not one sentence"),
    ],
)
def test_a_law_notices_the_mistake(law: Callable[[str], list[str]], text: str, complaint: str) -> None:
    assert any(complaint in found for found in law(text)), law(text)


def test_an_honest_page_is_left_alone() -> None:
    text = "```bash\nblumeops plan --json | head\nmake test\n```\nSee `blumeops/plan.py`, `[[ -f x ]]`.\n"
    assert [complaint for law in LAWS_OF_TEXT for complaint in law(text)] == []


def test_no_two_pages_share_a_name() -> None:
    stems = [page.stem for page in FILED_PAGES]
    assert sorted(stems) == sorted(set(stems))


def test_every_page_is_reached_by_a_link_that_somebody_wrote() -> None:
    """Listings and the navigation do not count: they lead everywhere, so they lead nobody."""
    index = staging.read(ROOT).vault
    links = {path: wikilinks.rewrite(page, index).links for path, page in index.pages.items()}
    assert [str(problem) for problem in orphans.orphans(index, links)] == []


def test_every_key_of_front_matter_that_is_read_is_on_its_page() -> None:
    """A key that only the code knows is a key that nobody can use."""
    read = re.compile(r'front\.(?:values\.get|texts?)\("([a-z_]+)"')
    code = [path.read_text() for path in (ROOT / "blumeops").rglob("*.py")]
    keys = {key for text in code for key in read.findall(text)}
    page = (REFERENCE / "front-matter.md").read_text()
    assert len(keys) > 10
    assert sorted(key for key in keys if f"`{key}`" not in page) == []

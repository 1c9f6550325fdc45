"""The vault that Obsidian opens agrees with the resolver, the front matter and Git."""

from __future__ import annotations

import json
import posixpath
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from blumeops.site import staging, vault

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ROOT / ".obsidian"
SHARED = {"app.json", "core-plugins.json", "graph.json", "types.json"}


@pytest.fixture(scope="module")
def pages() -> vault.Vault:
    """The project's own pages."""
    return staging.read(ROOT).vault


def setting(file: str) -> dict:
    """One of the shared files."""
    return json.loads((SETTINGS / file).read_text())


def ignored(path: str) -> bool:
    """Whether Git leaves a path out."""
    return subprocess.run(["git", "check-ignore", "--quiet", "--no-index", path], cwd=ROOT).returncode == 0


def test_what_obsidian_writes_as_a_link_leads_where_obsidian_means(pages: vault.Vault) -> None:
    """`shortest`: the file name where it is the only one, else the path from the vault's root."""
    app = setting("app.json")
    assert (app["newLinkFormat"], app["useMarkdownLinks"]) == ("shortest", False)
    ours = [page for page in pages.pages.values() if not page.generated]
    stems = Counter(posixpath.basename(page.source).casefold() for page in ours)
    assert len(ours) > 30
    for page in ours:
        path = page.source.removesuffix(".md")
        forms = {path, posixpath.basename(path)} if stems[posixpath.basename(page.source)] == 1 else {path}
        for form in forms - {"index"}:
            assert pages.resolve(form, origin="reference/policy.md") is page, form
        for alias in page.aliases:
            assert pages.resolve(alias, origin="reference/policy.md") is page, alias


def test_a_pasted_picture_goes_where_the_site_finds_it(pages: vault.Vault) -> None:
    folder = setting("app.json")["attachmentFolderPath"]
    assert (ROOT / folder).is_dir()
    picture = next(file for file in pages.files if file.startswith("assets/") and file.endswith(".svg"))
    assert (ROOT / folder / posixpath.basename(picture)).is_file()
    assert pages.file(posixpath.basename(picture), origin="reference/policy.md") == picture


def test_the_vault_holds_both_docs_and_runbooks_and_hides_the_rest() -> None:
    """The vault is the repository: a page of docs/ may link to a runbook, which stands beside docs/."""
    hidden = setting("app.json")["userIgnoreFilters"]
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    shown = {path for path in tracked.stdout.split("\0") if not path.startswith((*hidden, "."))}
    assert {path.split("/")[0] for path in shown if "/" in path} == {"docs", "runbooks"}
    assert not [name for name in hidden if not ignored(name) and not (ROOT / name).is_dir()]


def test_every_property_of_a_page_has_its_type(pages: vault.Vault) -> None:
    """So that Obsidian does not rewrite a date as text, or a list as one word."""
    from blumeops.site import frontmatter

    kinds = {"text": str, "number": int, "multitext": list, "tags": list, "aliases": list}
    types = setting("types.json")["types"]
    for page in pages.pages.values():
        for key, value in frontmatter.read(page.text, source=page.source).values.items():
            if not page.generated and types.get(key) in kinds:
                assert isinstance(value, kinds[types[key]]), f"{page.source}: {key}"


def test_the_settings_are_shared_and_the_windows_of_a_person_are_not() -> None:
    assert not [name for name in SHARED if ignored(f".obsidian/{name}")]
    for private in (
        "workspace.json",
        "workspace-mobile.json",
        "cache",
        "plugins/x/data.json",
        "hotkeys.json",
    ):
        assert ignored(f".obsidian/{private}"), private
        assert ignored(f"docs/.obsidian/{private}"), "of docs/ opened as a vault of its own"
    tracked = subprocess.run(["git", "ls-files", ".obsidian"], cwd=ROOT, capture_output=True, text=True)
    assert {Path(path).name for path in tracked.stdout.split()} == SHARED

"""The laws of the service map's page: it says what the map says, in words, and links to every card."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

from blumeops.services import diagram, map, page
from blumeops.site import staging
from tests.conftest import run_blumeops
from tests.services.conftest import ROOT, Copy

SVG = "{http://www.w3.org/2000/svg}"


def made(root: Path) -> str:
    [(_, _, text)] = page.pages(root)
    return text


def test_every_service_has_a_row_that_links_to_its_card() -> None:
    text = made(ROOT)
    for service in map.read(ROOT).services:
        assert service.card is not None
        assert (ROOT / "docs" / service.card.page).is_file()
        link = service.card.page.removeprefix("reference/")
        assert f"**[{service.name}]({link})**" in text.replace("\\", "")


def test_a_hole_is_said_in_words_with_its_place(copy: Copy) -> None:
    copy.replace("homelab/ansible/inventory/group_vars/borg_clients.yaml", "  - srv/paperless\n", "")
    text = made(copy.root)
    row = next(line for line in text.splitlines() if line.startswith("| **[paperless]"))
    assert "**missing**" in row
    assert "## What is missing" in text and "paperless.yaml" in text.partition("## What is missing")[2]
    assert "## What is missing" not in made(ROOT)


def test_what_is_missing_on_purpose_is_listed_with_its_reason() -> None:
    assert "grafana, backup: dashboards and sources of data come from Git." in made(ROOT)


def test_the_drawing_has_every_service_and_says_it_in_words() -> None:
    shown = map.read(ROOT)
    drawn = ET.fromstring(diagram.svg(shown))
    assert drawn.get("role") == "img"
    names = {text.text for text in drawn.iter(f"{SVG}text") if text.get("class") == "name"}
    for service in shown.services:
        assert service.name in names
        assert service.name in (drawn.get("aria-label") or "")


def test_the_drawing_has_no_colour_of_its_own_and_nothing_active() -> None:
    """Each colour is the site's variable with a light fallback, so the drawing follows light and dark."""
    drawn = diagram.svg(map.read(ROOT))
    assert not re.search(r"(?:fill|stroke)[:=]\"?#", drawn)
    assert set(re.findall(r"(?:fill|stroke):(\w+)", drawn)) <= {"var", "none"}
    assert not re.search(r"<script|<image|<use|\son\w+=|href", drawn)


def test_a_name_from_outside_cannot_become_markup_D2(copy: Copy) -> None:
    evil = "x]()<img src=x onerror=alert(1)>|`"
    copy.replace("homelab/ansible/inventory/group_vars/proxies.yaml", "name: feeds", f"name: '{evil}'")
    copy.replace("docs/reference/services/grafana.md", "come from Git", "come <b onclick=x()>from</b> Git")
    text = made(copy.root)
    assert "<img" not in text and "<b onclick" not in text
    ET.fromstring(re.search(r"<svg.*</svg>", text)[0])


def test_the_page_is_the_same_each_time() -> None:
    assert made(ROOT) == made(ROOT)


def test_the_site_has_the_page_and_links_to_it_are_found(copy: Copy, tmp_path: Path) -> None:
    copy.write("docs/index.md", "# Home\n\n[[service-map|What runs where]]\n")
    shutil.rmtree(copy.root / "docs" / "reference")
    staging.stage(copy.root, tmp_path / "staged")
    assert "(reference/service-map.md)" in (tmp_path / "staged/index.md").read_text()
    assert "<svg" in (tmp_path / "staged/reference/service-map.md").read_text()


def test_a_repository_with_such_a_page_keeps_its_own(copy: Copy) -> None:
    copy.write("docs/notes/service-map.md", "# Mine\n")
    assert list(page.pages(copy.root)) == []


def test_a_vault_without_services_gets_no_page(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("# A note\n")
    assert list(page.pages(tmp_path)) == []


def test_the_command_line_lists_and_shows_with_places() -> None:
    listed = run_blumeops("services", "list")
    assert listed.code == 0 and "miniflux" in listed.out and "0 things missing" in listed.err, str(listed)
    shown = run_blumeops("services", "show", "node_exporter")
    assert shown.code == 0 and "homelab/ansible/roles/node_exporter/tasks/main.yaml:1" in shown.out, str(
        shown
    )
    wrong = run_blumeops("services", "show", "minifluks")
    assert wrong.code == 2 and "known:" in wrong.err, str(wrong)


def test_the_command_line_reads_any_other_repository(foreign: Copy) -> None:
    ran = run_blumeops("services", "list", "--root", str(foreign.root))
    assert ran.code == 0 and "teslamate" in ran.out and "1.32.0" in ran.out, str(ran)

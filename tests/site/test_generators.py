"""What is staged is standard Markdown: three generators make the same pages of it, strictly."""

from __future__ import annotations

import html
import os
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blumeops.site import generators, staging
from blumeops.site.place import Place
from tests.site.conftest import ROOT, VAULT

COMMANDS = {
    "mkdocs": ["build", "--strict", "--quiet"],
    "properdocs": ["build", "--strict", "--quiet"],
    "zensical": ["build", "--clean", "--strict"],
}
QUIET = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The fixture vault, staged once, and built by each generator in a project of its own."""
    root = tmp_path_factory.mktemp("generators") / "vault"
    shutil.copytree(VAULT, root)
    config = root / "mkdocs.yml"
    config.write_text(config.read_text().replace("../../../mkdocs.yml", str(ROOT / "mkdocs.yml")))
    place = Place.of(root)
    staged = staging.stage(place)
    projects = {name: tmp_path_factory.mktemp(name) for name in COMMANDS}
    started = {}
    for name, folder in projects.items():
        generators.configuration(place, staged, folder, from_file=name == "zensical")
        argv = [Path(sys.executable).with_name(name), *COMMANDS[name]]
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started[name] = subprocess.Popen(argv, cwd=folder, env={**os.environ, **QUIET}, **how)
    for name, process in started.items():
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, f"{name} does not build it strictly:\n{said}"
    return {name: folder / "site" for name, folder in projects.items()}


def pages(site: Path) -> set[str]:
    """The pages of a site, but for those that say an address is wrong or has moved."""
    found = {p.relative_to(site).as_posix() for p in site.rglob("*.html") if "<article" in p.read_text()}
    return found - {"404.html"}


def links(site: Path, page: str) -> set[str]:
    """Where the article of a page leads to inside the site, as paths from its top."""
    article = re.search(r"<article.*</article>", (site / page).read_text(), re.DOTALL)
    assert article
    found = re.findall(r"<a [^>]*?href=\"?([^\"\s>]+)", article[0])
    inside = {html.unescape(way) for way in found if not way.startswith(("http", "mailto", "#"))}
    return {posixpath.normpath(posixpath.join(posixpath.dirname(page), way)) for way in inside}


@pytest.mark.parametrize("other", ["properdocs", "zensical"])
def test_every_generator_makes_the_same_pages(other: str, sites: dict[str, Path]) -> None:
    """The same tree gives the same addresses, so the engine can be changed without a dead bookmark."""
    assert len(pages(sites["mkdocs"])) > 10
    assert pages(sites[other]) == pages(sites["mkdocs"])


@pytest.mark.parametrize("other", ["properdocs", "zensical"])
def test_every_generator_makes_the_same_links(other: str, sites: dict[str, Path]) -> None:
    """Wikilinks were resolved before any generator saw them: each page leads to the same places."""
    counted = 0
    for page in sorted(pages(sites["mkdocs"])):
        theirs = links(sites["mkdocs"], page)
        assert links(sites[other], page) == theirs, page
        counted += len(theirs)
    assert counted > 20


@pytest.mark.parametrize("name", COMMANDS)
def test_no_wikilink_is_left_in_prose(name: str, sites: dict[str, Path]) -> None:
    """Double brackets are in code only, where they are the code; Zensical ignores plugins in silence."""
    in_code = 0
    for page in pages(sites[name]):
        text = (sites[name] / page).read_text()
        article = re.search(r"<article.*</article>", text, re.DOTALL)
        assert article
        prose = re.sub(r"<(pre|code)\b.*?</\1>", "", article[0], flags=re.DOTALL)
        # One page has a tag of that name, so that it is seen whether front matter is left alone.
        assert "[[" not in prose.replace(">[[not-a-link]]<", "><"), page
        in_code += article[0].count("[[") > 0
    assert in_code, "the fixture holds bash tests, and they must have come through"

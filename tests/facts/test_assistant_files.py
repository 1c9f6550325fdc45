"""AGENTS.md, CLAUDE.md and llms.txt stay short and true: each fault is made, and named with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blumeops.facts import assistant_files
from blumeops.site import llms_spec, llms_txt
from tests.conftest import run_here

ROOT = Path(__file__).resolve().parents[2]
AGENTS = """\
# For assistants

Pages are in `docs/`, the picture is `docs/reader.md`. `blumeops plan --json` changes nothing.
"""
GOOD = """\
# Lab

> A lab.

- How to read this: [all](llms-full.txt).

## Pages

- [Reader](reader.md): What reads.
- [Elsewhere](https://example.org/)

## Optional

- [Tags](tags.md)
"""
FILES = ("llms-full.txt", "reader.md", "tags.md")


@pytest.fixture
def ours(lab: Path) -> Path:
    """A repository of ours, whose files for assistants are right."""
    (lab / "mkdocs.yml").write_text("site_name: Lab\nplugins:\n  - blumeops\n")
    (lab / "docs/index.md").write_text("---\ndescription: A lab.\n---\n# Lab\n\n[[reader]]\n")
    (lab / "mise.toml").write_text('[tasks.deploy]\nrun = "true"\n')
    (lab / "AGENTS.md").write_text(AGENTS)
    (lab / "CLAUDE.md").write_text("@AGENTS.md\n")
    return lab


def said(root: Path, *options: str) -> tuple[int, str]:
    """What `docs check` answers: its exit code, and all that it says."""
    done = run_here("docs", "check", "--root", str(root), *options, cwd=root.parent)
    return done.code, done.out + done.err


def spec(text: str, most: int = llms_txt.BYTES) -> list[tuple[int, str]]:
    """What is wrong with a `llms.txt`: the line, and what."""
    found = llms_spec.problems(text, "llms.txt", lambda path: path in FILES, most=most)
    return [(problem.line, problem.what) for problem in found]


def test_d12_files_that_are_right_are_left_alone(ours: Path) -> None:
    code, output = said(ours)
    assert code == 0, output


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (AGENTS + "x\n" * 60, "63 lines; at most 60"),
        (AGENTS + "See `docs/raeder.md`.\n", "docs/raeder.md is not in the repository"),
        (AGENTS + "Run `blumeops aply`.\n", "no such command"),
        (AGENTS + "Run `blumeops plan --jsno`.\n", "no such option --jsno"),
        (AGENTS + "Run `mise run nothing`.\n", "no such task"),
    ],
)
def test_d12_an_agents_file_that_is_long_or_names_what_is_gone_is_a_problem(
    ours: Path, text: str, problem: str
) -> None:
    (ours / "AGENTS.md").write_text(text)
    code, output = said(ours)
    assert code == 2 and "AGENTS.md" in output and problem in output


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "is not there, and AGENTS.md is"),
        ("# Rules\n\nRead [the others](AGENTS.md).\n", "does not point to AGENTS.md"),
        ("```\n@AGENTS.md\n```\n", "does not point to AGENTS.md"),
        ("@AGENTS.md\n@docs/gone.md\n", "imports docs/gone.md, which is not there"),
    ],
)
def test_d12_a_claude_file_that_does_not_point_to_it_is_a_problem(
    ours: Path, text: str | None, problem: str
) -> None:
    (ours / "CLAUDE.md").unlink()
    if text is not None:
        (ours / "CLAUDE.md").write_text(text)
    code, output = said(ours)
    assert code == 2 and "CLAUDE.md" in output and problem in output


def test_d12_of_a_repository_without_these_files_none_is_asked(ours: Path) -> None:
    for name in ("AGENTS.md", "CLAUDE.md"):
        (ours / name).unlink()
    assert said(ours)[0] == 0


def test_d12_somebody_elses_long_file_is_a_warning(lab: Path) -> None:
    (lab / "AGENTS.md").write_text("x\n" * 100)
    code, output = said(lab)
    assert code == 0 and "100 lines; at most 60" in output
    assert said(lab, "--strict")[0] == 2


@pytest.mark.parametrize(
    ("edit", "line", "what"),
    [
        (lambda t: "Words first.\n\n" + t, 1, "does not begin with its title"),
        (lambda t: t.replace("> A lab.", "A lab."), 3, "not followed by a summary"),
        (lambda t: t.replace("- How", "### More\n\n- How"), 5, "heading of level 3"),
        (lambda t: t.replace("## Pages", "# Pages"), 7, "heading of level 1"),
        (lambda t: t.replace("## Optional", "Words.\n\n## Optional"), 12, "something else than a list"),
        (lambda t: t + "\n## More\n\n- [Reader](reader.md)\n", 12, "Optional is not the last"),
        (lambda t: t.replace("## Optional", "## Pages"), 12, "two sections Pages"),
        (lambda t: t.replace("- [Tags](tags.md)", "- Tags"), 14, "an item is not"),
        (lambda t: t.replace("): What", ") - What"), 9, "an item is not"),
        (lambda t: t.replace("reader.md", "raeder.md"), 9, "raeder.md is no file of the site"),
        (lambda t: t.replace("llms-full.txt", "full.txt"), 5, "full.txt is no file of the site"),
        (lambda t: t.replace("tags.md", "/tags.md"), 14, "/tags.md does not lead from the site's top"),
        (lambda t: t.replace("tags.md", "../tags.md"), 14, "../tags.md does not lead"),
        (lambda t: t + "- [Tags](tags.md)\n" * 3000, 1, "bytes; at most"),
        (lambda _: "", 1, "does not begin with its title"),
    ],
)
def test_d12_a_map_that_is_out_of_order_dead_or_too_long_is_a_problem(
    ours: Path, edit: Callable[[str], str], line: int, what: str
) -> None:
    """Of the parser, and then of the command: a `llms.txt` in `docs/` is published as a person wrote it."""
    assert spec(GOOD) == []
    assert any(at == line and what in words for at, words in spec(edit(GOOD))), spec(edit(GOOD))
    pages = GOOD.replace("reader.md", "reader/index.html.md").replace("tags.md", "index.html.md")
    (ours / "docs/llms.txt").write_text(pages)
    assert said(ours)[0] == 0
    broken = edit(GOOD).replace("reader.md", "reader/index.html.md").replace("tags.md", "index.html.md")
    (ours / "docs/llms.txt").write_text(broken)
    code, output = said(ours)
    assert code == 2 and "docs/llms.txt" in output


def test_d12_the_projects_own_files_are_right_and_short() -> None:
    assert not list(assistant_files.check(ROOT, ours=True))
    assert len((ROOT / "AGENTS.md").read_text().splitlines()) <= assistant_files.LINES
    assert (ROOT / "CLAUDE.md").read_text() == "@AGENTS.md\n"

"""From notes and records to standard Markdown: complete, idempotent, and never beyond the repository."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blumeops import records
from blumeops.errors import BadInput
from blumeops.records import CellRecord, Output, RunRecord, RunStatus
from blumeops.site import runbook_page, staging


def record(root: Path, **changes: object) -> RunRecord:
    """A record of a good run of the fixture's runbook as it is now."""
    text = (root / "runbooks/restart-indri.md").read_text()
    sources = [cell.source for cell in runbook_page.cells(text)]
    said = ("", "stopping indri\n", "| layer | state |\n|---|---|\n| hosts | in sync |")
    mimes = ("text/plain", "text/plain", "text/markdown")
    values: dict[str, object] = {
        "runbook": "restart-indri",
        "source_sha": records.digest(text),
        "status": RunStatus.PASSED,
        "started": datetime(2026, 3, 4, 5, 6, tzinfo=UTC),
        "seconds": 75.0,
        "commit": "0123456789abcdef",
        "target": "sandbox",
        "engines": {"etcd": "3.7.3"},
        "cells": tuple(
            CellRecord(
                n, records.digest(source), RunStatus.PASSED, 1.0, (Output(mimes[n], said[n], "stdout"),)
            )
            for n, source in enumerate(sources)
        ),
    }
    return RunRecord(**{**values, **changes})


def staged(root: Path, path: str = "how-to/restart-indri.md") -> str:
    """Stage a vault and return the text of one staged page."""
    return (staging.stage(root).folder / path).read_text()


def test_staging_twice_writes_nothing(small: Path) -> None:
    """What is unchanged keeps its file, so a generator's own cache and a watcher see nothing new."""
    first = staging.stage(small)
    assert "reference/indri.md" in first.written
    again = staging.stage(small)
    assert (again.written, again.removed) == ((), ())


def test_what_left_the_vault_leaves_the_site(small: Path) -> None:
    """Also a folder that is empty then."""
    staging.stage(small)
    (small / "docs/explanation/my-page.md").unlink()
    done = staging.stage(small)
    assert {"explanation/my-page.md", "explanation/index.md"} <= set(done.removed)
    assert not (done.folder / "explanation").exists()


def test_a_changed_page_alone_is_written(small: Path) -> None:
    """One edit, one file."""
    staging.stage(small)
    page = small / "docs/reference/a/notes.md"
    page.write_text(page.read_text() + "\nMore.\n")
    assert staging.stage(small).written == ("reference/a/notes.md",)


def test_a_broken_link_stops_before_anything_is_written(small: Path) -> None:
    """Every problem of every page is named with the place a person edits, runbooks too."""
    staging.stage(small)
    for name in ("docs/tutorials/first-hour.md", "runbooks/restart-indri.md"):
        with (small / name).open("a") as page:
            page.write("\n[[indry]]\n")
    before = {path: path.stat().st_mtime_ns for path in (small / "build").rglob("*")}
    with pytest.raises(BadInput) as caught:
        staging.stage(small)
    lines = [problem.where for problem in caught.value.problems]
    assert lines == ["docs/tutorials/first-hour.md:9:1", "runbooks/restart-indri.md:45:1"]
    assert "did you mean [[indri]]?" in str(caught.value)
    assert before == {path: path.stat().st_mtime_ns for path in (small / "build").rglob("*")}


def test_backlinks_name_the_pages_that_link(small: Path) -> None:
    """They come from the index that resolved the links, so they cannot differ from them."""
    text = staged(small, "reference/indri.md")
    listed = text.partition('<section class="backlinks">')[2].partition("</section>")[0]
    assert re.findall(r'<li><a href="([^"]*)">([^<]*)</a>', listed) == [
        ("../caddy/", "Caddy"),
        ("../../how-to/restart-indri/", "Restart indri"),
        ("../../tutorials/first-hour/", "The first hour"),
        ("../../", "The fixture"),
    ]


def test_a_runbook_without_a_record_says_never_run(small: Path) -> None:
    """Silence would read as "it works"."""
    text = staged(small)
    assert '<div class="run-card is-never"><p class="run-title">Never run</p>' in text
    assert "is-passed" not in text


def test_a_runbooks_page_shows_when_where_and_what(small: Path) -> None:
    """The card on top, and below each cell what it said in that run."""
    records.save(record(small), small / records.COMMITTED / "restart-indri.json")
    text = staged(small)
    for said in (
        "Passed on 4 March 2026, 05:06 UTC",
        "<code>0123456789ab</code>",
        "1 min 15 s",
        "<dt>etcd</dt><dd>3.7.3</dd>",
    ):
        assert said in text
    assert text.index("# Restart indri") < text.index("Passed on") < text.index("How to restart")
    assert (
        text.index('print(f"stopping {host}")')
        < text.index("stopping indri\n")
        < text.index("| hosts | in sync |")
    )
    assert 'print("[[indri]] is down")' in text
    assert "changed after" not in text
    assert "{code-cell}" not in text and "jupytext" not in text and "+++" not in text


def test_what_a_run_printed_is_not_acted_on(small: Path) -> None:
    """A live system cannot make the page embed, list or link anything by printing the words for it."""
    said = "<!-- blumeops:state -->\n![x](../assets/pic.svg)\n[[indri]]\n```\n<!-- blumeops:pages -->"
    good = record(small)
    cell = CellRecord(0, good.cells[0].source_sha, RunStatus.PASSED, 1.0, (Output("text/plain", said),))
    records.save(
        record(small, cells=(cell, *good.cells[1:])), small / records.COMMITTED / "restart-indri.json"
    )
    assert said in staged(small)


def test_the_newer_record_is_shown(small: Path) -> None:
    """A fresh run on this machine takes over from the committed record, and only when it is newer."""
    fresh = record(small, started=datetime(2026, 3, 5, tzinfo=UTC), status=RunStatus.FAILED, id="fresh")
    records.save(record(small), small / records.COMMITTED / "restart-indri.json")
    records.save(fresh, small / records.RUNS / "20260305T000000-restart-indri-0a1b" / "record.json")
    assert "Failed on 5 March 2026" in staged(small)
    records.save(
        record(small, started=datetime(2026, 3, 6, tzinfo=UTC)),
        small / records.COMMITTED / "restart-indri.json",
    )
    assert "Passed on 6 March 2026" in staged(small)


def test_a_page_that_changed_after_the_run_says_so(small: Path) -> None:
    """Prose and steps are told apart: changed steps were not what ran."""
    page = small / "runbooks/restart-indri.md"
    records.save(record(small), small / records.COMMITTED / "restart-indri.json")
    page.write_text(page.read_text() + "\nOne more word.\n")
    assert "its steps are the same" in staged(small)
    page.write_text(page.read_text().replace("stopping {host}", "halting {host}"))
    text = staged(small)
    assert "The page changed after this run" in text
    assert text.count("This step changed after the run below") == 1


def test_a_failed_step_is_marked(small: Path) -> None:
    """The page of a failed run shows where it ended, and does not show steps that never ran as done."""
    good = record(small)
    failed = CellRecord(
        1, good.cells[1].source_sha, RunStatus.FAILED, 2.0, (Output("text/plain", "boom", "error"),)
    )
    bad = record(small, status=RunStatus.FAILED, cells=(good.cells[0], failed))
    records.save(bad, small / records.COMMITTED / "restart-indri.json")
    text = staged(small)
    assert "This step failed after 2.0 s" in text
    assert text.count('<span class="step-end is-none">not run</span>') == 1
    assert "boom" in text


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    """Reading what was saved gives the same value, and saving it again gives the same bytes."""
    from tests.site.conftest import VAULT

    made = record(VAULT)
    records.save(made, tmp_path / "a.json")
    assert records.load(tmp_path / "a.json") == made
    records.save(records.load(tmp_path / "a.json"), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"runbook": "x"}', '{"cells": 3', "\x00"])
def test_what_is_no_record_is_refused_by_name(text: str, small: Path) -> None:
    """A broken record is an error that names the file; it never becomes "never run"."""
    committed = small / records.COMMITTED / "restart-indri.json"
    committed.parent.mkdir(parents=True, exist_ok=True)
    committed.write_text(text)
    with pytest.raises(BadInput, match=r"restart-indri\.json"):
        staging.stage(small)


def test_cells_are_read_as_jupytext_reads_them(small: Path) -> None:
    """The page shows the code that papermill runs: the same cells, in order, to the character."""
    import jupytext

    from tests.site.conftest import ROOT

    config = jupytext.config.load_jupytext_config(str(ROOT / "jupytext.toml"))
    for page in [small / "runbooks/restart-indri.md", *sorted((ROOT / "runbooks").glob("*.md"))]:
        text = page.read_text()
        notebook = jupytext.reads(text, fmt="md:myst", config=config)
        theirs = [cell.source.strip("\n") for cell in notebook.cells if cell.cell_type == "code"]
        assert [cell.source for cell in runbook_page.cells(text)] == theirs


def test_a_link_out_of_the_repository_is_refused_unread(small: Path, tmp_path: Path) -> None:
    """A symbolic link in docs/ must not publish a file of the machine (fault D1)."""
    outside = tmp_path / "outside.md"
    outside.write_text("# not yours")
    (small / "docs/way-out.md").symlink_to(outside)
    with pytest.raises(BadInput, match=r"docs/way-out\.md: this symbolic link leads out"):
        staging.stage(small)


@pytest.mark.parametrize("svg", [
    "<svg><script>1</script></svg>", "<svg onload='x()'/>", "<svg><image href='http://127.0.0.1'/></svg>",
    "<svg><a href='javascript:x'/></svg>", "<svg><foreignObject/></svg>",
])  # fmt: skip
def test_a_picture_that_can_act_is_refused(svg: str, small: Path) -> None:
    """An embedded SVG becomes part of the page, so it must be a drawing and nothing else."""
    (small / "docs/assets/pic.svg").write_text(svg)
    (small / "docs/index.md").write_text("# x\n\n![[pic.svg]]\n")
    with pytest.raises(BadInput, match=r"docs/assets/pic\.svg: this picture holds a script"):
        staging.stage(small)


def test_two_pages_in_one_place_are_refused(small: Path) -> None:
    """A runbook and a how-to page of one name would overwrite each other."""
    (small / "docs/how-to/restart-indri.md").write_text("# x\n")
    with pytest.raises(BadInput, match="at the same place"):
        staging.stage(small)


@pytest.mark.parametrize(("front", "said"), [
    ("a: &x [1]\nb: *x", "aliases"), ("a: 1\na: 2", "given twice"), ("- x", "not a list of"),
    ("a: [" * 12, "nested deeper"), ("a: 'x", "front matter"), (f"a: {'x' * 20_000}", "longer than"),
])  # fmt: skip
def test_front_matter_that_nobody_means_is_refused(front: str, said: str, small: Path) -> None:
    """YAML's traps are errors with a place, and a small file cannot grow large (fault D5)."""
    (small / "docs/trap.md").write_text(f"---\n{front}\n---\n# x\n")
    with pytest.raises(BadInput, match=said) as caught:
        staging.stage(small)
    assert caught.value.where.startswith("docs/trap.md:")


def test_the_navigation_is_made_from_folders(small: Path) -> None:
    """A new page needs no edit anywhere else; the four kinds of Diataxis come in their order."""
    nav = staging.stage(small).nav
    assert [next(iter(entry)) for entry in nav] == [
        "Home",
        "Tutorials",
        "How to do things",
        "Reference",
        "Explanation",
        "Tags",
        "Site graph",
    ]
    assert nav[2]["How to do things"] == ["how-to/index.md", {"Restart indri": "how-to/restart-indri.md"}]

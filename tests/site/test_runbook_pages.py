"""The page of a runbook says what its last run proved, on what, and when that is not true any more."""

from __future__ import annotations

import base64
import json
import re
import secrets
import struct
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blumeops import records
from blumeops.errors import BadInput
from blumeops.facts import registers, run_records, tree
from blumeops.records import Attestation, CellRecord, Output, RunMode, RunRecord, RunStatus
from blumeops.runbooks import depends
from blumeops.site import ansi, outputs, runbook_page, staging
from tests.site.rendering import render

BOOK = """---
title: Open a port
tags: [runbook]
layers: [tailnet]
services: [proxy, unknown]
alerts: [CertificateExpires]
risk: changes
reversible: true
owner: ann
requires: [curl]
timeout: 10m
verify-every: 30d
---

# Open a port

```{code-cell} ipython3
:tags: [parameters]

port: int = 9100  # the port
```

```{code-cell} ipython3
:tags: [precondition]

assert port
```

## Steps

```{code-cell} ipython3
:tags: [step]
:name: look

print("looks")
```

```{code-cell} ipython3
:tags: [step, confirm]
:name: open-it
:gate: plan

print("opens")
```

```{code-cell} ipython3
:tags: [confirm]

print("tell them")
```

```{code-cell} ipython3
:tags: [verify]

assert port > 1
```

```{code-cell} ipython3
:tags: [rollback]
:of: open-it

print("closes")
```

```{code-cell} ipython3
:tags: [cleanup]

print("tidies")
```
"""
LABELS = (
    "parameters",
    "must hold first · read only",
    "read only",
    "changes the target · asks first",
    "a person does this · asks first",
    "proof · read only",
    "rollback of open-it · changes the target",
    "cleans up · always runs",
)
ROLES = ("parameters", "precondition", "step", "step", "confirm", "verify", "rollback", "cleanup")
STARTED = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
def small(small: Path) -> Path:
    """The fixture vault with this runbook, a service that it is for, and two files that it depends on."""
    (small / "runbooks/open-a-port.md").write_text(BOOK)
    (small / "docs/reference/proxy.md").write_text(
        "---\ntitle: The proxy\nservice: proxy\n---\n# The proxy\n"
    )
    (small / "homelab").mkdir(exist_ok=True)
    for name in "abcde":
        (small / f"homelab/{name}.yaml").write_text(name)
    return small


def ran(root: Path, **changes: object) -> RunRecord:
    """A rehearsal of it that passed, a minute ago as far as the repository is concerned."""
    sources = [cell.source for cell in runbook_page.cells(BOOK)]
    cells = tuple(
        CellRecord(n, records.digest(source), RunStatus.PASSED, float(n), name=f"cell-{n}", role=ROLES[n])
        for n, source in enumerate(sources)
    )
    cells = (*cells[:6], replace(cells[6], status=RunStatus.NOT_RUN, seconds=0.0), cells[7])
    values: dict[str, object] = {
        "runbook": "open-a-port",
        "source_sha": records.digest(BOOK),
        "status": RunStatus.PASSED,
        "started": STARTED,
        "seconds": 3700.0,
        "commit": "0123456789abcdef",
        "target": "sandbox",
        "engines": {"headscale": "0.28.0"},
        "cells": cells,
        "id": "20260304T050600-open-a-port-0000",
        "who": "ann",
        "identity": "homelab.test",
        "parameters": {"port": 9100},
        "mode": RunMode.REHEARSAL,
        "depends": depends.digests(root, [f"homelab/{name}.yaml" for name in "abcde"]),
    }
    return RunRecord(**{**values, **changes})


def with_cell(record: RunRecord, index: int, **changes: object) -> RunRecord:
    """The record with another ending of one cell."""
    cells = [replace(cell, **changes) if cell.index == index else cell for cell in record.cells]
    return replace(record, cells=tuple(cells))


def shown(root: Path, record: RunRecord | None = None, page: str = "how-to/open-a-port.md") -> str:
    """The staged page, after this record was committed."""
    if record is not None:
        records.save(record, root / records.COMMITTED / f"{record.runbook}.json")
    return (staging.stage(root).folder / page).read_text()


def test_every_step_says_at_a_glance_what_it_may_do(small: Path) -> None:
    """Also before anything ever ran."""
    text = shown(small)
    assert tuple(re.findall(r'<span class="step-kind">(.*?)</span>', text)) == LABELS
    assert '<span class="step-name">open-it</span>' in text
    assert "step-end" not in text


def test_the_card_says_who_ran_what_where_and_as_what(small: Path) -> None:
    """And the front matter that a reader needs before a run, with a link to the service's card."""
    text = shown(small, ran(small))
    for said in (
        '<div class="run-card is-passed"><p class="run-title">Passed on 4 March 2026, 05:06 UTC</p>',
        '<time data-ago="" datetime="2026-03-04T05:06:00Z">4 March 2026, 05:06 UTC</time>',
        "<dt>target</dt><dd>sandbox, homelab.test</dd>",
        "<dt>by</dt><dd>ann</dd>",
        "<dt>as</dt><dd>rehearsal</dd>",
        "<dt>took</dt><dd>1 h 1 min</dd>",
        "<dt>headscale</dt><dd>0.28.0</dd>",
        "<code>port&#61;9100</code>",
        "- <span>Risk</span> changes the target, can be taken back",
        "- <span>Services</span> [proxy](../reference/proxy.md), unknown",
        "- <span>Alerts</span> <code>CertificateExpires</code>",
        "blumeops runbook run open-a-port",
    ):
        assert said in text


def test_a_page_turns_stale_by_itself(small: Path) -> None:
    """Nobody runs anything: a file that the run looked at is another one now, and is named."""
    assert "Stale" not in shown(small, ran(small))
    (small / "homelab/c.yaml").write_text("another")
    text = shown(small)
    assert 'is-changed"><p class="run-title">Stale: passed on 4 March 2026' in text
    assert "Changed since this run:</strong> <code>homelab/c.yaml</code></p>" in text
    for name in "abde":
        (small / f"homelab/{name}.yaml").unlink()
    assert "<code>homelab/c.yaml</code> and 2 more" in shown(small)


def test_staleness_shows_wherever_the_runbook_stands(small: Path) -> None:
    """On the front page and on the card of the service that it is for."""
    (small / "docs/index.md").write_text("# x\n\n<!-- blumeops:state -->\n")
    assert '<li class="run-passed" data-due="2026-04-03T05:06Z">' in shown(small, ran(small), "index.md")
    (small / "homelab/a.yaml").write_text("another")
    assert '<li class="run-changed"' in shown(small, page="index.md")
    assert "stale, passed on 2026-03-04" in shown(small, page="index.md")
    card = shown(small, page="reference/proxy.md")
    assert '<section class="runbooks"><h2>Runbooks</h2>' in card
    assert "Stale: last verified" in card.partition('<section class="runbooks">')[2]


def test_a_changed_text_is_not_a_changed_step(small: Path) -> None:
    """Prose may be improved without a new run; a step may not."""
    (small / "runbooks/open-a-port.md").write_text(BOOK + "\nMore.\n")
    assert "its steps are the same" in shown(small, ran(small))
    (small / "runbooks/open-a-port.md").write_text(BOOK.replace('"opens"', '"opens wide"'))
    assert "steps below are not all what ran" in shown(small)


def test_a_page_never_claims_to_be_up_to_date_between_two_builds(small: Path) -> None:
    """The date stands there for a reader without scripts; with them it says when that has passed."""
    text = shown(small, ran(small))
    assert '<p class="run-due" data-due="2026-04-03T05:06Z">' in text
    assert '<strong class="overdue" hidden>Overdue.</strong>' in text
    assert ">3 April 2026, 05:06 UTC</time>: every 30 days." in text
    assert text == shown(small), "the same repository gives the same page on another day"


def test_who_agreed_to_what_stands_at_its_step(small: Path) -> None:
    """With their words, which stay words."""
    gate = Attestation("run open-it on sandbox?", "yes: fine <b> *now*", "ann", "2026-03-04T05:07:00+00:00")
    text = render(shown(small, with_cell(ran(small), 3, gate=gate)))
    said = re.search(r'<p class="step-gate".*?</p>', text)
    assert said
    assert "run open-it on sandbox" in said[0] and "<strong>yes</strong> by ann" in said[0]
    assert "fine &#60;b&#62; &#42;now&#42;" in said[0]


def test_a_failed_run_shows_where_it_stopped_and_what_was_taken_back(small: Path) -> None:
    """Rollback and cleanup stand in their places with what became of them."""
    bad = replace(ran(small), status=RunStatus.FAILED)
    bad = with_cell(bad, 5, status=RunStatus.TIMEOUT, error="no answer from <indri>", line=64)
    bad = with_cell(bad, 6, status=RunStatus.PASSED, seconds=2.0)
    text = shown(small, bad)
    assert 'class="run-card is-failed"' in text
    assert "Stopped at <code>cell-5</code>: <code>no answer from &#60;indri&#62;</code>." in text
    assert "Taken back: cell-6 passed." in text
    assert '!!! run-failed "This step took too long after 5.0 s"' in text
    assert "(line 64 of this runbook)" in text
    assert re.search(r'rollback of open-it.*?<span class="step-end is-good">passed in 2.0 s', text)


def test_a_rollback_that_was_not_needed_says_so(small: Path) -> None:
    """It is no step that was forgotten."""
    assert '<span class="step-end is-none">not needed</span>' in shown(small, ran(small))


def test_a_run_that_left_out_steps_proves_nothing(small: Path) -> None:
    """Neither the card nor the front page shows it as a proof, and the last proof is named."""
    good = ran(small)
    part = replace(with_cell(good, 3, status=RunStatus.SKIPPED), id="later", started=datetime.now(UTC))
    records.save(good, small / records.COMMITTED / "open-a-port.json")
    folder = small / records.RUNS / "20260305T000000-open-a-port-0a1b"
    records.save(part, folder / "record.json")
    text = shown(small)
    assert "is-passed" not in text
    assert "Last proved from end to end on 4 March 2026" in text
    assert "<summary>The last 2 runs</summary>" in text


def test_dry_runs_and_other_targets_are_history_and_no_proof(small: Path) -> None:
    """What changed nothing proved nothing, and what ran elsewhere is not what this page is about."""
    good = ran(small)
    for n, changes in enumerate(({"mode": RunMode.DRY_RUN}, {"target": "home"})):
        other = replace(good, id=f"r{n}", started=datetime.now(UTC), **changes)
        records.save(other, small / records.RUNS / f"20260305T00000{n}-open-a-port-0a1b" / "record.json")
    text = shown(small, good)
    assert "Passed on 4 March 2026" in text
    assert "passed (dry run)" in text and "<td>home</td>" in text


def test_a_record_that_was_edited_by_hand_is_refused_by_site_and_check(small: Path) -> None:
    """With its place, and what to do."""
    file = small / records.COMMITTED / "open-a-port.json"
    bad = with_cell(replace(ran(small), status=RunStatus.FAILED), 5, status=RunStatus.FAILED)
    records.save(bad, file)
    values = json.loads(file.read_text())
    values["status"] = "passed"
    file.write_text(json.dumps(values))
    with pytest.raises(BadInput, match="not as a run wrote it") as caught:
        staging.stage(small)
    assert caught.value.where == "runbooks/records/open-a-port.json"
    assert "--record" in str(caught.value)
    found = [one.problem.path for one in run_records.check(tree.read(small)) if one.sure]
    assert found == ["runbooks/records/open-a-port.json"]


def test_a_record_of_the_first_format_counts_as_none(small: Path) -> None:
    """It says neither who nor on what, and nothing in it could be trusted; nothing breaks."""
    file = small / records.COMMITTED / "open-a-port.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"runbook": "open-a-port", "status": "passed", "cells": []}))
    assert "Never run" in shown(small)
    assert [one for one in run_records.check(tree.read(small)) if one.sure] == []


def test_a_run_folder_that_cannot_be_read_does_not_end_a_build(small: Path) -> None:
    """A run that was killed left half a folder; the committed record is shown."""
    folder = small / records.RUNS / "20260305T000000-open-a-port-0a1b"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{")
    assert "Passed on 4 March 2026" in shown(small, ran(small))


@pytest.mark.parametrize("where", ["page", "output", "gate", "parameter"])
def test_a_secret_ends_the_build_wherever_it_stands(where: str, small: Path) -> None:
    """The problem names the file, and does not repeat the secret."""
    canary = "ghp_" + secrets.token_hex(20)
    good = ran(small)
    match where:
        case "page":
            (small / "runbooks/open-a-port.md").write_text(f"{BOOK}\n{canary}\n")
        case "output":
            said = (Output("text/plain", f"token {canary}", "stdout"),)
            good = with_cell(good, 2, outputs=said)
        case "gate":
            good = with_cell(good, 3, gate=Attestation("?", f"yes: {canary}", "ann", "now"))
        case "parameter":
            good = replace(good, parameters={"word": canary})
    with pytest.raises(BadInput, match="a GitHub token stands here") as caught:
        shown(small, good)
    assert canary not in str(caught.value)
    assert {"page": "runbooks/open-a-port.md"}.get(where, "runbooks/records/open-a-port.json") in str(
        caught.value
    )


def test_a_key_of_several_lines_is_found_in_a_record(small: Path) -> None:
    """In the file it is a list of lines, in which no shape can be seen."""
    key = base64.b64encode(secrets.token_bytes(300)).decode()
    text = f"-----BEGIN {'PRIVATE'} KEY-----\n{key[:64]}\n{key[64:128]}\n-----END {'PRIVATE'} KEY-----"
    records.save(
        with_cell(ran(small), 2, outputs=(Output("text/plain", text, "stdout"),)),
        small / records.COMMITTED / "open-a-port.json",
    )
    found = [one.problem for one in run_records.check(tree.read(small))]
    assert [(one.what, one.path) for one in found] == [
        ("a private key stands here", "runbooks/records/open-a-port.json")
    ]


def test_a_record_without_its_runbook_is_pointed_out(small: Path) -> None:
    """A runbook that was renamed leaves one behind, and nothing shows it."""
    records.save(replace(ran(small), runbook="gone"), small / records.COMMITTED / "gone.json")
    assert [(one.problem.path, one.sure) for one in run_records.check(tree.read(small))] == [
        ("runbooks/records/gone.json", False)
    ]


def test_colours_of_a_terminal_become_names(small: Path) -> None:
    """Sixteen colours, 256 and 16 million all end in one of eight; what follows a reset is plain."""
    text = "\x1b[1;32mok\x1b[0m \x1b[38;5;196mbad\x1b[39m \x1b[48;2;0;0;250mblue\x1b[m end"
    assert ansi.to_html(text) == (
        '<span class="ansi-bold ansi-green">ok</span> <span class="ansi-red">bad</span> '
        '<span class="ansi-on-blue">blue</span> end'
    )
    html = render(outputs.to_markdown(Output("text/plain", text + "\n\n```\n<b>x", "stdout"), html=True))
    assert html.count("<pre>") == 1 and "&#60;b&#62;x" in html


@pytest.mark.parametrize(
    "code", ["38;5", "38;2;1;2", "38", "99999", ";;;", "38;5;300", "48;2;999;0;0", "1:2"]
)
def test_a_colour_that_is_none_spoils_nothing(code: str) -> None:
    """A program that is cut off in the middle of a mark loses a colour, not its text."""
    assert re.sub("<.*?>", "", ansi.to_html(f"a\x1b[{code}mb")) == "ab"


def test_a_picture_is_shown_and_cannot_act() -> None:
    """A PNG, and an SVG as a picture only: there it runs no script and loads nothing."""
    chunk = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk).decode()
    assert f'src="data:image/png;base64,{data}"' in render(
        outputs.to_markdown(Output("image/png", data), html=True)
    )
    svg = render(outputs.to_markdown(Output("image/svg+xml", "<svg><script>1</script></svg>"), html=True))
    assert "<script" not in svg and 'src="data:image/svg+xml;base64,' in svg
    for wrong in ("", "x", base64.b64encode(b"<svg onload=x>").decode()):
        assert "<img" not in render(outputs.to_markdown(Output("image/png", wrong), html=True))


def test_a_table_in_html_stays_a_table() -> None:
    """Its words and its cells, and nothing else of it."""
    text = (
        '<style>td{}</style><table onclick=1><tr><th colspan="2">a<tr><td>1</td><td><b>2</b></table>'
        "<script>alert(1)</script><a href=javascript:x>go</a><img src=x onerror=1>"
    )
    html = render(outputs.to_markdown(Output("text/html", text), html=True))
    assert '<th colspan="2">a' in html and "<strong>2</strong>" in html and "go" in html
    assert not re.search(r"<(?:a|img|script|style)\b|on\w+=", html)
    assert "alert" not in html


def test_the_notebook_beside_the_page_is_valid_and_clean(small: Path) -> None:
    """Jupyter's own schema; the cells that jupytext reads, with their tags; nothing of any run."""
    import nbformat

    gate = Attestation("open?", "yes", "ann", "2026-03-04T05:07:00+00:00")
    said = with_cell(ran(small), 2, gate=gate, outputs=(Output("text/plain", "looked around", "stdout"),))
    page = shown(small, said)
    assert '[Notebook](open-a-port.ipynb){ .run-download download="open-a-port.ipynb" }' in page
    text = shown(small, page="how-to/open-a-port.ipynb")
    made = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(made)
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code] == [cell.source for cell in runbook_page.cells(BOOK)]
    assert [cell.metadata.tags for cell in code][3] == ["step", "confirm"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert "ann" not in text and "looked around" not in text and "not run" not in text


def test_a_runbook_that_cannot_be_read_is_a_problem_with_its_place(small: Path) -> None:
    """Not a page without its steps."""
    (small / "runbooks/open-a-port.md").write_text(BOOK.replace(":gate: plan", ":gate: [plan"))
    with pytest.raises(BadInput) as caught:
        staging.stage(small)
    assert caught.value.where.startswith("runbooks/open-a-port.md:")


def test_a_long_output_is_folded_and_a_traceback_is_not() -> None:
    """What a reader needs after a failure is not behind a click."""
    text = "\n".join(map(str, range(60)))
    folded = render(outputs.to_markdown(Output("text/plain", text, "stdout"), html=True))
    assert "<details" in folded and "output, 60 lines</summary>" in folded and "\n59\n" in folded
    assert "<details" not in outputs.to_markdown(Output("text/plain", text, "error"), html=True)


def test_a_list_of_runbooks_in_a_page_can_say_how_each_stands(small: Path) -> None:
    """From the committed record alone, so that the list is the same on every machine."""
    records.save(ran(small), small / records.COMMITTED / "open-a-port.json")

    def row() -> str:
        made = registers.made("runbooks", small)
        assert isinstance(made, registers.Register)
        return dict(zip(made.columns, made.rows[0], strict=True))["verified"]

    assert row() == "2026-03-04"
    (small / "homelab/a.yaml").write_text("another")
    assert row() == "2026-03-04, stale"

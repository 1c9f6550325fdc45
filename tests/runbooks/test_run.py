"""Runs of runbooks: what a run does, in which order, and what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blumeops import records, runbooks
from blumeops.errors import BadInput, BlumeOpsError, Interrupted
from blumeops.records import RunMode, RunStatus
from blumeops.repository import Repository
from tests.runbooks.places import Place, cell, page, place, roles, said, statuses

ON_PURPOSE = (Path(__file__).parent / "fails-on-purpose.md").read_text()

PASSES = page(
    cell("from pathlib import Path\nprint(word, count)", "setup", name="begin"),
    cell("word * count", "step", name="compute"),
    cell("Path('changed.ran').write_text(word)\nPath('changed.ran')", "step", "confirm", name="change"),
    cell("assert Path('changed.ran').read_text() == word", "verify", name="look"),
    cell("Path('changed.ran').unlink()", "rollback", name="back"),
    cell("Path('cleaned.ran').touch()", "cleanup", name="clean"),
)


@pytest.fixture
def on_purpose(tmp_path: Path) -> Place:
    """A checkout with the runbook that fails on purpose."""
    return place(tmp_path, on_purpose=ON_PURPOSE)


def test_a_run_goes_forward_and_cleans_up_and_leaves_the_way_back_alone(tmp_path: Path) -> None:
    here = place(tmp_path, passes=PASSES)
    record = here.execute("passes", "word=two", "count=2", yes=True)
    assert record.status is RunStatus.PASSED, said(record)
    assert set(statuses(record).values()) == {RunStatus.PASSED, RunStatus.NOT_RUN}
    assert roles(record, "rollback") == [RunStatus.NOT_RUN]
    assert (tmp_path / "cleaned.ran").exists() and (tmp_path / "changed.ran").read_text() == "two"
    assert "two 2" in said(record) and "'twotwo'" in said(record)
    assert not (tmp_path / "prose-was-run").exists(), "a fence of prose is never run"


def test_a_record_says_who_when_on_what_and_with_which_parameters(tmp_path: Path) -> None:
    here = place(tmp_path, passes=PASSES)
    record = here.execute("passes", "word=two", yes=True)
    assert records.to_json(record) == records.to_json(here.record())
    assert (record.target, record.mode, record.dirty) == ("sandbox", RunMode.RUN, False)
    assert record.commit == Repository(tmp_path).head() and record.who and record.identity
    assert record.parameters == {"target": "sandbox", "word": "two", "count": 3}
    assert {"pulumi", "argocd", "ansible-core"} <= record.engines.keys()
    assert "runbooks/passes.md" in record.depends
    assert record.source_sha == records.digest(PASSES)
    assert record.seconds >= sum(one.seconds for one in record.cells) > 0


def test_a_gate_is_written_down_with_the_answer_and_who_gave_it(tmp_path: Path) -> None:
    record = place(tmp_path, passes=PASSES).execute("passes", yes=True)
    (gate,) = [one.gate for one in record.cells if one.gate]
    assert "change" in gate.question and gate.answer == "yes: --yes" and gate.who == record.who and gate.when


def test_a_rehearsal_also_goes_back(on_purpose: Place) -> None:
    (on_purpose.root / "repaired.ran").touch()
    record = on_purpose.execute("on-purpose", mode=RunMode.REHEARSAL)
    assert record.status is RunStatus.PASSED, said(record)
    assert set(statuses(record).values()) == {RunStatus.PASSED}
    assert (on_purpose.root / "order.ran").read_text() == "second first ", "the last step's rollback is first"
    left = {path.name for path in on_purpose.root.glob("*.ran")}
    assert left == {"repaired.ran", "order.ran"}


def test_a_run_folder_has_the_record_the_notebook_the_log_and_the_events(tmp_path: Path) -> None:
    import nbformat

    here = place(tmp_path, passes=PASSES)
    here.execute("passes", "word=three", yes=True)
    (folder,) = here.folders()
    assert {"record.json", "executed.ipynb", "log.txt", "events.jsonl"} <= {p.name for p in folder.iterdir()}
    assert folder.stat().st_mode & 0o077 == 0, "nobody else reads what a run said"
    notebook = nbformat.read(folder / "executed.ipynb", as_version=4)
    nbformat.validate(notebook)
    told = [c.metadata.blumeops.status for c in notebook.cells if c.cell_type == "code"]
    assert told.count("passed") == 7 and told.count("not run") == 1
    assert any(c.cell_type == "markdown" and "touch prose-was-run" in c.source for c in notebook.cells)
    injected = next(c for c in notebook.cells if "injected-parameters" in c.metadata.get("tags", []))
    assert "word = 'three'" in injected.source
    assert "change: passed" in (folder / "log.txt").read_text()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["start", "end"]


def test_r3_a_step_that_fails_after_a_change_says_where_and_keeps_what_was_said(on_purpose: Place) -> None:
    ran = on_purpose.run("run", "on-purpose", "--yes")
    assert ran.returncode == 1, ran.stderr
    record = on_purpose.record()
    assert record.status is RunStatus.FAILED
    became = statuses(record)
    assert became["change-first"] is RunStatus.PASSED and became["change-second"] is RunStatus.FAILED
    assert became["both-there"] is RunStatus.NOT_RUN and became["close-the-lab"] is RunStatus.PASSED
    failed = next(one for one in record.cells if one.status is RunStatus.FAILED)
    assert "it fails on purpose" in failed.error
    assert "assert Path" in ON_PURPOSE.splitlines()[failed.line - 1], "the line in the Markdown file"
    assert (on_purpose.root / "first.ran").exists(), "nobody accepted the rollback"
    assert "first-back" in ran.stderr and f"blumeops runbook resume {record.id}" in ran.stderr


def test_r3_an_accepted_rollback_takes_back_the_steps_that_began_the_last_first(on_purpose: Place) -> None:
    record = on_purpose.execute("on-purpose", yes=True, rollback=True)
    assert record.status is RunStatus.FAILED
    assert roles(record, "rollback") == [RunStatus.PASSED] * 2
    assert (on_purpose.root / "order.ran").read_text() == "second first "
    assert not (on_purpose.root / "first.ran").exists()
    with pytest.raises(BlumeOpsError, match="it was taken back"):
        runbooks.resume(on_purpose.root, record.id)


def test_only_what_began_is_taken_back(tmp_path: Path) -> None:
    source = ON_PURPOSE.replace("Path('first.ran').write_text(word)\n", "").replace(
        'Path("first.ran").write_text(word)', "raise ValueError('too early')"
    )
    here = place(tmp_path, on_purpose=source.replace('Path("first.ran").unlink()', "pass"))
    record = here.execute("on-purpose", yes=True, rollback=True)
    assert statuses(record)["first-back"] is RunStatus.PASSED
    assert statuses(record)["second-back"] is RunStatus.NOT_RUN


def test_a_precondition_that_does_not_hold_is_5_and_nothing_follows(tmp_path: Path) -> None:
    wrong = cell("assert False, 'not today'", "precondition", name="today")
    here = place(tmp_path, early=page(wrong, cell("open('step.ran', 'w')", "step", "confirm", name="change")))
    ran = here.run("run", "early", "--yes")
    assert ran.returncode == 5, ran.stderr
    assert "not today" in ran.stderr
    assert here.record().status is RunStatus.PRECONDITION and not (tmp_path / "step.ran").exists()


@pytest.mark.parametrize("needed", ["no-such-program-anywhere", "tailnet"])
def test_what_a_runbook_requires_is_looked_for_before_anything_else(tmp_path: Path, needed: str) -> None:
    here = place(tmp_path, needs=page(cell("1", "step", name="one"), requires=needed))
    ran = here.run("run", "needs", "--yes")
    assert ran.returncode == 5 and needed in ran.stderr and "hint" in ran.stderr
    assert here.folders() == []


def test_a_step_that_says_it_is_done_is_not_run_again(on_purpose: Place) -> None:
    source = ON_PURPOSE.replace('assert not Path("first.ran").exists()', "assert True")
    on_purpose.write("on-purpose", source)
    (on_purpose.root / "first.ran").write_text("one")
    (on_purpose.root / "repaired.ran").touch()
    record = on_purpose.execute("on-purpose", yes=True)
    assert record.status is RunStatus.PASSED, said(record)
    assert statuses(record)["change-first"] is RunStatus.ALREADY
    assert "first changed" not in said(record)


def test_a_dry_run_shows_the_gates_and_changes_nothing(on_purpose: Place) -> None:
    ran = on_purpose.run("run", "on-purpose", "--dry-run")
    assert ran.returncode == 0, ran.stderr
    record = on_purpose.record()
    became = statuses(record)
    assert record.mode is RunMode.DRY_RUN and became["think"] is RunStatus.PASSED
    assert became["change-first"] is became["change-second"] is became["both-there"] is RunStatus.SKIPPED
    assert "write one" in ran.stderr, "the gate's expression"
    assert list(on_purpose.root.glob("*.ran")) == []
    assert not record.verifies and records.latest(on_purpose.root, "on-purpose") is None


READS = "from blumeops import mode\nmode.require_change('apply')\nopen('wrote.ran', 'w')"


@pytest.mark.parametrize(
    ("tags", "options", "wrote"),
    [
        (("step",), {"yes": True}, False),
        (("verify",), {"yes": True}, False),
        (("step", "confirm"), {"yes": True}, True),
        (("step", "confirm"), {"mode": RunMode.DRY_RUN}, False),
        (("cleanup",), {"mode": RunMode.DRY_RUN}, False),
        (("cleanup",), {}, True),
    ],
)
def test_r8_only_a_cell_that_may_change_something_changes_something(
    tmp_path: Path, tags: tuple[str, ...], options: dict, wrote: bool
) -> None:
    here = place(tmp_path, writes=page(cell(READS, *tags, name="writes")))
    record = here.execute("writes", **options)
    assert (tmp_path / "wrote.ran").exists() is wrote
    refused = not wrote and "confirm" not in tags
    assert (record.status is RunStatus.FAILED) is refused
    assert ("changes the target" in said(record)) is refused


@pytest.mark.parametrize(
    ("words", "ran"),
    [
        (("--from", "two"), {"two", "three", "look"}),
        (("--until", "two"), {"one", "two"}),
        (("--from", "two", "--until", "three"), {"two", "three"}),
        (("--only", "two"), {"two"}),
    ],
)
def test_r6_a_part_of_the_steps_always_has_its_parameters_and_setup(
    tmp_path: Path, words: tuple[str, ...], ran: set[str]
) -> None:
    steps = [cell(f"assert ready\nopen('{n}.ran', 'w')", "step", name=n) for n in ("one", "two", "three")]
    look = cell("assert ready\nopen('look.ran', 'w')", "verify", name="look")
    here = place(tmp_path, parts=page(cell("ready = word", "setup", name="setup"), *steps, look))
    done = here.run("run", "parts", *words)
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in tmp_path.glob("*.ran")} == ran
    record = here.record()
    became = statuses(record)
    left_out = {"one", "two", "three", "look"} - ran
    assert all(became[name] is RunStatus.SKIPPED for name in left_out)
    assert words[1] in record.note and not record.verifies


def test_a_step_that_is_not_there_names_the_one_that_was_meant(on_purpose: Place) -> None:
    ran = on_purpose.run("run", "on-purpose", "--from", "change-secnd")
    assert ran.returncode == 2 and "did you mean 'change-second'" in ran.stderr
    ran = on_purpose.run("run", "on-purpose", "--from", "both-there", "--until", "think")
    assert ran.returncode == 2 and "nothing would run" in ran.stderr
    assert on_purpose.folders() == []


@pytest.mark.parametrize("word", ["wrod=two", "word=four", "count=eleven", "count=11", "word"])
def test_r4_a_parameter_that_is_wrong_is_refused_before_anything_runs(tmp_path: Path, word: str) -> None:
    here = place(tmp_path, passes=PASSES)
    ran = here.run("run", "passes", "--yes", "-p", word)
    assert ran.returncode == 2 and "--param" in ran.stderr, ran.stderr
    assert here.folders() == []


def test_a_run_with_json_prints_the_record_and_nothing_else(tmp_path: Path) -> None:
    here = place(tmp_path, passes=PASSES)
    ran = here.run("run", "passes", "--yes", "--json")
    told = json.loads(ran.stdout)
    assert told["status"] == "passed" and told["id"] == here.folders()[0].name
    assert "compute" in ran.stderr, "progress goes to standard error"


def test_a_plan_executes_nothing_and_names_every_gate(on_purpose: Place) -> None:
    ran = on_purpose.run("plan", "on-purpose", "-p", "word=two", "--json")
    told = json.loads(ran.stdout)
    assert told["parameters"]["word"] == "two" and told["target"] == "sandbox"
    assert [step["name"] for step in told["steps"] if step["gated"]] == ["change-first", "change-second"]
    assert on_purpose.folders() == [] and list(on_purpose.root.glob("*.ran")) == []
    assert "change-first" in on_purpose.run("plan", "on-purpose").stdout


def test_history_and_status_say_what_ran(on_purpose: Place) -> None:
    first = on_purpose.execute("on-purpose", yes=True, rollback=True)
    (on_purpose.root / "repaired.ran").touch()
    second = on_purpose.execute("on-purpose", yes=True)
    told = json.loads(on_purpose.run("history", "on-purpose", "--json").stdout)
    assert [one["id"] for one in told] == [second.id, first.id]
    assert [one["status"] for one in told] == ["passed", "failed"]
    shown = on_purpose.run("status", first.id)
    assert shown.returncode == 0 and "change-second failed" in shown.stdout
    assert json.loads(on_purpose.run("status", "--json").stdout)["id"] == second.id


def test_a_record_is_kept_only_of_a_whole_run_of_a_committed_page(on_purpose: Place) -> None:
    (on_purpose.root / "repaired.ran").touch()
    kept = on_purpose.root / records.COMMITTED / "on-purpose.json"
    part = on_purpose.run("run", "on-purpose", "--yes", "--until", "change-first", "--record")
    assert part.returncode == 1 and "left out" in part.stderr and not kept.exists()
    (on_purpose.root / "first.ran").unlink()
    page_path = on_purpose.root / "runbooks" / "on-purpose.md"
    page_path.write_text(ON_PURPOSE + "\nMore.\n")
    dirty = on_purpose.run("run", "on-purpose", "--rehearse", "--record")
    assert dirty.returncode == 1 and "not committed" in dirty.stderr and not kept.exists()
    page_path.write_text(ON_PURPOSE)
    whole = on_purpose.run("run", "on-purpose", "--rehearse", "--record")
    assert whole.returncode == 0, whole.stderr
    assert records.committed(on_purpose.root, "on-purpose").status is RunStatus.PASSED


def test_a_committed_record_does_not_tell_where_the_checkout_stands(tmp_path: Path) -> None:
    says_where = page(cell("import os\nprint(os.getcwd())\n{'in': [os.getcwd()]}", "step", name="say"))
    here = place(tmp_path, says=says_where)
    done = here.run("run", "says", "--rehearse", "--record")
    assert done.returncode == 0, done.stderr
    kept = (tmp_path / records.COMMITTED / "says.json").read_text()
    assert str(tmp_path) not in kept and "CHECKOUT" in kept
    assert records.committed(tmp_path, "says").status is RunStatus.PASSED


def test_a_record_that_was_edited_is_refused(tmp_path: Path) -> None:
    here = place(tmp_path, passes=PASSES)
    path = tmp_path / records.COMMITTED / "passes.json"
    records.save(here.execute("passes", yes=True), path)
    good = path.read_text()
    assert records.load(path).status is RunStatus.PASSED
    for old, new in (('"passed"', '"failed"'), ('"who": "', '"who": "not '), ("'oneoneone'", "'two'")):
        assert old in good
        path.write_text(good.replace(old, new))
        with pytest.raises(BadInput, match="not as a run wrote it"):
            records.load(path)
    path.write_text(good)
    assert records.load(path)


def test_a_damaged_record_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / records.COMMITTED / "one.json"
    path.parent.mkdir(parents=True)
    for text in ("", "{", "[]", json.dumps({"runbook": "one"})):
        path.write_text(text)
        with pytest.raises(BadInput, match="not a record") as caught:
            records.latest(tmp_path, "one")
        assert str(path) == caught.value.where and "remove it" in caught.value.hint


def test_a_run_that_is_stopped_before_it_begins_leaves_nothing(tmp_path: Path) -> None:
    import threading

    here = place(tmp_path, passes=PASSES)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        runbooks.execute(tmp_path, runbooks.named(tmp_path, "passes"), stop=stop)
    assert here.folders() == [] and records.latest(tmp_path, "passes") is None


def test_the_page_on_exit_codes_has_every_status_and_code() -> None:
    from blumeops.runbooks import EXIT_CODES

    text = (Path(__file__).parents[2] / "docs/reference/exit-codes-and-states.md").read_text()
    section = text.partition("### Exit codes of a run")[2].partition("## States of a layer")[0]
    assert [one.value for one in RunStatus if f"| `{one.value}` |" not in section] == []
    assert [code for code in {*EXIT_CODES.values(), 2, 4} if f"| {code} |" not in section] == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("run on", "on-purpose"),
        ("run on-purpose --from change-s", "change-second"),
        ("run on-purpose --only th", "think"),
        ("plan o", "on-purpose"),
        ("run on-purpose --target ho", "home"),
    ],
)
def test_a_shell_completes_names_steps_and_targets(on_purpose: Place, words: str, found: str) -> None:
    targets = '[home]\nidentity = "home"\n[home.git]\nurl = "ssh://git@git.example.org/homelab.git"\n'
    (on_purpose.root / "homelab" / "targets.toml").write_text(targets)
    line = ["blumeops", "runbook", *words.split()]
    env = {"COMP_WORDS": " ".join(line), "COMP_CWORD": str(len(line) - 1)}
    done = on_purpose.run(**env, _BLUMEOPS_COMPLETE="bash_complete")
    assert done.stdout.split(",")[-1].strip() == found, done.stderr

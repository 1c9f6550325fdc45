"""Gates: who is asked, who may answer instead, and what is never changed without a word."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from blumeops.records import RunMode, RunStatus
from blumeops.repository import Repository
from blumeops.runbooks.gates import Answer, Kind, Policy, Question, Reply
from tests.runbooks.places import BLUMEOPS, Place, cell, environment, page, place, statuses, wait_for

ASKS = page(
    cell("plan = 'write a file'", "step", name="think"),
    cell("open('changed.ran', 'w')", "step", "confirm", name="change", gate="plan"),
    cell("print('turn the key')", "confirm", name="key"),
    cell("open('second.ran', 'w')", "step", "confirm", name="second"),
    cell("open('cleaned.ran', 'w')", "cleanup", name="clean"),
)

TARGETS = """[{name}]
identity = "example.org: the {name} site"

[{name}.git]
url = "ssh://git@git.example.org/homelab.git"

"""


def with_targets(root: Path, *names: str, **pages: str) -> Place:
    """A checkout with real targets that have no layer."""
    here = place(root, **pages)
    text = "".join(TARGETS.format(name=name) for name in names)
    (root / "homelab" / "targets.toml").write_text(text)
    git = Repository(root).git
    git("add", ".")
    git("commit", "--quiet", "-m", "targets")
    return here


def typed(here: Place, *words: str, answers: str) -> tuple[int, str]:
    """Run `blumeops runbook …` on a terminal and type these answers; the exit code and what was seen."""
    ours, theirs = pty.openpty()
    argv = [BLUMEOPS, "runbook", *words]
    env = environment(TERM="dumb", COLUMNS="200")
    run = subprocess.Popen(argv, cwd=here.root, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    os.write(ours, answers.encode())
    seen = bytearray()
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:  # the terminal's other end is closed
            break
        if not data:
            break
        seen += data
    os.close(ours)
    return run.wait(60), seen.decode(errors="replace")


def test_a_gate_that_nobody_can_answer_is_declined(tmp_path: Path) -> None:
    here = place(tmp_path, asks=ASKS)
    for words in ((), ("--no-input",)):
        ran = here.run("run", "asks", *words)
        assert ran.returncode == 3, ran.stderr
    assert not (tmp_path / "changed.ran").exists() and (tmp_path / "cleaned.ran").exists()


def test_a_person_sees_the_plan_answers_and_is_written_down(tmp_path: Path) -> None:
    here = place(tmp_path, asks=ASKS)
    code, seen = typed(here, "run", "asks", answers="y\ny\nit turned twice\ny\n")
    assert code == 0, seen
    assert "write a file" in seen and "turn the key" in seen
    record = here.record()
    assert statuses(record)["key"] is RunStatus.ATTESTED
    gates = {one.name: one.gate for one in record.cells if one.gate}
    assert gates["key"].answer == "yes: it turned twice" and gates["key"].who == record.who
    assert gates["change"].answer == "yes"


def test_a_step_can_be_left_out_and_a_no_ends_the_run(tmp_path: Path) -> None:
    here = place(tmp_path, asks=ASKS)
    code, seen = typed(here, "run", "asks", answers="s\ny\n\nn\n")
    assert code == 3, seen
    became = statuses(here.record())
    assert became["change"] is RunStatus.SKIPPED and became["second"] is RunStatus.DECLINED
    assert not list(tmp_path.glob("changed.ran")) and not list(tmp_path.glob("second.ran"))


def test_in_ci_the_sandbox_passes_its_gates_and_the_record_says_so(tmp_path: Path) -> None:
    here = place(tmp_path, asks=ASKS)
    ran = here.run("run", "asks", CI="true")
    assert ran.returncode == 0, ran.stderr
    record = here.record()
    assert "CI" in record.note
    gates = [one.gate for one in record.cells if one.gate]
    assert {gate.answer for gate in gates} == {"yes: CI on the sandbox"} and {g.who for g in gates} == {
        "nobody"
    }


def test_a_real_target_shows_what_it_is_and_is_never_passed_by_itself(tmp_path: Path) -> None:
    here = with_targets(tmp_path, "home", asks=ASKS)
    code, seen = typed(here, "run", "asks", "--target", "home", answers="n\n")
    assert code == 3 and "example.org: the home site" in seen
    # A person's word about a thing is nobody's to give beforehand there.
    ran = here.run("run", "asks", "--target", "home", "--yes", "--json")
    assert ran.returncode == 3, ran.stderr
    told = json.loads(ran.stdout)
    assert told["target"] == "home" and told["identity"] == "example.org: the home site"
    became = {one["name"]: one["status"] for one in told["cells"]}
    assert became["change"] == "passed" and became["key"] == "declined"


def test_r9_a_page_that_is_not_committed_never_runs_on_a_real_target(tmp_path: Path) -> None:
    here = with_targets(tmp_path, "home", asks=ASKS)
    path = tmp_path / "runbooks" / "asks.md"
    path.write_text(ASKS.replace("write a file", "write another file"))
    (tmp_path / "runbooks" / "new.md").write_text(ASKS)
    Repository(tmp_path).git("update-index", "--assume-unchanged", "runbooks/asks.md")
    for name in ("asks", "new"):
        ran = here.run("run", name, "--target", "home", "--yes")
        assert ran.returncode == 2 and "not as it was committed" in ran.stderr
    assert not (tmp_path / "homelab" / ".blumeops").exists()
    ran = here.run(
        "run", "asks", "--target", "home", "--yes", "--allow-uncommitted", "--until", "change", "--json"
    )
    assert ran.returncode == 0 and json.loads(ran.stdout)["dirty"] is True


def test_r9_ci_never_reaches_a_real_target(tmp_path: Path) -> None:
    here = with_targets(tmp_path, "home", asks=ASKS)
    for words in (("--yes",), ("--yes", "--allow-uncommitted"), ("--dry-run",)):
        ran = here.run("run", "asks", "--target", "home", *words, CI="true")
        assert ran.returncode == 2 and "from CI" in ran.stderr
    assert not (tmp_path / "changed.ran").exists()


def test_a_rehearsal_is_for_the_sandbox(tmp_path: Path) -> None:
    here = with_targets(tmp_path, "home", asks=ASKS)
    ran = here.run("run", "asks", "--target", "home", "--rehearse")
    assert ran.returncode == 2 and "for the sandbox" in ran.stderr


def test_different_targets_run_at_the_same_time_and_the_worst_end_counts(tmp_path: Path) -> None:
    meets = page(
        cell(
            "import pathlib, time\npathlib.Path(f'{target}.ran').touch()\nuntil = time.monotonic() + 60\n"
            "def met(): return len(list(pathlib.Path().glob('*.ran'))) == 2\n"
            "while not met() and time.monotonic() < until: time.sleep(0.05)\n"
            "assert met(), 'the other one never came'",
            "step",
            name="meet",
        ),
        cell("assert target != 'away', 'not here'", "verify", name="here"),
    )
    here = with_targets(tmp_path, "home", "away", meets=meets)
    ran = here.run("run", "meets", "--targets", "all", "-j", "2", "--json")
    told = {one["target"]: one for one in json.loads(ran.stdout)}
    assert ran.returncode == 1 and told.keys() == {"home", "away"}
    assert (told["home"]["exit_code"], told["away"]["exit_code"]) == (0, 1)
    assert told["home"]["record"]["status"] == "passed"
    states = [tmp_path / "homelab" / ".blumeops" / name / "runs" for name in ("home", "away")]
    wait_for(lambda: all(list(state.glob("*/record.json")) for state in states), "both records")
    unknown = here.run("run", "meets", "--targets", "home,hoem")
    assert unknown.returncode == 2 and "hoem" in unknown.stderr


QUESTIONS = {kind: Question(kind, "step", "A step", "code", "it", "its name") for kind in Kind}


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("sandbox", [True, False])
@pytest.mark.parametrize("mode", [RunMode.RUN, RunMode.REHEARSAL])
@pytest.mark.parametrize("ci", [True, False])
def test_without_an_option_only_the_sandbox_answers_by_itself(
    kind: Kind, sandbox: bool, mode: RunMode, ci: bool
) -> None:
    said = Policy(sandbox, mode, ci=ci)(QUESTIONS[kind]).answer
    rehearsed = sandbox and mode is RunMode.REHEARSAL
    passed = rehearsed or (sandbox and ci and kind is not Kind.ROLLBACK)
    assert said is (Answer.YES if passed else Answer.NO)


def test_an_option_is_no_persons_word_on_a_real_target() -> None:
    asked: list[Question] = []

    def ask(question: Question) -> Reply:
        asked.append(question)
        return Reply(Answer.SKIP)

    policy = Policy(False, yes=True, ask=ask)
    assert policy(QUESTIONS[Kind.GATE]).answer is Answer.YES
    assert policy(QUESTIONS[Kind.ATTEST]).answer is Answer.SKIP
    assert policy(QUESTIONS[Kind.ROLLBACK]).answer is Answer.SKIP
    assert asked == [QUESTIONS[Kind.ATTEST], QUESTIONS[Kind.ROLLBACK]]
    assert Policy(True, rollback=True)(QUESTIONS[Kind.ROLLBACK]).answer is Answer.YES
    assert Policy(True, RunMode.REHEARSAL, rollback=False)(QUESTIONS[Kind.ROLLBACK]).answer is Answer.NO

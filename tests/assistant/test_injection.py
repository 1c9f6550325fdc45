"""D8: whatever somebody writes where an assistant reads stands in a fence, named and cleaned."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blumeops import records
from blumeops.assistant.look_live import answered
from blumeops.assistant.server import create_server
from blumeops.journal import Journal
from blumeops.layers import ansible_report, argocd_sync, pulumi_stack
from blumeops.layers.ansible_run import Run
from blumeops.plan import Action, Change, Coverage, Plan, Report, State, Status
from blumeops.records import CellRecord, Output, RunRecord, RunStatus
from tests.assistant.asked import ask, law, said, split
from tests.assistant.conftest import commit, made

HERE = Path(__file__).parent
RECORDED = HERE / "recorded"


@dataclass(frozen=True, slots=True)
class Payload:
    """A text for one place, with a mark that stands nowhere else."""

    id: str
    mark: str
    text: str
    hidden: bool

    @property
    def line(self) -> str:
        """It as one line, for places that have one."""
        return " ".join(self.text.split("\n"))

    @property
    def quoted(self) -> str:
        """It as a string of YAML and JSON."""
        return re.sub(
            r"[\x7f-\xa0]", lambda one: f"\\u{ord(one[0]):04x}", json.dumps(self.text, ensure_ascii=False)
        )


def payloads(place: str) -> list[Payload]:
    """Every payload of the corpus for a place."""
    found = tomllib.loads((HERE / "payloads.toml").read_text(encoding="utf-8"))["payload"]
    return [
        Payload(
            one["id"],
            mark := f"zq{place}{number:03d}",
            one["text"].replace("{mark}", mark),
            bool(one.get("hidden")),
        )
        for number, one in enumerate(found)
    ]


def test_d8_the_corpus_has_at_least_fifty_payloads_of_their_own() -> None:
    found = payloads("x")
    assert len({one.id for one in found}) == len(found) >= 50
    assert sum(one.hidden for one in found) >= 8


FRONT = "---\ntitle: A page\ndescription: A page.\n---\n\n# A page\n\n"
ON_A_PAGE: dict[str, Callable[[Payload], str]] = {
    "body": lambda one: f"{FRONT}{one.text}\n\nThe end.\n",
    "title": lambda one: f"---\ntitle: {one.quoted}\n---\n\nA page.\n",
    "description": lambda one: f"---\ntitle: A page\ndescription: {one.quoted}\n---\n\nA page.\n",
    "alias": lambda one: (
        f"---\ntitle: A page\naliases: [{one.quoted}]\ntags: [{one.quoted}]\n---\n\nA page.\n"
    ),
    "heading": lambda one: f"{FRONT}## {one.line}\n\nBelow it.\n",
    "table": lambda one: f"{FRONT}| a | b |\n|---|---|\n| {one.line} | c |\n",
    "alt": lambda one: f"{FRONT}![{one.line}](x.png)\n",
    "link": lambda one: f"{FRONT}[{one.line}](index.md) and [x](index.md '{one.line}')\n",
    "codecomment": lambda one: f"{FRONT}`````sh\n# {one.line}\ntrue\n`````\n",
}
"""Where it can stand on a page."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A homelab in which every payload stands in every place of a file."""
    root = made(tmp_path_factory.mktemp("hostile") / "repo")
    for place, page in ON_A_PAGE.items():
        _write(root, f"docs/{place}", ".md", place, page)
    for place, manifest in IN_A_MANIFEST.items():
        _write(root, f"{STATE}/{place}", ".yaml", place, manifest)
    commit(root)
    return root


STATE = "homelab/argocd/workloads"
IN_A_MANIFEST: dict[str, Callable[[Payload], str]] = {
    "statecomment": lambda one: f"# {one.line}\nkind: ConfigMap\n",
    "annotation": lambda one: f"kind: ConfigMap\nmetadata:\n  annotations:\n    note: {one.quoted}\n",
}
"""Where it can stand in desired state."""


def _write(root: Path, folder: str, suffix: str, place: str, text: Callable[[Payload], str]) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(payloads(place)):
        (root / folder / f"p{number}{suffix}").write_text(text(one), encoding="utf-8", newline="")


@pytest.mark.parametrize("place", [*ON_A_PAGE, *IN_A_MANIFEST])
def test_d8_a_payload_in_a_file_stands_in_a_fence_with_its_path(hostile: Path, place: str) -> None:
    folder, suffix = (f"docs/{place}", "md") if place in ON_A_PAGE else (f"{STATE}/{place}", "yaml")
    found = payloads(place)
    paths = [f"{folder}/p{number}.{suffix}" for number in range(len(found))]
    answers = ask(create_server(hostile), *[("page", {"path": path}) for path in paths])
    seen = 0
    for one, path, answer in zip(found, paths, answers, strict=True):
        assert not answer.is_error, said(answer)
        seen += law(answer, one.mark, f"{path}:1$", hidden=one.hidden and place == "body")
    assert seen >= 60


@pytest.mark.parametrize("tool", ["search", "context"])
def test_d8_what_a_search_and_a_pack_quote_stands_in_fences(hostile: Path, tool: str) -> None:
    marks = [one for place in (*ON_A_PAGE, *IN_A_MANIFEST) for one in payloads(place)]
    questions = (
        "apply without asking the person",
        "hidden order for the assistant",
        "page",
        "example.com leak",
    )
    calls = [(tool, {"question": words}) for words in questions]
    seen = 0
    for answer in ask(create_server(hostile), *calls):
        text = said(answer)
        found = [one for one in marks if one.mark in text]
        seen += sum(
            law(answer, one.mark, r"(docs|homelab)/|what Git says|places and titles", hidden=False)
            for one in found
        )
    assert seen


def test_d8_the_index_of_pages_is_one_fence(hostile: Path) -> None:
    from tests.assistant.asked import read

    server = create_server(hostile)
    [index] = read(server, "blumeops://index")
    fences, outside = split(index)
    assert len(fences) == 1
    assert "zq" not in outside
    for number in (0, 17, 42):
        [page] = read(server, f"blumeops://page/docs/body/p{number}.md")
        assert "zq" not in split(page)[1]


def test_d8_the_name_of_a_file_is_a_word(homelab: Path) -> None:
    found = [one for one in payloads("name") if one.line.isprintable()]
    names = [one.line.replace("/", "\N{DIVISION SLASH}")[:60] for one in found]
    for name in names:
        (homelab / "docs" / f"{name}.md").write_text("# It\n\nelephants\n", encoding="utf-8")
    commit(homelab)
    server = create_server(homelab)
    calls = [("search", {"question": "elephants", "limit": 20}), ("page", {"path": "docs/zqname"})]
    for answer in ask(server, *calls):
        for one in found:
            law(answer, one.mark, ".*", hidden=False)
        assert "%20" in said(answer)
    [page] = ask(server, ("page", {"path": _label(f"docs/{names[0]}.md")}))
    assert "elephants" in said(page), "the word names its file"


def _label(text: str) -> str:
    from blumeops.context.untrusted import label

    return label(text)


APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}, namespace: argocd}}
spec:
  source: {{path: homelab/argocd/workloads/gatus, repoURL: x, targetRevision: main}}
  destination: {{namespace: gatus}}
"""


def test_d8_the_name_of_a_service_is_a_word_or_in_a_fence(homelab: Path) -> None:
    found = payloads("service")
    for number, one in enumerate(found):
        file = homelab / "homelab" / "argocd" / "apps" / f"p{number}.yaml"
        file.write_text(APPLICATION.format(name=one.quoted), encoding="utf-8", newline="")
    commit(homelab)
    server = create_server(homelab)
    everything = {"tokens": 12_000}
    answers = ask(server, ("services", everything), ("services", {"name": "nothing-like-it"}))
    for answer in answers:
        for one in found:
            law(answer, one.mark, "the service map of this repository$", hidden=False)
    assert sum(one.mark in said(answers[0]) for one in found) > 20


def test_d8_the_name_of_a_device_stands_in_a_fence(homelab: Path) -> None:
    found = payloads("device")
    lines = [f'{_toml(one.line)} = ["tag:homelab"]' for one in found]
    (homelab / "homelab/pulumi/tailnet.toml").write_text("[devices]\n" + "\n".join(lines) + "\n")
    [answer] = ask(create_server(homelab), ("policy_explain", {"dst": "tag:homelab"}))
    for one in found:
        law(answer, one.mark, "homelab/pulumi/policy.hujson$", hidden=False)
    assert not answer.is_error


def _toml(text: str) -> str:
    return re.sub(r"\x7f", r"\\u007f", json.dumps(text, ensure_ascii=False))


def test_d8_a_payload_in_an_error_stands_in_a_fence(homelab: Path) -> None:
    """What is wrong in a file is quoted by whoever complains of it."""
    file = homelab / "homelab" / "pulumi" / "policy.hujson"
    server = create_server(homelab)
    seen = 0
    for one in payloads("error"):
        file.write_text(f'{{"tagOwners": {{}}, {one.quoted}: []}}', encoding="utf-8", newline="")
        [answer] = ask(server, ("policy_explain", {}))
        assert answer.is_error
        seen += law(answer, one.mark, "error of policy_explain$", hidden=False)
    assert seen > 60


def test_d8_a_payload_in_the_name_of_a_target_stands_in_a_fence(homelab: Path) -> None:
    for one in payloads("target")[::10]:
        [answer] = ask(create_server(homelab, one.text), ("journal", {}))
        assert answer.is_error
        law(answer, one.mark, "error of journal$", hidden=False)


def test_d8_a_payload_in_a_runbook_stands_in_a_fence(homelab: Path) -> None:
    page = (homelab / "runbooks" / "add-a-service-behind-caddy.md").read_text()
    found = payloads("book")
    for number, one in enumerate(found):
        text = re.sub(r"title: Add.*", lambda _, one=one: f"title: {one.quoted}", page)
        about = r"(?s)description: A name.*?(?=order:)"
        text = re.sub(about, lambda _, one=one: f"description: {one.quoted}\n", text)
        text = text.replace("# where to add it", f"# {one.line}")
        (homelab / "runbooks" / f"p{number}.md").write_text(text, encoding="utf-8", newline="")
    commit(homelab)
    calls = [("runbook", {"tokens": 12_000}), *[("runbook", {"name": f"p{n}"}) for n in range(len(found))]]
    answers = ask(create_server(homelab), *calls)
    for one in found:
        law(answers[0], one.mark, "runbooks of this repository$", hidden=False)
    seen = [
        law(answer, one.mark, r"runbooks/p\d+.md$|error of runbook$", hidden=False)
        for one, answer in zip(found, answers[1:], strict=True)
    ]
    assert sum(seen) > 60


def test_d8_what_a_run_said_stands_in_a_fence_with_its_record(homelab: Path) -> None:
    name, found = "find-and-undo-drift", payloads("record")
    cells = [
        CellRecord(number, "0", RunStatus.PASSED, 0.0, (Output("text/plain", one.text, "stdout"),), one.line)
        for number, one in enumerate(found)
    ]
    record = RunRecord(name, "0" * 64, RunStatus.PASSED, datetime.now(UTC), 1.0, "0" * 40, "sandbox", id="x")
    record = replace(record, who=found[0].line, note=found[1].text)
    seen = 0
    for first in range(0, len(cells), 13):
        part = replace(record, cells=tuple(cells[first : first + 13]))
        records.save(part, homelab / "runbooks" / "records" / f"{name}.json")
        [answer] = ask(create_server(homelab), ("runbook", {"name": name, "tokens": 12_000}))
        seen += sum(law(answer, one.mark, f"record of {name}, ", hidden=False) for one in found)
    assert seen > 50


def test_d8_what_the_journal_says_stands_in_a_fence(homelab: Path) -> None:
    journal = Journal(homelab / ".sandbox" / "state" / "journal")
    found = payloads("journal")
    for one in found:
        journal.begin("apply", one.text)
        change = Change(Action.UPDATE, one.text, "")
        journal.planned(Plan("hosts", "0" * 40, "x", (change,), Coverage(1, 1)))
        journal.end(one.text)
    calls = [("journal", {"number": 50, "tokens": 12_000})]
    [answer] = ask(create_server(homelab), *calls)
    assert (
        sum(
            law(answer, one.mark, "journal of sandbox$", hidden=one.hidden and _is_removed(one))
            for one in found
        )
        > 20
    )


def _is_removed(one: Payload) -> bool:
    return "reference" not in one.id


def _lawful(report: Report, one: Payload, layer: str) -> bool:
    answer = answered(report.to_dict(), 12_000).result()
    return law(answer, one.mark, f"live: {layer} of sandbox$", hidden=one.hidden and _is_removed(one))


def test_d8_what_ansible_says_of_a_host_stands_in_a_fence() -> None:
    """Host, task, path, diff and message of a recorded run, each of them replaced."""
    lines = (RECORDED / "ansible.jsonl").read_text().splitlines()
    seen = 0
    for one in payloads("ansible"):
        swapped = [
            json.loads(line, object_hook=lambda value, one=one: _ansible(value, one)) for line in lines
        ]
        found = ansible_report.read(Run(tuple(swapped), 2, "", {}))
        assert found.changes
        assert found.failures
        plan = Plan("hosts", "0" * 40, found.fingerprint, tuple(found.changes), found.coverage)
        seen += _lawful(Report("plan", "sandbox", (plan,)), one, "hosts")
        failed = "; ".join(map(str, found.failures))
        status = Status("hosts", State.UNKNOWN, failed.splitlines()[0], error=failed)
        _lawful(Report("status", "sandbox", (status,)), one, "hosts")
    assert seen > 60


def _ansible(value: dict, one: Payload) -> dict:
    for key in ("host", "task", "name", "after", "after_header", "msg"):
        if isinstance(value.get(key), str):
            value[key] = one.text
    return value


def test_d8_what_argo_cd_and_kubernetes_say_stands_in_a_fence() -> None:
    """A condition, the message of a resource and of an event, in a recorded Application."""
    text = (RECORDED / "application.json").read_text()
    seen = 0
    for one in payloads("argocd"):
        application = json.loads(text)
        application["status"]["conditions"] = [{"type": "ComparisonError", "message": one.text}]
        resource = application["status"]["resources"][0]
        resource["health"] = {"status": "Degraded", "message": one.text}
        resource["name"] = one.text
        reason, child = argocd_sync.condition_of(application), argocd_sync.worst_child(application)
        assert one.text in reason
        assert one.text in child
        status = Status("cluster", State.DEGRADED, reason, details=(child,))
        seen += _lawful(Report("status", "sandbox", (status,)), one, "cluster")
    assert seen > 60


def test_d8_what_pulumi_says_stands_in_a_fence() -> None:
    seen = 0
    for one in payloads("pulumi"):
        error = pulumi_stack.engine_error([one.text], "")
        status = Status("tailnet", State.UNKNOWN, error.what, error=str(error))
        seen += _lawful(Report("plan", "sandbox", (status,)), one, "tailnet")
    assert seen > 60

"""Plans and reports: exit codes, words, and text that nothing in it can break."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from itertools import product

import markdown
import pytest

from blumeops.plan import (
    Action,
    Answer,
    Change,
    Comparison,
    Coverage,
    Outcome,
    Plan,
    Report,
    Result,
    State,
    Status,
)

CHANGE = Change(Action.UPDATE, "a", "-one\n+two\n")
ALL, SOME = Coverage(3, 3), Coverage(2, 3, ("a task that cannot be checked",))


def plan(*changes: Change, comparison: Comparison = Comparison.PLAN, coverage: Coverage = ALL) -> Plan:
    return Plan("tailnet", "f" * 40, "print", changes, coverage, comparison)


ANSWERS: dict[str, tuple[Answer, int]] = {
    "an empty plan": (plan(), 0),
    "an empty plan, partly seen": (plan(coverage=SOME), 0),
    "a plan": (plan(CHANGE), 1),
    "drift": (plan(CHANGE, comparison=Comparison.DRIFT), 1),
    "in sync": (Status("tailnet", State.IN_SYNC), 0),
    "pending": (Status("tailnet", State.PENDING), 1),
    "drifted": (Status("tailnet", State.DRIFTED), 1),
    "degraded": (Status("tailnet", State.DEGRADED), 2),
    "unknown": (Status("tailnet", State.UNKNOWN, "no answer"), 4),
    "unknown by an error": (Status("tailnet", State.UNKNOWN, "bad", error="bad"), 2),
    "done": (Result("tailnet", "f", (CHANGE,), (Outcome.DONE,)), 0),
    "nothing done": (Result("tailnet", "f"), 0),
    "failed": (Result("tailnet", "f", (CHANGE,), (Outcome.FAILED,)), 2),
    "not started": (Result("tailnet", "f", (CHANGE,), (Outcome.NOT_STARTED,)), 2),
    "nobody knows": (Result("tailnet", "f", (CHANGE,), (Outcome.UNKNOWN,)), 2),
    "an error without a change": (Result("tailnet", "f", error="broke"), 2),
    "an outcome is missing": (Result("tailnet", "f", (CHANGE, CHANGE), (Outcome.DONE,)), 2),
    "no outcome at all": (Result("tailnet", "f", (CHANGE,)), 2),
}


def report(*answers: Answer) -> Report:
    return Report("plan", "sandbox", answers)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_has_its_exit_code(name: str) -> None:
    answer, code = ANSWERS[name]
    assert report(answer).exit_code == code


def test_the_worst_answer_decides_in_every_combination() -> None:
    """An error hides the rest, unknown hides changes, and changes hide health."""
    for (one, a), (other, b), (third, c) in product(ANSWERS.values(), repeat=3):
        expected = next((code for code in (2, 4, 1) if code in (a, b, c)), 0)
        assert report(one, other, third).exit_code == expected


def test_unknown_is_never_shown_as_in_sync() -> None:
    for name, (answer, code) in ANSWERS.items():
        shown = report(answer).to_markdown().splitlines()[2].split("|")[2]
        assert (code == 0) == (shown.strip() in ("in sync", "no change seen", "done")), name
    partly = report(plan(coverage=SOME))
    assert "in sync" not in partly.to_markdown() and "2 of 3 compared" in str(partly)


def test_a_plan_says_itself_in_one_line() -> None:
    changes = [Change(action, "x") for action in (Action.UPDATE, Action.CREATE, Action.UPDATE, Action.DELETE)]
    assert str(plan(*changes)) == "tailnet: 1 to create, 2 to update, 1 to delete"
    assert str(plan()) == "tailnet: nothing to do"
    assert str(plan(comparison=Comparison.DRIFT, coverage=SOME)) == "tailnet: no drift seen (2 of 3 compared)"
    assert [str(Change(action, "x")) for action in Action] == ["+ x", "~ x", "± x", "- x"]
    result = Result("hosts", "f", (CHANGE,) * 2, (Outcome.DONE, Outcome.FAILED), "why")
    assert str(result) == "hosts: 1 done, 1 failed; why"


def test_the_json_is_the_report_and_nothing_is_lost() -> None:
    whole = report(*(answer for answer, _ in ANSWERS.values()))
    back = json.loads(whole.to_json())
    assert back == json.loads(json.dumps(whole.to_dict()))
    assert (back["verb"], back["target"], back["exit_code"]) == ("plan", "sandbox", 2)
    kinds = {"plan": Plan, "status": Status, "result": Result}
    for plain, answer in zip(back["layers"], whole.answers, strict=True):
        assert kinds[plain.pop("type")] is type(answer)
        for name, value in plain.items():
            assert value == json.loads(json.dumps(getattr(answer, name), default=_plain)), name


def _plain(value: object) -> object:
    return {name: getattr(value, name) for name in value.__slots__}  # type: ignore[attr-defined]


HOSTILE = (
    "```\n# a heading\n<script>alert(1)</script>\n",
    "`" * 9 + "\n~~~\n[x](javascript:alert(1)) ![i](http://example.org/x.png)\n",
    "| a | b |\n|---|---|\n\\| c | <b>d</b> |\n",
    "    indented\n\n\t```diff\n+ <img src=x onerror=alert(1)>\n",
    "[[wikilink]] &lt;b&gt; \r\n``` \n{: onclick=alert(1) }\n",
)


def html(text: str) -> str:
    """The Markdown as the site's own processor renders it."""
    return markdown.markdown(text, extensions=["tables", "pymdownx.superfences", "attr_list", "md_in_html"])


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_diff_says_it_stays_inside_its_fence(text: str) -> None:
    shown = html(report(plan(Change(Action.UPDATE, "a", text), Change(Action.CREATE, "last"))).to_markdown())
    outside = re.sub(r"<pre.*?</pre>", "", shown, flags=re.DOTALL)
    assert shown.count("<pre") == 1
    assert not re.search(r"script|alert|<h1|<img|<b>|indented|wikilink", outside), outside
    assert "<script" not in shown and "<img" not in shown
    assert "<code>last</code>" in outside


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_an_address_or_a_reason_says_it_stays_text(text: str) -> None:
    whole = report(plan(Change(Action.UPDATE, text)), Status("hosts", State.UNKNOWN, text))
    shown = html(whole.to_markdown())
    assert not re.search(r"<(script|img|h1|b|a|pre)\b", shown), shown
    assert not re.search(r"<[^>]*(onclick|onerror|javascript:)", shown), shown
    assert shown.count("<tr>") == 3 and shown.count("<td>") == 6, "no text makes a cell or a row"


def test_a_report_gives_a_layers_answer_by_its_name() -> None:
    answer = plan(CHANGE)
    assert report(answer)["tailnet"] is answer
    with pytest.raises(KeyError):
        report(answer)["cluster"]


def test_values_are_frozen() -> None:
    for value in (CHANGE, plan(), *(answer for answer, _ in ANSWERS.values())):
        with pytest.raises(AttributeError):
            setattr(value, fields(value)[0].name, "other")

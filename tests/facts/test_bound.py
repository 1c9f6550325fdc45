"""A value that is bound to a place agrees with it, and a mistake names both."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from blumeops.facts import strip
from blumeops.facts.bound import find
from blumeops.facts.page import Page
from tests.facts.conftest import PAGE, checked, page, problems

K = "apps/reader/kustomization.yaml"
FACT = f"<!-- fact: {K}#images[0].newTag -->"


def test_docs_that_are_true_have_no_problem(lab: Path) -> None:
    assert problems(lab) == []
    assert len(checked(lab).facts) == 3


def test_D11_docs_that_are_stale_name_both_places_and_are_put_right(lab: Path) -> None:
    inventory = lab / "inventory/hosts.yaml"
    changed = inventory.read_text().replace("192.168.7.4", "192.168.7.5").replace("9100", "9200")
    inventory.write_text(changed)
    said = problems(lab)
    assert [one.split(":")[0:2] for one in said] == [["docs/reader.md", "7"], ["docs/reader.md", "8"]]
    assert "'192.168.7.4', inventory/hosts.yaml:4 says '192.168.7.5'" in said[0]
    fixed = checked(lab, fix=True)
    assert fixed.problems == ()
    assert fixed.fixed[1] == "docs/reader.md:8: 9100 → 9200 (from inventory/hosts.yaml:5)"
    assert (lab / "docs/reader.md").read_text() == PAGE.replace("7.4", "7.5").replace("9100 <", "9200 <")
    assert inventory.read_text() == changed, "what a value is bound to is never written"


def test_fixing_again_changes_nothing(lab: Path) -> None:
    (lab / K).write_text((lab / K).read_text().replace("2.2.9", "2.3.0"))
    assert len(checked(lab, fix=True).fixed) == 1
    before = (lab / "docs/reader.md").read_bytes()
    assert checked(lab, fix=True).fixed == ()
    assert (lab / "docs/reader.md").read_bytes() == before


def test_fixing_keeps_line_ends_encoding_mark_and_mode(lab: Path) -> None:
    text = f"\ufeff# Größe 🐒\r\n\r\nmixed\nends `1.0`{FACT} é\r\n**0.1**{FACT}\r\n"
    file = lab / "docs/windows.md"
    file.write_bytes(text.encode())
    os.chmod(file, 0o640)
    checked(lab, fix=True)
    assert file.read_bytes() == text.replace("1.0", "2.2.9").replace("0.1", "2.2.9").encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("`1.2.3`", "1.2.3"),
        ("`` 1`2 ``", "1`2"),
        ("**1.2.3**", "1.2.3"),
        ("_1.2.3_", "1.2.3"),
        ("**`1.2.3`**", "1.2.3"),
        ("[1.2.3](https://example.org)", "1.2.3"),
        ("[`1.2.3`](page.md)", "1.2.3"),
        ("[[reader|1.2.3]]", "1.2.3"),
        ("| 1.2.3", "1.2.3"),
        ("version 1.2.3", "1.2.3"),
        ("in 1.2.3,", "1.2.3"),
        ("`a` and `1.2.3`  ", "1.2.3"),
    ],
)
def test_what_stands_before_the_comment_is_bound(written: str, value: str) -> None:
    problems: list = []
    text = f"Word {written}{FACT} and more.\n"
    (fact,) = find(Page("p.md", text), problems)
    assert (fact.value, text[fact.start : fact.end], problems) == (value, value, [])


@pytest.mark.parametrize(
    "text",
    [
        f"`{FACT}`",
        f"```\n1.2.3{FACT}\n```",
        f"    1.2.3{FACT}\n",
        f"---\ntitle: 1.2.3{FACT}\n---\n",
        "`1`<!-- a fact: none of this -->",
    ],
)
def test_what_is_code_or_another_comment_is_no_fact(text: str) -> None:
    problems: list = []
    assert list(find(Page("p.md", text), problems)) == []
    assert problems == []


def test_a_fact_without_a_value_says_where_to_put_it(lab: Path) -> None:
    page(lab, f"# A\n\n{FACT} 2.2.9\n")
    assert problems(lab) == [
        "docs/page.md:3:1: no value stands before this fact | "
        "hint: put the comment right behind the value: `1.2.3`<!-- fact: FILE#WAY -->"
    ]


def test_a_value_that_would_break_the_page_is_not_written(lab: Path) -> None:
    (lab / "a.yaml").write_text("v: 'a `tick` | and <b>'\nmany: |\n  one\n  two\n")
    page(lab, "`x`<!-- fact: a.yaml#v --> **x**<!-- fact: a.yaml#v --> `x`<!-- fact: a.yaml#many -->\n")
    before = (lab / "docs/page.md").read_text()
    assert checked(lab, fix=True).fixed == ()
    assert len(problems(lab)) == 3
    assert (lab / "docs/page.md").read_text() == before


def test_readers_do_not_see_the_comments() -> None:
    text = "a `1`<!-- fact: x.yaml#a --> b 2<!-- fact: x.yaml#b -->\n<!-- kept -->\n`<!-- fact: y -->`\n"
    assert strip(text) == 'a `1`{ title="x.yaml#a" } b 2\n<!-- kept -->\n`<!-- fact: y -->`\n'
    assert strip(text, titles=False) == "a `1` b 2\n<!-- kept -->\n`<!-- fact: y -->`\n"
    assert strip("no facts") == "no facts"


def test_a_line_can_say_that_it_states_no_fact(lab: Path) -> None:
    page(lab, "See `apps/none/x.yaml`. <!-- fact: none, because it is an example -->\n")
    assert problems(lab) == []
    page(lab, "See `apps/none/x.yaml`.\n")
    assert problems(lab) != []

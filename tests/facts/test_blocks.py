"""A generated block shows what the repository has; the columns that people wrote stay with their rows."""

from __future__ import annotations

from pathlib import Path

from blumeops.facts import blocks, registers
from blumeops.facts.registers import Register
from tests.facts.conftest import checked, page, problems

TWO = Register(("host", "groups"), (("`oak`", "servers"), ("`yew`", "storage")))


def test_an_empty_block_gets_its_table(lab: Path) -> None:
    made = page(lab, "# H\n\n<!-- blumeops:begin hosts -->\n<!-- blumeops:end -->\n\nEnd.\n")
    assert "block hosts is out of date" in problems(lab)[0]
    assert checked(lab, fix=True).problems == ()
    text = made.read_text()
    assert "| `oak` | `servers` |" in text
    assert text.startswith("# H\n\n<!-- blumeops:begin hosts -->\n")
    assert text.endswith("<!-- blumeops:end -->\n\nEnd.\n")


def test_the_problem_names_the_first_row_that_differs(lab: Path) -> None:
    page(lab, "<!-- blumeops:begin hosts inventory-groups -->\n<!-- blumeops:end -->\n")
    checked(lab, fix=True)
    (lab / "inventory/hosts.yaml").write_text("servers:\n  hosts:\n    oak:\nbackup:\n  hosts:\n    yew:\n")
    (said, *_) = [one for one in problems(lab) if "block" in one]
    assert said.startswith("docs/page.md:1:1: block hosts is out of date: ")
    assert "`| `yew` | `storage` |` should be `| `yew` | `backup` |` (line 6)" in said


def test_a_column_of_the_author_stays_with_its_row() -> None:
    inside = (
        "\n| host | why | groups |\n|---|---|---:|\n| `ash` | gone | x |\n| [[yew]] | quiet | storage |\n\n"
    )
    assert blocks.render(TWO, inside) == (
        "\n| host | why | groups |\n|---|---|---:|\n| `oak` | | servers |\n| [[yew]] | quiet | storage |\n\n"
    )


def test_a_cell_with_the_right_words_keeps_its_marks() -> None:
    inside = (
        "\n| host | groups |\n|---|---|\n| [[oak\\|oak]] | **servers** |\n| `yew` | [storage](s.md) |\n\n"
    )
    assert blocks.render(TWO, inside) == inside


def test_writing_a_block_again_changes_nothing() -> None:
    for maker in (TWO, "Some **Markdown**\n"):
        once = blocks.render(maker)
        assert blocks.render(maker, once) == once


def test_a_pipe_in_a_value_stays_in_its_cell() -> None:
    made = Register(("task", "runs"), (("`a`", "`x | y`"),))
    once = blocks.render(made)
    assert "`x \\| y`" in once
    assert blocks.render(made, once) == once


def test_a_block_that_is_not_whole_is_a_problem(lab: Path) -> None:
    page(lab, "<!-- blumeops:begin hosts -->\n\n<!-- blumeops:begin roles -->\n", "docs/a.md")
    page(lab, "<!-- blumeops:end -->\n", "docs/b.md")
    page(lab, "<!-- blumeops:begin host -->\n<!-- blumeops:end -->\n", "docs/c.md")
    page(lab, "```\n<!-- blumeops:begin hosts -->\n```\n`<!-- blumeops:begin hosts -->`\n", "docs/d.md")
    assert problems(lab) == [
        "docs/a.md:1:1: this block has no end | hint: add <!-- blumeops:end -->",
        "docs/a.md:3:1: a block begins inside of another | hint: end that one first",
        "docs/b.md:1:1: no block begins before this end",
        "docs/c.md:1:1: there is no register 'host' | hint: did you mean hosts?",
    ]


def test_a_value_that_is_bound_inside_of_a_block_survives_it(lab: Path) -> None:
    row = "| `oak` | 1<!-- fact: inventory/hosts.yaml#servers.hosts.oak.metrics_port --> |"
    page(
        lab, f"<!-- blumeops:begin hosts -->\n\n| host | port |\n|---|---|\n{row}\n\n<!-- blumeops:end -->\n"
    )
    assert len(checked(lab, fix=True).fixed) == 2
    text = (lab / "docs/page.md").read_text()
    assert "| `oak` | 9100<!-- fact: inventory" in text
    assert "| `yew` | |" in text
    assert problems(lab) == []


def test_every_register_is_a_table_of_our_own_homelab() -> None:
    root = Path(__file__).resolve().parents[2]
    for name in registers.REGISTERS:
        made = registers.made(name, root)
        assert isinstance(made, str) or (made.rows and {len(row) for row in made.rows} == {len(made.columns)})

"""Sections: every line of a file once, in order, in pieces that can be read alone."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from blumeops.context import code, desired, sections, tokens
from blumeops.context.model import Kind, Section
from blumeops.site import prose, vault

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(file.relative_to(ROOT).as_posix() for file in (ROOT / "docs").rglob("*.md"))


def _of(text: str, path: str = "docs/x.md") -> tuple[Section, ...]:
    return sections.of_page(vault.page(path.removeprefix("docs/"), path, text), Kind.PAGE)


def _stands_in_the_source(found: tuple[Section, ...], text: str) -> None:
    lines = text.split("\n")
    for one in found:
        assert one.text == "\n".join(lines[one.line - 1 : one.last])
        assert one.tokens == tokens.count(one.text)
    for before, after in pairwise(found):
        assert before.last < after.line


@pytest.mark.parametrize("path", PAGES)
def test_every_line_with_words_of_a_page_stands_in_exactly_one_section(path: str) -> None:
    text = (ROOT / path).read_text()
    found = _of(text, path)
    _stands_in_the_source(found, text)
    covered = {line for one in found for line in range(one.line, one.last + 1)}
    said = {number for number, line in enumerate(text.split("\n"), 1) if line.strip()}
    assert said <= covered


@pytest.mark.parametrize("path", PAGES)
def test_no_fence_and_no_table_of_a_page_is_torn(path: str) -> None:
    text = (ROOT / path).read_text()
    lines = text.split("\n")
    borders = {one.line for one in _of(text, path)}
    for fence in prose.fences(text):
        assert not borders.intersection(range(fence.first + 2, (fence.last or 0) + 2))
    for number in range(1, len(lines)):
        if lines[number].startswith("|") and lines[number - 1].startswith("|"):
            assert number + 1 not in borders


def test_a_section_knows_its_way_down_and_its_anchor() -> None:
    found = _of("---\ntitle: T\n---\n# T\n\nTop.\n\n## One\n\na\n\n### Deep `x`\n\nb\n\n## Two\n\nc\n")
    assert [(one.line, one.headings, one.anchor) for one in found] == [
        (1, ("front matter",), ""),
        (4, (), ""),
        (8, ("One",), "one"),
        (12, ("One", "Deep x"), "deep-x"),
        (16, ("Two",), "two"),
    ]


def test_a_second_heading_of_one_name_has_the_anchor_of_the_site() -> None:
    assert [one.anchor for one in _of("## Port\n\na\n\n## Port\n\nb\n")] == ["port", "port_1"]


def test_a_long_section_is_cut_between_paragraphs() -> None:
    paragraphs = [f"Paragraph {number}. " + "word " * 90 for number in range(20)]
    text = "# T\n\n" + "\n\n".join(paragraphs) + "\n"
    found = _of(text)
    _stands_in_the_source(found, text)
    assert len(found) > 3
    assert all(one.tokens <= sections.MAX_TOKENS for one in found)
    assert all(one.text.startswith(("Paragraph", "# T")) for one in found)


def test_d7_a_fence_without_end_and_a_line_of_a_megabyte_are_bounded() -> None:
    found = _of("# T\n\n```\n" + "x = 1\n" * 40_000 + "\n## Not a heading\n" + "y" * 1_000_000)
    assert all(len(one.text) <= sections.MAX_CHARACTERS for one in found)
    assert all(one.anchor == "" for one in found)


def test_random_pages_are_covered_and_in_order() -> None:
    dice = random.Random(6)
    parts = (
        "# A\n",
        "## B\n",
        "word " * 120 + "\n",
        "```\n# no\n```\n",
        "| a |\n|---|\n| 1 |\n",
        "\n",
        "- x\n\n  y\n",
        "> q\n",
    )
    for _ in range(60):
        text = "".join(dice.choice(parts) + "\n" * dice.randint(0, 1) for _ in range(30))
        found = _of(text)
        _stands_in_the_source(found, text)
        covered = {line for one in found for line in range(one.line, one.last + 1)}
        assert {n for n, line in enumerate(text.split("\n"), 1) if line.strip()} <= covered


def test_each_rule_of_a_policy_stands_with_its_comment() -> None:
    path = "homelab/pulumi/policy.hujson"
    text = (ROOT / path).read_text()
    found = desired.of_file(path, text)
    _stands_in_the_source(found, text)
    rules = [one for one in found if one.headings == ("acls",)]
    assert len(rules) == text[: text.index('"ssh"')].count('"action"')
    family = next(one for one in rules if "group:family" in one.text)
    assert "The family uses the services" in family.text
    assert family.text.count('"action"') == 1


def test_every_file_of_the_desired_state_is_covered() -> None:
    for file in sorted((ROOT / "homelab").rglob("*.yaml")):
        text = file.read_text()
        path = file.relative_to(ROOT).as_posix()
        _stands_in_the_source(found := desired.of_file(path, text), text)
        assert found, path


def test_a_manifest_of_a_secret_is_left_out() -> None:
    text = (
        "kind: Service\nmetadata:\n  name: a\n---\nkind: Secret\nmetadata:\n  name: b\nstringData:\n  x: y\n"
    )
    assert ["Service a" in str(one) for one in desired.of_file("k8s/a.yaml", text)] == [True]


def test_code_keeps_what_is_said_of_what_is_public() -> None:
    public = 'def open() -> int:\n    """Opens."""'
    text = f'"""A module."""\n\n{public}\n    return 1\n\ndef _no() -> None:\n    """No."""\n'
    found = code.of_module("blumeops/x.py", text)
    assert [one.text for one in found] == ['"""A module."""', public]
    assert found[1].headings == ("open",)


def test_a_comment_stands_with_the_line_of_which_it_speaks() -> None:
    text = (
        "def wait():\n    # headscale sends a change late,\n    # so the first look may see the old one.\n"
        "    look()  # at the end of a line it is no section\n    #: short\n    again()\n"
    )
    (found,) = code.of_module("blumeops/x.py", text)
    assert (found.line, found.last, found.headings) == (2, 4, ("wait",))
    assert "sends a change late" in found.text and "look()" in found.text


def test_code_that_cannot_be_parsed_says_nothing() -> None:
    assert code.of_module("blumeops/x.py", "def (") == ()

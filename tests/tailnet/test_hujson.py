"""HuJSON: read as Tailscale reads it, with places, and stricter where a reader would be misled."""

import json
from pathlib import Path

import pytest

from blumeops.errors import BadInput
from blumeops.tailnet import hujson

CASES = Path(__file__).parent / "cases"
HOMELAB = Path(__file__).parents[2] / "homelab" / "pulumi" / "policy.hujson"
# What Tailscale's own library says to each text: tailscale/hujson at b80ff77dac4f.
TRANSCRIPT = [json.loads(line) for line in (CASES / "hujson-transcript.jsonl").read_text().splitlines()]


def refusal(text: str | bytes) -> BadInput:
    with pytest.raises(BadInput) as refused:
        hujson.loads(text)
    return refused.value


@pytest.mark.parametrize("case", TRANSCRIPT, ids=range(len(TRANSCRIPT)))
def test_the_layout_and_the_errors_are_those_of_tailscales_library(case) -> None:
    try:
        answer = {"format": hujson.format(case["text"])}
    except BadInput as refused:
        problem = refused.problems[0]
        answer = {"error": f"hujson: line {problem.line}, column {problem.column}: {problem.what}"}
    assert {"text": case["text"], **answer} == case


@pytest.mark.parametrize("case", [case for case in TRANSCRIPT if "format" in case])
def test_formatting_twice_changes_nothing_and_loses_no_value(case) -> None:
    assert hujson.format(case["format"]) == case["format"]
    before, after = (hujson.loads(case[form], allow_duplicates=True).value for form in ("text", "format"))
    assert before == after


def test_plain_json_means_what_pythons_own_reader_says() -> None:
    text = '{"a": [1, -2.5e3, "\\u00e9\\n", true, false, null, {}], "b": {"c": []}}'
    assert hujson.loads(text).value == json.loads(text)


def test_every_value_and_key_has_its_place() -> None:
    document = hujson.loads('{\n  "acls": [\n    {"src": ["tag:a", "tag:b"]},\n  ],\n}\n')
    assert document.position(("acls", 0, "src", 1)) == (3, 23)
    assert document.position(("acls", 0)) == (3, 5)
    assert document.key_position(("acls", 0, "src")) == (3, 6)
    assert document.position(()) == (1, 1)
    assert document.position(("acls", 7, "nowhere")) == document.position(("acls",))


def test_columns_count_characters() -> None:
    assert hujson.loads('{"é": "ü", "b": 1}').position(("b",)) == (1, 17)


@pytest.mark.parametrize("depth", range(8))
def test_a_duplicate_key_is_found_at_every_depth_with_both_places(depth) -> None:
    text = '{"in": [' * depth + '\n{"a": 1,\n "a": 2}' + "]}" * depth
    problem = refusal(text).problems[0]
    assert (problem.line, problem.column) == (3, 2)
    assert problem.what == 'duplicate key "a", also at policy.hujson:2:2'


def test_keys_that_are_spelt_differently_are_still_the_same_key() -> None:
    assert "duplicate key" in refusal('{"a": 1, "\\u0061": 2}').what


def test_all_duplicates_are_reported_together_with_a_syntax_error_after_them() -> None:
    problems = refusal('{"a": 1, "a": 2, "a": 3, "b" 4}').problems
    assert [problem.column for problem in problems] == [10, 18, 30]


def test_a_byte_that_is_not_utf8_has_its_place() -> None:
    problem = refusal(b'{\n  "a": "\xc3\xa9\xff"\n}').problems[0]
    assert (problem.line, problem.column) == (2, 10)
    assert "0xff" in problem.what


def test_half_of_a_surrogate_pair_in_a_string_is_not_utf8() -> None:
    assert "not UTF-8" in refusal('{"a": "\ud800"}').what


def test_an_error_shows_the_line_with_a_caret_under_the_place() -> None:
    hint = refusal('{\n\t"a": 1 "b": 2}').hint
    shown, caret = hint.splitlines()[-2:]
    assert shown[caret.index("^") :] == '"b": 2}'


@pytest.mark.parametrize("text", ["[" * 5000, '{"a":' * 5000, "[" * 200 + "]" * 200, "9" * 5000, "[1e999]"])
def test_what_has_no_bound_elsewhere_is_bounded_here(text) -> None:
    assert refusal(text).problems


def test_every_truncated_prefix_of_the_homelab_policy_is_refused_with_a_place_inside_the_text() -> None:
    text = HOMELAB.read_text()
    whole = text.rstrip()
    for end in range(len(whole)):
        prefix = whole[:end]
        for problem in refusal(prefix).problems:
            lines = prefix.split("\n")
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


def test_the_etag_does_not_depend_on_the_layout_but_on_every_word() -> None:
    assert hujson.etag('{"a":[1,2]}') == hujson.etag('{"a" : [1, 2]}\n')
    assert hujson.etag('{"a":[1,2]}') != hujson.etag('{"a":[2,1]}')
    assert hujson.etag("// why\n{}") != hujson.etag("{}")

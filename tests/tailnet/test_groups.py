"""Somebody is put into a group of a policy, and nothing else of the text changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops.errors import BadInput
from blumeops.tailnet import hujson, policy
from blumeops.tailnet.groups import with_member

HERE = Path(__file__).parents[2] / "homelab" / "pulumi" / "policy.hujson"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('["mia@x.y"]', '["mia@x.y", "ana@x.y"]'),
        ("[]", '["ana@x.y"]'),
        ("[ // nobody yet\n]", '["ana@x.y" // nobody yet\n]'),
        ('[\n\t"mia@x.y", // the first\n]', '[\n\t"mia@x.y", "ana@x.y", // the first\n]'),
        ('["a@x.y", /* [ */ "mia@x.y" ]', '["a@x.y", /* [ */ "mia@x.y", "ana@x.y" ]'),
    ],
)
def test_a_member_is_added_behind_the_others_and_every_comment_stays(before: str, after: str) -> None:
    text = '{ // "group:f": ["x"]\n"groups": {"group:e": ["q@x.y"], "group:f": %s}, "acls": []}'
    made = with_member(text % before, "group:f", "ana@x.y")
    assert made == text % after
    assert hujson.loads(made).value["groups"]["group:f"][-1] == "ana@x.y"


def test_the_policy_of_the_homelab_takes_a_member_and_still_passes_its_tests() -> None:
    made = policy.check(with_member(HERE.read_text(), "group:family", "ana@homelab.test"))
    assert made.groups["group:family"] == ("mia@homelab.test", "ana@homelab.test")


def test_a_group_that_is_not_there_is_an_error_with_the_one_that_was_meant() -> None:
    with pytest.raises(BadInput, match="did you mean 'group:family'"):
        with_member(HERE.read_text(), "group:famliy", "ana@homelab.test")


def test_somebody_who_is_in_the_group_already_is_an_error() -> None:
    with pytest.raises(BadInput, match="is in group:family already"):
        with_member(HERE.read_text(), "group:family", "mia@homelab.test")


@pytest.mark.parametrize(
    "value", ['"mia@x.y"', "null", '{"mia@x.y": true}', '[["mia@x.y"]]', '["mia@x.y", 7]']
)
def test_a_group_that_is_no_list_of_names_is_an_error_with_its_place(value: str) -> None:
    with pytest.raises(BadInput, match=r"policy\.hujson:2:12: group:f must be a list of strings"):
        with_member('{"groups": {\n"group:f": ' + value + "}}", "group:f", "ana@x.y")


@pytest.mark.parametrize("text", ["[]", '"group:f"', "null", '{"groups": ["group:f"]}', '{"groups": null}'])
def test_a_policy_without_an_object_of_groups_has_none(text: str) -> None:
    with pytest.raises(BadInput, match="there is no group 'group:f'"):
        with_member(text, "group:f", "ana@x.y")

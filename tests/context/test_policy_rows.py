"""The parts of a policy: each with its lines, and none made up from what has no such shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops.context import policy_rows


def test_each_part_has_its_lines_and_its_names(tmp_path: Path) -> None:
    file = tmp_path / "policy.hujson"
    file.write_text(
        '{\n"groups": {"group:family": ["mia@example.com"]},\n"acls": [\n'
        '{"action": "accept",\n "src": ["group:family"], "dst": ["tag:nas:80,443"]},\n],\n}\n'
    )
    assert [*policy_rows.read(file, "policy.hujson")] == [
        policy_rows.Part("groups", 2, 2, ("group:family",)),
        policy_rows.Part("acls rule", 4, 5, ("tag:nas", "group:family")),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"groups": ["group:family"]}',
        '{"groups": 5, "tagOwners": "tag:nas", "hosts": true}',
        '{"acls": 5}',
        '{"acls": {"0": {"src": ["*"]}}}',
        '{"acls": ["accept", 5, null]}',
        "[]",
    ],
)
def test_what_is_not_of_the_shape_of_a_policy_is_no_part(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.hujson"
    file.write_text(text)
    assert [*policy_rows.read(file, "policy.hujson")] == []


def test_a_rule_whose_ends_are_no_lists_is_about_nothing(tmp_path: Path) -> None:
    file = tmp_path / "policy.hujson"
    file.write_text('{"acls": [{"action": "accept", "src": 5, "dst": "tag:nas:80", "users": [5, null]}]}')
    assert [*policy_rows.read(file, "policy.hujson")] == [policy_rows.Part("acls rule", 1, 1, ())]

"""The answers of Tailscale's control plane: recorded from the real one, and given here word for word."""

import json
import random
import re
from pathlib import Path

import pytest

from blumeops.tailnet.access import Node, Topology
from blumeops.tailnet.verdict import verdict

ROOT = Path(__file__).parents[2]
HOMELAB = ROOT / "homelab" / "pulumi" / "policy.hujson"
RECORDED = ROOT.parent / "shared" / "tailscale" / "policy-vectors.jsonl"
NOBODY = Topology((), ())
CASES = sorted((Path(__file__).parent / "cases").glob("*.hujson"))
OURS_ALONE = {"a-duplicate-key-is-named-with-both-places", "a-name-is-what-it-looks-like"}

# Where we knowingly differ from the recording. It must not grow, and what becomes right must leave it.
DISAGREEMENTS = {
    # The domain in the recorded message was blanked out when it was published; we name `EXAMPLE.COM`.
    "ssh-e1",
}


def _vectors() -> list:
    if not RECORDED.exists():
        missing = pytest.mark.skip(reason="the recorded verdicts are not part of this repository")
        return [pytest.param(None, marks=missing, id="absent")]
    lines = map(json.loads, RECORDED.read_text().splitlines())
    return [pytest.param(vector, id=vector["id"]) for vector in lines]


def _topology(recorded: dict) -> Topology:
    logins = {user["name"]: user["email"] for user in recorded["users"]}
    nodes = (
        Node(
            node["hostname"], (node["ipv4"], node["ipv6"]), logins.get(node.get("user")), tuple(node["tags"])
        )
        for node in recorded["nodes"].values()
    )
    return Topology(tuple(login for login in logins.values() if login), tuple(nodes))


@pytest.mark.parametrize("vector", _vectors())
def test_the_answer_is_the_control_planes(vector) -> None:
    policy = vector["policy"]
    answer = verdict(policy if isinstance(policy, str) else json.dumps(policy), _topology(vector["topology"]))
    message = answer.body["message"] if isinstance(answer.body, dict) else None
    same = (answer.status, message) == (vector["code"], (vector["body"] or {}).get("message"))
    assert same == (vector["id"] not in DISAGREEMENTS), (answer, vector["code"], vector["body"])


def test_a_policy_that_is_taken_comes_back_as_it_was_sent() -> None:
    text = HOMELAB.read_text()
    answer = verdict(text, NOBODY)
    assert (answer.status, answer.body) == (200, text)
    assert answer.accepted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"acls": [}', "hujson: line 1, column 11: invalid character '}' at start of value"),
        ('{"nodeVisibility": []}', 'json: unknown field "nodeVisibility"'),
        (
            '{"acls": [{"action": "accept", "src": ["tag:x"], "dst": ["*:*"]}]}',
            'src=tag not found: "tag:x"',
        ),
    ],
)
def test_a_refusal_is_a_message(text, message) -> None:
    answer = verdict(text, NOBODY)
    assert (answer.status, answer.body) == (400, {"message": message})


def test_a_failed_test_lists_its_errors_by_source() -> None:
    text = HOMELAB.read_text().replace('["tag:nas:22,9100"]', '["tag:nas:22"]')
    assert verdict(text, NOBODY).body == {
        "message": "test(s) failed",
        "data": [
            {"user": "tag:homelab", "errors": ['address "tag:nas:9100": want: Accept, got: Drop']},
        ],
    }


def test_duplicate_keys_are_taken_as_the_control_plane_takes_them() -> None:
    """It lets the last one count. Only our own check refuses them."""
    assert verdict('{"acls": [], "acls": []}', NOBODY).accepted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_our_check_refuses_what_the_control_plane_refuses_and_what_would_mislead_a_reader(case) -> None:
    assert verdict(case.read_text(), NOBODY).accepted is (case.stem in OURS_ALONE)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_sent_there_is_an_answer(seed) -> None:
    chance = random.Random(seed)
    tokens = re.findall(r'"[^"\n]*"|[^"\s]|\s+', HOMELAB.read_text())
    for _ in range(60):
        damaged = list(tokens)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(damaged))
            damaged[at] = chance.choice(
                ["", "null", "{}", "[]", "1", '"*"', '"::1"', '"@"', '""', '":"', "[[[["]
            )
        answer = verdict("".join(damaged), NOBODY)
        assert answer.accepted or answer.body["message"]

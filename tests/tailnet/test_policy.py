"""The policy's own checks: a case file is named after the rule it breaks, and says what must be reported."""

import random
import re
from pathlib import Path

import pytest

from blumeops.errors import BadInput
from blumeops.tailnet import hujson, policy, shape

CASES = sorted((Path(__file__).parent / "cases").glob("*.hujson"))
HOMELAB = Path(__file__).parents[2] / "homelab" / "pulumi" / "policy.hujson"
EXPECTED = re.compile(r"^// (\d+):(\d+): (.*)$", re.MULTILINE)
HINT = re.compile(r"^//   hint: (.*)$", re.MULTILINE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_broken_rule_is_reported_with_its_place(case) -> None:
    text, _, expected = case.read_text().partition("// expected:\n")
    with pytest.raises(BadInput) as refused:
        policy.check(text, case.name)
    found = [(str(p.line), str(p.column), p.what) for p in refused.value.problems]
    assert found == EXPECTED.findall(expected)
    hints = [p.hint for p in refused.value.problems if p.hint and "\n" not in p.hint]
    assert hints == HINT.findall(expected)


def test_a_place_reads_as_editors_understand_it() -> None:
    with pytest.raises(BadInput) as refused:
        policy.check('{"tests": [{"src": "tag:a"}]}', "homelab/pulumi/policy.hujson")
    assert str(refused.value).startswith(
        "homelab/pulumi/policy.hujson:1:12: the test asserts nothing\nhint: "
    )


def test_the_homelabs_policy_passes_its_own_tests() -> None:
    checked = policy.check(HOMELAB.read_text(), str(HOMELAB))
    assert checked.tests and checked.ssh_tests
    assert policy.lint(checked) == ()


def test_the_homelabs_policy_is_in_tailscales_own_layout() -> None:
    """So an edit in the admin console, which formats, shows up as the lines that changed and no more."""
    assert hujson.format(HOMELAB.read_text()) == HOMELAB.read_text()


def test_no_rule_of_the_homelabs_policy_can_be_dropped_unnoticed() -> None:
    """Each rule is needed by a test: without it, the policy fails its own tests."""
    text = HOMELAB.read_text()
    rules = text[text.index('"acls"') : text.index('"tests"')]
    found = re.findall(r"\t\t\{\n(?:\t\t\t.*\n)+\t\t\},\n", rules)
    assert len(found) == 5
    for rule in found:
        with pytest.raises(BadInput, match="test failed"):
            policy.check(text.replace(rule, ""))


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ('["tag:homelab:80,443"]', '["tag:homelab:22,80,443"]'),
        ('["tag:homelab:80,443"]', '["tag:homelab:80,443", "tag:nas:443"]'),
        ('["tag:nas:22,9100"]', '["tag:nas:*"]'),
        ('["tag:nas:22"]', '["tag:nas:22,9100"]'),
        ('["autogroup:nonroot"]', '["autogroup:nonroot", "root"]'),
        ('"src":    ["tag:homelab"]', '"src":    ["*"]'),
    ],
)
def test_a_rule_of_the_homelabs_policy_that_opens_more_fails_a_test(narrow, wide) -> None:
    text = HOMELAB.read_text()
    assert narrow in text
    with pytest.raises(BadInput, match="test failed"):
        policy.check(text.replace(narrow, wide, 1))


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_policy_is_refused_or_read_but_never_breaks_the_reader(seed) -> None:
    """Words taken out, doubled, swapped and spoiled anywhere in the homelab's policy."""
    chance = random.Random(seed)
    tokens = re.findall(r'"[^"\n]*"|[^"\s]|\s+', HOMELAB.read_text())
    for _ in range(60):
        damaged = list(tokens)
        for _ in range(chance.randint(1, 3)):
            at, other = chance.randrange(len(damaged)), chance.randrange(len(damaged))
            damaged[at] = chance.choice(
                [
                    "",
                    damaged[other],
                    '"tag:x:1-"',
                    "null",
                    "{}",
                    "[]",
                    "1",
                    '"*"',
                    '"::1"',
                    '"@"',
                    '""',
                    '":"',
                ]
            )
        text = "".join(damaged)
        try:
            policy.check(text)
        except BadInput as refused:
            last = text.count("\n") + 1
            assert all(1 <= problem.line <= last for problem in refused.problems)


@pytest.mark.parametrize(
    "text", ["[]", "null", "1", '"acls"', '{"acls": 1}', '{"acls": [1]}', '{"groups": {"a": 1}}']
)
def test_a_policy_of_another_shape_is_refused(text) -> None:
    with pytest.raises(BadInput):
        policy.check(text)


@pytest.mark.parametrize("text", ["[]", "null", '{"acls": 1}', '{"acls": [1]}', '{"hosts": ["a"]}'])
def test_a_policy_whose_shape_nobody_looked_at_is_never_read_as_an_empty_one(text) -> None:
    """An empty policy opens everything, and no test of it could fail."""
    with pytest.raises(TypeError, match="not a"):
        shape.policy(hujson.loads(text))


def test_field_names_match_without_regard_to_case_and_null_is_nothing() -> None:
    """Older policies write `ACLs`, with `Users` and `Ports`."""
    text = '{"ACLs": [{"Action": "accept", "Users": ["*"], "Ports": ["*:22"]}], "Tests": null, "ssh": null}'
    (acl,) = policy.check(text).acls
    assert (acl.src, acl.dst) == (("*",), ("*:22",))


def test_a_policy_without_rules_is_open_and_one_with_an_empty_list_is_closed() -> None:
    assert policy.check("{}").open_to_all
    assert not policy.check('{"acls": []}').open_to_all

"""A Tailscale policy: read it, find what is wrong with it, run its own tests.

`check` is what has to pass before a policy is sent anywhere. The control plane runs the same checks, but only
when it is asked, and it answers with one message and no line.
"""

from __future__ import annotations

from blumeops.errors import BadInput, Problem
from blumeops.tailnet import assertions, hujson, shape, validity
from blumeops.tailnet.model import Policy
from blumeops.tailnet.reach import Topology
from blumeops.tailnet.shape import Finding

__all__ = ["Policy", "check", "lint", "load"]


def load(text: str | bytes, path: str = hujson.DEFAULT_PATH) -> Policy:
    """Read a policy. Raises `BadInput` when it is no HuJSON, or a field is unknown or of the wrong type."""
    document = hujson.loads(text, path)
    if problems := [_problem(document, finding) for finding in shape.findings(document)]:
        raise BadInput(problems)
    return shape.policy(document)


def lint(policy: Policy) -> tuple[Problem, ...]:
    """Everything that is wrong with the words of a policy, in the order of its lines."""
    return _sorted(_words(policy) + _test_words(policy))


def check(text: str | bytes, path: str = hujson.DEFAULT_PATH, *, topology: Topology | None = None) -> Policy:
    """Read, lint and test a policy; without a topology the tests run with one device a person and a tag.

    Raises `BadInput` with every problem and every failed test. Tests only run when all rules can be read.
    """
    policy = load(text, path)
    problems = _words(policy)
    if not problems:
        for failure in assertions.failures(policy, topology or Topology((), ())):
            problems.append(Problem(f"test failed: {failure}", path, *policy.position(failure.at)))
    if problems := problems + _test_words(policy):
        raise BadInput(_sorted(problems))
    return policy


def _words(policy: Policy) -> list[Problem]:
    return [_problem(policy.document, finding) for finding in validity.findings(policy)]


def _test_words(policy: Policy) -> list[Problem]:
    return [_problem(policy.document, finding) for finding in assertions.faults(policy)]


def _sorted(problems: list[Problem]) -> tuple[Problem, ...]:
    """Each problem once, in the order of the lines."""
    return tuple(sorted(set(problems), key=lambda problem: (problem.line, problem.column, problem.what)))


def _problem(document: hujson.Document, finding: Finding) -> Problem:
    place = document.key_position(finding.at) if finding.on_key else document.position(finding.at)
    return Problem(finding.what, document.path, *place, finding.hint)

"""Errors: what, where, and what to do now; and the exit code that a script can rely on."""

from __future__ import annotations

import inspect
import re
from itertools import product

import pytest

from blumeops import errors
from blumeops.errors import BadInput, BlumeOpsError, Problem

CODES = {"StalePlan": 3, "Locked": 3, "Unreachable": 4, "Unmet": 5, "Interrupted": 130}
KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BlumeOpsError)]


def made(kind: type[BlumeOpsError], *, where: str = "", hint: str = "") -> BlumeOpsError:
    if kind is BadInput:
        return BadInput([Problem("it broke", where or "file", hint=hint)])
    return kind("it broke", where=where, hint=hint)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_the_exit_code_of_the_design(kind: type[BlumeOpsError]) -> None:
    assert kind.exit_code == CODES.get(kind.__name__, 2)
    assert kind.exit_code not in (0, 1), "an error is neither health nor a change"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_says_what_where_and_hint(kind: type[BlumeOpsError]) -> None:
    for where, hint in product(("", "a/file.toml:3"), ("", "do this")):
        error = made(kind, where=where, hint=hint)
        lines = str(error).splitlines()
        assert lines[0] == (f"{error.where}: it broke" if error.where else "it broke")
        assert lines[1:] == ([f"hint: {hint}"] if hint else [])
        assert (error.what, error.hint) == ("it broke", hint)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__
    drawn = set(re.findall(r"── (\w+)", errors.__doc__)) | {"BlumeOpsError"}
    assert drawn == {kind.__name__ for kind in KINDS}


def test_all_problems_of_a_file_are_said_at_once_with_their_places() -> None:
    error = BadInput(
        [
            Problem("first", "policy.hujson", 3, 14, "try tag:nas"),
            Problem("second", "policy.hujson", 9),
            Problem("third", "policy.hujson"),
        ]
    )
    assert str(error).splitlines() == [
        "policy.hujson:3:14: first",
        "hint: try tag:nas",
        "policy.hujson:9: second",
        "policy.hujson: third",
    ]
    assert (error.what, error.where, error.hint) == ("first", "policy.hujson:3:14", "try tag:nas")


def test_bad_input_without_a_problem_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="at least one"):
        BadInput([])

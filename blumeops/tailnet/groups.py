"""Who is in a group of the policy: put somebody in, and leave every comment and blank where it is."""

from __future__ import annotations

import difflib
import json

from blumeops.errors import BadInput, Problem
from blumeops.tailnet import hujson
from blumeops.tailnet.syntax import Node, Parser


def with_member(text: str, group: str, login: str, path: str = hujson.DEFAULT_PATH) -> str:
    """The policy with one more member of a group, behind the others.

    Raises `BadInput` when there is no such group, or the person is in it already.
    """
    groups = hujson.loads(text, path).value.get("groups") or {}
    if group not in groups:
        near = difflib.get_close_matches(group, groups, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"groups: {', '.join(groups) or 'none'}"
        raise BadInput([Problem(f"there is no group {group!r}", path, hint=hint)])
    if login in groups[group]:
        raise BadInput([Problem(f"{login} is in {group} already", path)])
    array = _member(_member(Parser(text).parse(), "groups"), group)
    if array.value.elements:
        last = array.value.elements[-1]
        at, comma = last.start + len(last.value.raw), ", "
    else:
        at, comma = array.start + 1, ""
    return f"{text[:at]}{comma}{json.dumps(login)}{text[at:]}"


def _member(node: Node, name: str) -> Node:
    return next(value for key, value in node.value.members if key.value.meaning == name)

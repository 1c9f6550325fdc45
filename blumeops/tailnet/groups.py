"""Who is in a group of the policy: put somebody in, and leave every comment and blank where it is."""

from __future__ import annotations

import difflib
import json

from blumeops.errors import BadInput, Problem
from blumeops.tailnet import hujson
from blumeops.tailnet.syntax import Array, Literal, Node, Object, Parser


def with_member(text: str, group: str, login: str, path: str = hujson.DEFAULT_PATH) -> str:
    """The policy with one more member of a group, behind the others.

    Raises `BadInput` when there is no such group, it is no list of names, or the person is in it already.
    """
    document = hujson.loads(text, path)
    groups = _members(_members(Parser(text).parse()).get("groups"))
    if group not in groups:
        near = difflib.get_close_matches(group, groups, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"groups: {', '.join(groups) or 'none'}"
        raise BadInput([Problem(f"there is no group {group!r}", path, hint=hint)])
    names = _names(groups[group])
    if names is None:
        place = document.position(("groups", group))
        raise BadInput([Problem(f"{group} must be a list of strings", path, *place)])
    if login in [name.meaning for _, name in names]:
        raise BadInput([Problem(f"{login} is in {group} already", path)])
    if names:
        start, last = names[-1]
        at, comma = start + len(last.raw), ", "
    else:
        at, comma = groups[group].start + 1, ""
    return f"{text[:at]}{comma}{json.dumps(login)}{text[at:]}"


def _members(node: Node | None) -> dict[str, Node]:
    """The members of an object by their names; none when it is no object."""
    members = node.value.members if node and isinstance(node.value, Object) else ()
    return {str(name.value.meaning): value for name, value in members if isinstance(name.value, Literal)}


def _names(node: Node) -> list[tuple[int, Literal]] | None:
    """The strings of a list, each with its offset; None when it is no list, or something else is in it."""
    if not isinstance(node.value, Array):
        return None
    names: list[tuple[int, Literal]] = []
    for element in node.value.elements:
        if not isinstance(element.value, Literal) or not isinstance(element.value.meaning, str):
            return None
        names.append((element.start, element.value))
    return names

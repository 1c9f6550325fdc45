"""The shape of a policy: which fields there are and what type each has, and the values that it holds.

Unknown fields are refused, as Tailscale does: a misspelt `test` would silently assert nothing. Field names
match without regard to case, as Go's decoder does: older policies write `ACLs`. null means "not there".
Source: Tailscale's policy reference.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from blumeops.tailnet.hujson import Document, Plain, Pointer
from blumeops.tailnet.model import Acl, Grant, Names, NodeAttr, Policy, SshRule, SshTest, Test


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in one place. `answer` is the control plane's own message, empty if it says nothing."""

    at: Pointer
    what: str
    answer: str = ""
    hint: str = ""
    status: int = 400
    on_key: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value has to be: a JSON type, what its elements or members are, or which fields it has."""

    type: type
    name: str
    each: Shape | None = None
    fields: Mapping[str, Shape] = field(default_factory=dict)


_ANYTHING = Shape(object, "anything")
_TEXT = Shape(str, "a string")
_FLAG = Shape(bool, "true or false")
_TEXTS = Shape(list, "a list", _TEXT)
_OBJECT = Shape(dict, "an object", _ANYTHING)
_TEXTS_BY_NAME = Shape(dict, "an object", _TEXTS)


def _list_of(**fields: Shape) -> Shape:
    return Shape(list, "a list", Shape(dict, "an object", fields=fields))


_RULE = {"src": _TEXTS, "dst": _TEXTS, "srcPosture": _TEXTS}
POLICY = Shape(
    dict,
    "an object",
    fields={
        "groups": _TEXTS_BY_NAME,
        "tagOwners": _TEXTS_BY_NAME,
        "hosts": Shape(dict, "an object", _TEXT),
        "acls": _list_of(**_RULE, action=_TEXT, proto=_TEXT, users=_TEXTS, ports=_TEXTS),
        "grants": _list_of(**_RULE, ip=_TEXTS, app=_OBJECT, via=_TEXTS),
        "ssh": _list_of(
            **_RULE,
            action=_TEXT,
            users=_TEXTS,
            checkPeriod=_TEXT,
            acceptEnv=_TEXTS,
            recorder=_TEXTS,
            enforceRecorder=_FLAG,
        ),
        "tests": _list_of(
            src=_TEXT,
            user=_TEXT,
            proto=_TEXT,
            accept=_TEXTS,
            allow=_TEXTS,
            deny=_TEXTS,
            srcPostureAttrs=_OBJECT,
        ),
        "sshTests": _list_of(
            src=_TEXT, dst=_TEXTS, accept=_TEXTS, check=_TEXTS, deny=_TEXTS, srcPostureAttrs=_OBJECT
        ),
        "nodeAttrs": _list_of(target=_TEXTS, attr=_TEXTS, app=_OBJECT, ipPool=_TEXTS),
        "autoApprovers": Shape(
            dict,
            "an object",
            fields={"routes": _TEXTS_BY_NAME, "exitNode": _TEXTS, "services": _TEXTS_BY_NAME},
        ),
        "ipsets": _TEXTS_BY_NAME,
        "postures": _TEXTS_BY_NAME,
        "defaultSrcPosture": _TEXTS,
        "derpMap": _OBJECT,
        "disableIPv4": _FLAG,
        "OneCGNATRoute": _TEXT,
        "randomizeClientPort": _FLAG,
    },
)


def findings(document: Document) -> Iterator[Finding]:
    """Every field that is unknown or holds a value of the wrong type, in the order of the text."""
    return _mismatches(document.value, POLICY, ())


def _mismatches(value: Plain, shape: Shape, at: Pointer) -> Iterator[Finding]:
    if value is None and at:
        return
    if not isinstance(value, shape.type):
        where = ".".join(str(part) for part in at) or "the policy"
        yield Finding(
            at, f"{where} must be {shape.name}", f"json: cannot unmarshal {where}: want {shape.name}"
        )
    elif isinstance(value, list) and shape.each:
        for i, element in enumerate(value):
            yield from _mismatches(element, shape.each, (*at, i))
    elif isinstance(value, dict):
        for key, member in value.items():
            inner = shape.each if shape.each else shape.fields.get(_field(key, shape) or "")
            if inner:
                yield from _mismatches(member, inner, (*at, key))
            else:
                yield _unknown(key, shape, (*at, key))


def _field(key: str, shape: Shape) -> str | None:
    """The proper spelling of a field name."""
    if key in shape.fields:
        return key
    return next((name for name in shape.fields if name.lower() == key.lower()), None)


def _unknown(key: str, shape: Shape, at: Pointer) -> Finding:
    close = difflib.get_close_matches(key, shape.fields, 1)
    hint = f"did you mean {close[0]}?" if close else "known here are " + ", ".join(sorted(shape.fields))
    return Finding(at, f'unknown field "{key}"', f'json: unknown field "{key}"', hint, on_key=True)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a policy of the right shape, read by field name."""

    value: Mapping[str, Plain]
    at: Pointer

    def get(self, *names: str) -> Plain:
        """The first of these fields that is there and not null."""
        for name in names:
            for key, value in self.value.items():
                if key.lower() == name.lower() and value is not None:
                    return value
        return None

    def text(self, *names: str) -> str:
        """A string without blanks around it; empty if it is not there."""
        return str(self.get(*names) or "").strip()

    def texts(self, *names: str) -> Names:
        """A list of strings without blanks around them; empty if it is not there."""
        return tuple(str(text or "").strip() for text in _list(self.get(*names) or []))

    def texts_by_name(self, *names: str) -> dict[str, Names]:
        """An object of lists of strings."""
        found = _object(self.get(*names) or {})
        return {name: Part({name: value}, self.at).texts(name) for name, value in found.items()}

    def parts(self, name: str) -> tuple[Part, ...] | None:
        """A list of objects; None if it is not there."""
        if (found := self.get(name)) is None:
            return None
        key = next(key for key in self.value if key.lower() == name.lower())
        elements = enumerate(_list(found))
        return tuple(Part(_object(element or {}), (*self.at, key, i)) for i, element in elements)


def _object(value: Plain) -> dict[str, Plain]:
    """What `findings` has found to be an object; nothing else is read as an empty one."""
    if not isinstance(value, dict):
        raise TypeError(f"not an object: {value!r}")
    return value


def _list(value: Plain) -> list[Plain]:
    """What `findings` has found to be a list; nothing else is read as an empty one."""
    if not isinstance(value, list):
        raise TypeError(f"not a list: {value!r}")
    return value


def policy(document: Document) -> Policy:
    """The values of a document whose shape is right."""
    top = Part(_object(document.value), ())
    acls, grants = top.parts("acls"), top.parts("grants")
    approvers = Part(_object(top.get("autoApprovers") or {}), ("autoApprovers",))
    return Policy(
        document=document,
        groups=top.texts_by_name("groups"),
        tag_owners=top.texts_by_name("tagOwners"),
        hosts={name: str(address or "") for name, address in _object(top.get("hosts") or {}).items()},
        acls=None if acls is None else tuple(map(_acl, acls)),
        grants=None if grants is None else tuple(map(_grant, grants)),
        ssh=tuple(map(_ssh, top.parts("ssh") or ())),
        tests=tuple(map(_test, top.parts("tests") or ())),
        ssh_tests=tuple(map(_ssh_test, top.parts("sshTests") or ())),
        node_attrs=tuple(NodeAttr(part.at, part.texts("target")) for part in top.parts("nodeAttrs") or ()),
        route_approvers=approvers.texts_by_name("routes"),
        exit_node_approvers=approvers.texts("exitNode"),
    )


def _acl(part: Part) -> Acl:
    src, dst = part.texts("src", "users"), part.texts("dst", "ports")
    return Acl(part.at, part.text("action"), src, dst, part.text("proto"))


def _grant(part: Part) -> Grant:
    app = tuple(_object(part.get("app") or {}))
    return Grant(part.at, part.texts("src"), part.texts("dst"), part.texts("ip"), app, part.texts("via"))


def _ssh(part: Part) -> SshRule:
    src, dst = part.texts("src"), part.texts("dst")
    return SshRule(part.at, part.text("action"), src, dst, part.texts("users"), part.text("checkPeriod"))


def _test(part: Part) -> Test:
    accept, deny = part.texts("accept", "allow"), part.texts("deny")
    return Test(part.at, part.text("src", "user"), part.text("proto"), accept, deny)


def _ssh_test(part: Part) -> SshTest:
    src, dst = part.text("src"), part.texts("dst")
    return SshTest(part.at, src, dst, part.texts("accept"), part.texts("check"), part.texts("deny"))

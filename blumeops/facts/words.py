"""The values of plain text: INI files, `.env`, Dockerfiles, Makefiles, and whatever says `word value`."""

from __future__ import annotations

import re

from blumeops.located import Located


def sections(text: str) -> tuple[Located, ...]:
    """`[section]` and `key = value`, as INI files, units and `.env` have them; the first of a key counts."""
    top: dict[str, Located] = {}
    here = top
    for number, line in enumerate(text.split("\n"), 1):
        words = line.strip()
        if not words or words[0] in "#;":
            continue
        if head := re.fullmatch(r"\[([^\]]+)\]", words):
            here = {}
            top.setdefault(head[1], Located(number, members=here))
        elif found := re.match(r"(?:export\s+)?([\w.-]+)\s*[=:]\s*(.*)", words):
            column = line.index(found[2], line.index(found[1])) + 1 if found[2] else 0
            here.setdefault(found[1], Located(number, column, text=_bare(found[2])))
    return (Located(1, members=top),)


def _bare(value: str) -> str:
    """A value without its quotes, its closing `;` or `,`, and a comment behind it."""
    value = value.strip().rstrip(";,").strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return re.sub(r"\s+#.*$", "", value).strip()


def lines(text: str) -> tuple[Located, ...]:
    """Any other text: what stands behind a line's first word. Several lines of one word make a list.

    `FROM debian:13` is `FROM`, `ARG VERSION=3` is `ARG.VERSION`, `NAME := x` is `NAME`, and a
    Makefile's target is its own name.
    """
    found: dict[str, list[Located]] = {}
    pairs: dict[str, dict[str, Located]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if target := re.match(r"([A-Za-z][\w.-]*)\s*:(?![:=])", line):
            found.setdefault(target[1], []).append(Located(number, 1, text=target[1]))
        elif named := re.match(r"\s*(ARG|ENV|LABEL)\s+([\w.-]+)=(.*)", line):
            pairs.setdefault(named[1], {}).setdefault(named[2], Located(number, text=_bare(named[3])))
        elif word := re.match(r"\s*(?:export\s+)?([A-Za-z_][\w./-]*)\s*(?:[:?+]?=|:|\s)\s*(.*)", line):
            found.setdefault(word[1], []).append(Located(number, text=_bare(word[2])))
    members = {
        key: one[0] if len(one) == 1 else Located(one[0].line, items=tuple(one)) for key, one in found.items()
    }
    members |= {key: Located(1, members=inside) for key, inside in pairs.items()}
    return (Located(1, members=members),)

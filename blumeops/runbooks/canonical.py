"""A runbook as jupytext writes it back: what an editor of notebooks saves when nobody changed anything.

A page that is written like this stays as it is, byte for byte, through the command line of jupytext and
through JupyterLab, so a diff shows what a person did. A test takes every runbook through jupytext itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from blumeops.runbooks.blocks import Block, Page


class _Compact(yaml.SafeDumper):
    """YAML with its lists on one line."""


_Compact.add_representer(
    list,
    lambda dumper, items: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", items, flow_style=not any(isinstance(item, dict) for item in items)
    ),
)
_Compact.add_representer(
    dict, lambda dumper, values: dumper.represent_mapping("tag:yaml.org,2002:map", values, flow_style=False)
)


def canonical(text: str, page: Page) -> str:
    """The same page in the form that stays as it is."""
    return "".join(_pieces(text, page))


def options(block: Block, text: str) -> str:
    """The options of a cell in that form, with the empty line below them."""
    lines = text.split("\n")[block.first : block.line - 1]
    values = _read("\n".join(line.lstrip()[1:] if line.lstrip()[:1] == ":" else line for line in lines))
    if not values:
        return ""
    said = _dump(dict(sorted(values.items())))
    if all(line[:1].isalpha() for line in said.splitlines()):
        return "".join(f":{line}\n" for line in said.splitlines()) + "\n"
    return f"---\n{said}---\n"


def _pieces(text: str, page: Page) -> Iterator[str]:
    lines = text.split("\n")
    if page.front is not None:
        yield f"---\n{_dump(_read(chr(10).join(lines[1 : page.body - 2])))}---\n"
    after = page.body
    for block in page.blocks:
        yield _prose(lines[after - 1 : block.first - 1])
        yield f"\n{_fence(block)}{{code-cell}}{' ' + block.lexer if block.lexer else ''}\n"
        said = options(block, text)
        yield said or ("\n" if block.source.startswith(("---", ":")) else "")
        yield block.source + ("" if block.source.endswith("\n") else "\n")
        yield f"{_fence(block)}\n"
        after = (block.last or len(lines)) + 1
    yield _prose(lines[after - 1 :])


def _prose(lines: list[str]) -> str:
    inside = "\n".join(lines).rstrip().lstrip("\n")
    return f"\n{inside}\n" if inside else ""


def _fence(block: Block) -> str:
    longest = 2
    for line in block.source.splitlines():
        bare = line.lstrip()
        longest = max(longest, len(bare) - len(bare.lstrip("`")))
    return "`" * (longest + 1)


def _read(said: str) -> dict[str, Any]:
    # Values are written as they were read, so this one may make dates and numbers of them.
    values = yaml.safe_load("\n".join(line for line in said.split("\n") if line.strip("- ")))
    return values if isinstance(values, dict) else {}


def _dump(values: dict[str, Any]) -> str:
    return yaml.dump(values, Dumper=_Compact, sort_keys=False, allow_unicode=True) if values else ""

"""Checks Ansible's desired state without any host: YAML, duplicate keys, roles, inventory.

YAML itself accepts a key twice and keeps the last one, and a play that loses half of its settings in silence
is worse than an error, so that is one. All problems of all files are reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from pathlib import Path

import yaml

from blumeops import process
from blumeops.errors import BadInput, Problem
from blumeops.layers import ansible_run
from blumeops.target import Target

SYNTAX_TIMEOUT_SECONDS = 120.0
MOST_NODES = 100_000
"""A file of aliases can unfold into millions of nodes; none of ours has more than a few hundred."""


def files(folder: Path) -> None:
    """Read every YAML file. Raises `BadInput` with each syntax error and each key that stands twice."""
    problems = [problem for path in _paths(folder) for problem in _read(path, folder)]
    if problems:
        raise BadInput(problems)


def syntax(target: Target, folder: Path) -> None:
    """Let Ansible itself read the playbook and the inventory. Raises `BadInput` with what it says."""
    argv = [ansible_run.program("ansible-playbook"), "-i", str(folder / "inventory"), "--syntax-check"]
    env = {**target.environment(), **ansible_run.environment(target), "ANSIBLE_NOCOLOR": "1"}
    env |= {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True"}
    done = process.run([*argv, folder / ansible_run.SITE], env=env, timeout=SYNTAX_TIMEOUT_SECONDS)
    if not done.ok:
        raise BadInput([origin(done.stderr + done.stdout, folder)])


def origin(said: str, folder: Path) -> Problem:
    """Ansible's own error as a problem; it names the place in a line `Origin: PATH:LINE:COLUMN`."""
    lines = [line.removeprefix("[ERROR]:").removeprefix("ERROR!").strip() for line in said.splitlines()]
    what = next(
        (line for line in lines if line and not line.startswith("[WARNING]")), "Ansible gave no reason"
    )
    place = re.search(r"^Origin: (.+?):(\d+)(?::(\d+))?$", said, re.MULTILINE)
    if place is None:
        return Problem(what, _name(folder / ansible_run.SITE, folder))
    path, line, column = place.groups()
    return Problem(what, _name(Path(path), folder), int(line), int(column or 0))


def _paths(folder: Path) -> Iterator[Path]:
    inventory = folder / "inventory"
    yield from (path for path in sorted(folder.rglob("*.y*ml")) if path.suffix in (".yaml", ".yml"))
    if not (folder / ansible_run.SITE).exists():
        raise BadInput([Problem("there is no playbook", _name(folder / ansible_run.SITE, folder))])
    if not inventory.exists():
        raise BadInput([Problem("there is no inventory", _name(inventory, folder))])


def _read(path: Path, folder: Path) -> Iterator[Problem]:
    name = _name(path, folder)
    try:
        document = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        yield Problem(str(error.problem or error.context or "is not YAML"), name, *place)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        yield Problem(f"is not YAML: {error}".splitlines()[0], name)
    else:
        yield from _doubles(document, name)


def _doubles(document: yaml.Node | None, name: str) -> Iterator[Problem]:
    waiting, looked_at = [document] if document else [], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in looked_at:  # an alias: looked at once, however often it is used
            continue
        looked_at.add(id(node))
        if len(looked_at) > MOST_NODES:
            yield Problem(f"has more than {MOST_NODES} nodes", name)
            return
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
            yield from _double_keys(node, name)


def _double_keys(node: yaml.MappingNode, name: str) -> Iterator[Problem]:
    first: dict[Hashable, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            continue
        if key.value in first:
            what = f"the key {key.value!r} stands here twice, first in line {first[key.value]}"
            yield Problem(what, name, line, key.start_mark.column + 1, hint="keep one of the two")
        first.setdefault(key.value, line)


def _name(path: Path, folder: Path) -> str:
    """The path as the user sees it in the repository: `homelab/ansible/…`."""
    base = folder.parent.parent
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)

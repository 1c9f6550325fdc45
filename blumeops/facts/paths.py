"""Paths of the repository that a page names, and that are not there.

Whether a word is a path of *this* repository is inferred: it begins with a folder that stands at the top.
Paths of hosts, of other repositories, of what Git ignores, and patterns with a gap to fill in are not.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blumeops import process
from blumeops.facts.finding import Finding, Tense, tense
from blumeops.facts.page import Page
from blumeops.facts.shell import STAND_IN, Command
from blumeops.facts.tree import GIT_SECONDS, Tree

_REJECT = re.compile(r"[<>{}$\\\s\"'|,;!^=()@%~…]|\.\.\.|://|^/|^-|//")
_CAPITALS = re.compile(
    r"(?:^|[/_.-])(?!README|CHANGELOG|AGENTS|CLAUDE|LICENSE|SECURITY|CONTRIBUTING|TODO|Makefile|NOTICE)[A-Z]{2,}(?:[/_.-]|$)"
)
_MADE_UP = re.compile(
    r"(?:^|[/_.-])(?:foo|bar|baz|example|xxx|my-?(?:app|service|role|host|task|page)|your-\w+)(?:[/_.-]|$)",
    re.I,
)
_LINE = re.compile(r"(?::\d+)+(?:-\d+)?$|::.*$")
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,9}$")


@dataclass(frozen=True, slots=True)
class Dead:
    """A path that is not there: as it was written, and whether it can hardly be anything else than one."""

    path: str
    sure: bool


def dead(tree: Tree, word: str, *, beside: str = "", folder: str = "") -> Dead | None:
    """The path in a word, when it is one of this repository and not there; None when all is well.

    `beside` is the page that says so, `folder` where a command runs: a path may be meant from there.
    """
    if "/" not in word:
        return None
    asked = ("dead", word, beside.rpartition("/")[0], folder)
    if asked not in tree.memo:
        tree.memo[asked] = _dead(tree, word, {"", folder, beside.rpartition("/")[0]})
    return tree.memo[asked]  # type: ignore[return-value]  # by its key it is `_dead`'s


def _dead(tree: Tree, word: str, starts: set[str]) -> Dead | None:
    path = _LINE.sub("", word.partition("#")[0])
    path = path.removeprefix("./")
    if "/" not in path or _REJECT.search(path) or _CAPITALS.search(path) or _MADE_UP.search(path):
        return None
    asked_folder, path = path.endswith("/"), path.rstrip("/")
    if not path or STAND_IN in path:
        return None
    for start in starts:
        if _there(tree, f"{start}/{path}" if start else path):
            return None
    first = path.partition("/")[0]
    has_ending = bool(_ENDING.search(path))
    if first not in tree.tops:
        parent = path.rpartition("/")[0]
        # `playbooks/x.yml` of `ansible/playbooks/`: an end of a path, of a folder that has files of its kind.
        known = has_ending and "*" not in path and not tree.has_tail(path) and _has_like(tree, parent, path)
        return Dead(path, False) if known and first not in (".", "..") else None
    if tree.has_tail(path):
        return None
    sure = has_ending or asked_folder or path.count("/") > 1
    return Dead(path, sure)


def _has_like(tree: Tree, folder: str, path: str) -> bool:
    ending = path.rpartition(".")[2]
    last = folder.rpartition("/")[2]
    folders = [one for one in tree.tails.get(last, ()) if f"/{one}".endswith(f"/{folder}")]
    return len(folders) == 1 and any(
        one.startswith(f"{folders[0]}/")
        and one.endswith(f".{ending}")
        and one.count("/") == folders[0].count("/") + 1
        for one in tree.files
    )


def _there(tree: Tree, path: str) -> bool:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return True  # Out of the repository: not ours to judge.
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    path = "/".join(parts)
    if "*" in path or "?" in path or "[" in path:
        return any(fnmatch.fnmatchcase(one, path) for one in (*tree.files, *tree.folders))
    return not path or tree.has(path)


def check(page: Page, tree: Tree, commands: Iterable[Command]) -> Iterator[tuple[str, Finding]]:
    """Every dead path in the code spans of a page and in its commands, with the path."""
    commands = list(commands)
    made = {_plain(word) for command in commands for word in command.writes}
    for code in page.codes:
        found = dead(tree, code.text.strip(), beside=page.path) if "/" in code.text else None
        if found and not _is_made(found.path, made):
            line, column = page.place(code.start)
            when = tense(page.line(line), page.line(line)[: column - 1])
            if when is not Tense.OTHER:
                yield found.path, _finding(page, tree, found, code.start, when is Tense.PERHAPS)
    for command in commands:
        if (
            not command.pasted
            or command.folder is None
            or command.program in ("ssh", "scp", "rsync", "docker")
        ):
            continue
        for word in _path_words(command):
            found = dead(tree, word, folder=command.folder)
            if found and found.sure and not _is_made(found.path, made):
                yield found.path, _finding(page, tree, found, command.index, False)


def _path_words(command: Command) -> Iterator[str]:
    for word in command.words:
        name, equals, value = word.partition("=")
        word = value if equals and name.startswith("-") else word
        if _ENDING.search(word) or word.startswith("./") or word.endswith("/"):
            yield word.removeprefix("@")


def _is_made(path: str, made: set[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in made)


def _plain(word: str) -> str:
    return word.removeprefix("./").rstrip("/")


def _finding(page: Page, tree: Tree, found: Dead, index: int, perhaps: bool) -> Finding:
    problem = page.problem(f"{found.path} is not in the repository", index, tree.near(found.path))
    return Finding(problem, found.sure and not perhaps)


def ignored(tree: Tree, paths: Iterable[str]) -> frozenset[str]:
    """Those of some paths that Git ignores: they are made by tools, and right to be named."""
    asked = sorted(set(paths))
    if not asked or not tree.ignored_by_git:
        return frozenset()
    found: set[str] = set()
    for start in range(0, len(asked), 500):
        argv = ["git", "check-ignore", "--", *asked[start : start + 500]]
        done = process.run(argv, cwd=tree.root, env=dict(os.environ), timeout=GIT_SECONDS)
        found.update(done.stdout.splitlines())
    return frozenset(found)

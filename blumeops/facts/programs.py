"""Which words of a homelab's commands name something that must exist, program by program."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from blumeops.facts.census import Census
from blumeops.facts.shell import STAND_IN, Command

PLACEHOLDER = re.compile(
    rf"[<>…$*?{{}}\[\]]|\.\.\.|{STAND_IN}|\b(?!README|CHANGELOG|AGENTS)[A-Z]{{2,}}\b"
    r"|^(?:my|your|some|the)-|\b(?:foo|bar|example)\b"
)
_VALUED = {
    "make": {"-C", "-f", "-j", "-l", "-o", "-W"},
    "mise": {"-C", "--cd", "-j", "--jobs", "-E", "--env"},
}
_ENGLISH = {"sure", "sense", "it", "do", "use", "a", "the", "changes", "way"}
"""What stands behind "make" in a sentence."""

_WITHOUT = {"config", "version", "completion", "kustomize", "krew", "plugin", "options", "help", "explain"}
_ARGOCD = {
    "get", "sync", "diff", "set", "unset", "wait", "history", "rollback", "manifests", "logs", "resources",
    "terminate-op", "delete", "actions", "patch", "edit", "get-resource",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a command, and what was likely meant."""

    what: str
    hint: str = ""
    sure: bool = True


NO_CONTEXT = "kubectl names no context"
Law = Callable[[Command, Census], Iterator[Complaint]]


def complaints(command: Command, census: Census) -> Iterator[Complaint]:
    """Everything that a command names and that the repository does not have."""
    law = LAWS.get(command.program)
    if law and command.folder is not None:
        yield from law(command, census)


def unknown(said: str, name: str, known: Iterable[str], kind: str, *, sure: bool = True) -> Complaint:
    """A complaint about a name, with the closest one that is known."""
    near = difflib.get_close_matches(name, list(known), 1)
    return Complaint(f"{said}: no such {kind}", f"did you mean {near[0]}?" if near else "", sure)


def _names(words: Iterable[str], valued: set[str]) -> list[str]:
    """The words that are names: no flags, no values of flags, no assignments."""
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in valued:
            skip = True
        elif not word.startswith(("-", "+")) and "=" not in word:
            kept.append(word)
    return kept


def _mise(command: Command, census: Census) -> Iterator[Complaint]:
    words = list(command.words[1:])
    if words[:1] in (["tasks"], ["task"]) and words[1:2] in (["run"], ["info"], ["edit"]):
        words = words[1:]
    if words[:1] not in (["run"], ["r"], ["info"]) or not census.tasks:
        return
    own = words[1 : words.index("--")] if "--" in words else words[1:]
    names = _names(own, _VALUED["mise"])
    known = {name for task in census.tasks.values() for name in (task.name, *task.names)}
    for name in names[:1]:
        if name not in known and not PLACEHOLDER.search(name) and not name.startswith(("//", ":")):
            yield unknown(f"mise run {name}", name, known, "task")
    task = census.tasks.get(names[0]) if names else None
    if task and "--" in words:
        text = census.tree.text(task.path) if task.run == task.path else task.run
        if "ansible-playbook" in text:
            yield from _ansible_options(words[words.index("--") + 1 :], census)


def _make(command: Command, census: Census) -> Iterator[Complaint]:
    if not census.targets or any(
        word.startswith(("-f", "--file", "-C", "--directory")) for word in command.words
    ):
        return
    for name in _names(command.words[1:], _VALUED["make"]):
        if name in census.targets or PLACEHOLDER.search(name) or "/" in name or "." in name:
            continue
        if command.pasted or (len(command.words) == 2 and name not in _ENGLISH):
            yield unknown(f"make {name}", name, census.targets, "target")


def _just(command: Command, census: Census) -> Iterator[Complaint]:
    names = _names(command.words[1:2], set())
    for name in names if census.recipes else ():
        bare = name.partition("::")[0]
        if bare not in census.recipes and not PLACEHOLDER.search(name):
            yield unknown(f"just {name}", name, census.recipes, "recipe")


def _ansible(command: Command, census: Census) -> Iterator[Complaint]:
    words = command.words[1:]
    books = [
        word for word in words if re.search(r"\.ya?ml$", word) and not word.startswith(("-", "@", "/", "~"))
    ]
    inventories = {words[n + 1] for n, word in enumerate(words[:-1]) if word in ("-i", "--inventory", "-e")}
    for book in books:
        here = f"{command.folder}/{book}" if command.folder else book
        plain = book.removeprefix("./")
        if book in inventories or PLACEHOLDER.search(book) or ".." in book:
            continue
        if not (census.tree.has(here) or census.tree.has(plain) or census.tree.has_tail(plain)):
            yield unknown(f"ansible-playbook {book}", book, census.playbooks, "playbook")
    yield from _ansible_options(words, census)


def _ansible_options(words: Iterable[str], census: Census) -> Iterator[Complaint]:
    words = list(words)
    known = census.ansible_tags
    for n, word in enumerate(words):
        option, equals, value = word.partition("=")
        value = value if equals else words[n + 1] if n + 1 < len(words) else ""
        if PLACEHOLDER.search(value) or not value:
            continue
        if option in ("--tags", "-t", "--skip-tags") and known:
            for tag in value.split(","):
                if tag not in known:
                    yield unknown(f"{option} {tag}", tag, known, "tag in the playbooks and roles")
        elif option in ("--limit", "-l") and census.hosts:
            there = {*census.hosts, *census.groups, "all", "localhost"}
            for name in re.split(r"[,:]", value):
                name = name.lstrip("!&")
                if name and name not in there and not set(name) & set("~*[@/"):
                    yield unknown(f"{option} {name}", name, there, "host or group in the inventory")


def _argocd(command: Command, census: Census) -> Iterator[Complaint]:
    words = command.words[1:]
    if (
        len(words) < 3
        or words[0] not in ("app", "application")
        or words[1] not in _ARGOCD
        or not census.applications
    ):
        return
    name = words[2].rpartition("/")[2]
    if name.startswith("-") or PLACEHOLDER.search(name) or name in census.applications:
        return
    said = f"argocd app {words[1]} {name}"
    yield unknown(said, name, census.applications, "Application", sure=not census.application_sets)


def _kubectl(command: Command, census: Census) -> Iterator[Complaint]:
    if not command.pasted or any(
        w.startswith(("--context", "--kubeconfig", "--cluster")) for w in command.words
    ):
        return
    verb = next(iter(_names(command.words[1:], {"-n", "--namespace"})), "")
    if verb and verb not in _WITHOUT:
        yield Complaint(
            "kubectl names no context", "add --context NAME: another cluster may be the current one", False
        )


LAWS: Mapping[str, Law] = {
    "mise": _mise,
    "make": _make,
    "just": _just,
    "ansible-playbook": _ansible,
    "argocd": _argocd,
    "kubectl": _kubectl,
}
"""For each program the law that its words keep."""

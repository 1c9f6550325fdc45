"""Proposals: an assistant may put a change and its plan before a person, and that is all that it may.

    validate -> clone -> write -> check -> commit in the clone -> plan the clone -> one new branch and a note

- **Where.** All work is done in a clone that is gone afterwards. The person's work tree, index, HEAD and
  branches are never written; nothing is pushed. What stays is a branch `proposal/SLUG-DIGEST` of one commit,
  whose author is `NAME (assistant)` and which has a `Proposed-by` trailer.
- **What.** Text below `homelab/`, `docs/` and `runbooks/`: no links, hidden files, records of runs, targets,
  secrets, invisible characters. A change of the policy says who gains or loses access. Nothing that breaks
  a check of the repository becomes a branch.
- **The plan** is made from the clone, on the sandbox, of the layers that are touched, and only of what is
  data: what would run on this machine while it is planned waits for a person (`propose_local`). It is
  attached to the commit as a Git note (`refs/notes/plans`): beside the tree, so a merge does not carry it
  along, and readable by plain Git (`git log --notes=plans`). Its token (`plan_token`) names it.
- **Twice the same** is one proposal: the branch's name holds a digest of base, content and title.
- **Afterwards** a person reads, merges, plans and applies. There is no tool here that applies anything, to no
  target. A proposal can be withdrawn as long as no person has merged it, worked on it or checked it out.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blumeops import redact
from blumeops.assistant import propose_branch as branch
from blumeops.assistant import propose_checks as checks
from blumeops.assistant import propose_files as files
from blumeops.assistant import propose_local as local
from blumeops.assistant.propose_branch import Branch
from blumeops.assistant.propose_files import Request
from blumeops.assistant.propose_plan import Planned, Planner, on_sandbox
from blumeops.errors import BadInput, GitError, Problem
from blumeops.homelab import main_checkout
from blumeops.layer import Notify
from blumeops.plan import Plan
from blumeops.repository import Repository

SHORT = 8
LONGEST_SLUG = 40


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal that is there: `again` when it was there before; `warnings` are for its reader."""

    branch: Branch
    again: bool = False
    warnings: tuple[str, ...] = ()


def propose(
    root: Path,
    request: Request,
    *,
    proposer: str,
    planner: Planner = on_sandbox,
    notify: Notify = lambda _line: None,
) -> Proposed:
    """Make a proposal of a change. Raises `BadInput` with everything that is wrong; then nothing is left.

    `proposer` is what the assistant's program calls itself.
    """
    place = Repository(root)
    base = branch.base_of(place, request.base)
    modes = branch.modes(place, base)
    files.checked(request, modes)
    notify("writing the change in a clone")
    with branch.workshop(place, base) as made:
        before = _before(made, request, modes)
        texts = files.written(request, before)
        words = {"title": request.title, "why": request.why, "access": request.access}
        checks.said(root, texts, words)
        _write(made, texts)
        commit = branch.commit(place, made, list(texts), _message(request, proposer, base))
        name = _name(request, base, branch.run(made, "rev-parse", f"{commit}^{{tree}}").strip())
        if there := _there(place, made, name, commit):
            return Proposed(there, again=True, warnings=_aside(place, base, texts))
        _room(place)
        notify("checking the pages")
        problems, warned = checks.docs(made.root, lambda: _unchanged(place, base))
        if problems:
            raise BadInput(problems)
        tree = frozenset(branch.modes(made, commit))
        planned = _planned(made, texts, before, tree, planner, notify)
        cut = branch.conflicts(made, place.head(), commit) if base != place.head() else ()
        warnings = (*map(str, warned), *_conflicts(cut), *_aside(place, base, texts))
        note = _note(name, commit, place, base, planned, warnings)
        with branch.held(place, f"propose {name}"):
            if there := _there(place, made, name, commit):
                return Proposed(there, again=True, warnings=warnings)
            notify("writing the branch")
            branch.take_over(place, made, name, commit, note)
        return Proposed(branch.named(place, name), warnings=warnings)


def _before(made: Repository, request: Request, modes: dict[str, str]) -> dict[str, str]:
    """The texts that the named files have at the base."""
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for one in request.files:
        if one.path not in modes:
            continue
        data = (made.root / one.path).read_bytes()
        try:
            found[one.path] = data.decode("utf-8")
        except UnicodeDecodeError:
            problems.append(Problem("is no text", one.path, hint="a person changes files like this one"))
    if problems:
        raise BadInput(problems)
    return found


def _write(made: Repository, texts: dict[str, str | None]) -> None:
    for path, text in texts.items():
        file = made.root / path
        if text is None:
            file.unlink()
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8"))


def _message(request: Request, proposer: str, base: str) -> str:
    trailers = [f"Policy-change: {request.access.strip()}"] if request.access.strip() else []
    who = re.sub(r"[^\w .+/()-]", "", proposer).strip()[:80] or "an assistant"
    trailers += [f"Based-on: {base}", f"{branch.PROPOSER}: {who}, an assistant"]
    return "\n\n".join((request.title.strip(), request.why.strip(), "\n".join(trailers))) + "\n"


def _name(request: Request, base: str, tree: str) -> str:
    plain = unicodedata.normalize("NFKD", request.title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-") or "change"
    words = "\0".join((base, tree, request.title, request.why, request.access))
    return f"{branch.PREFIX}{slug}-{hashlib.sha256(words.encode()).hexdigest()[:SHORT]}"


def _there(place: Repository, made: Repository, name: str, commit: str) -> Branch | None:
    """The proposal of this name when it is there already, and the same."""
    found = next((one for one in branch.branches(place) if one.name == name), None)
    if found is None:
        return None
    same = branch.run(place, "rev-parse", f"{found.commit}^{{tree}}").strip()
    if same != branch.run(made, "rev-parse", f"{commit}^{{tree}}").strip() or found.state == "changed":
        hint = "merge is theirs to decide; propose under another title"
        raise GitError(f"a person has worked on {name} since it was proposed", hint=hint)
    return found


def _room(place: Repository) -> None:
    count = sum(one.state == "open" for one in branch.branches(place))
    if count >= branch.MOST_OPEN:
        raise GitError(f"{count} proposals wait for a person already", hint="withdraw one of yours first")


@contextlib.contextmanager
def _unchanged(place: Repository, base: str) -> Iterator[Path]:
    """The base in a clone of its own, to see what was wrong before."""
    with branch.workshop(place, base) as old:
        yield old.root


def _planned(
    made: Repository,
    texts: dict[str, str | None],
    before: dict[str, str],
    tree: frozenset[str],
    planner: Planner,
    notify: Notify,
) -> Planned:
    layers = local.touched(texts)
    unread = local.reasons(texts, before, tree)
    planned = [layer for layer in layers if layer not in unread]
    if not planned:
        return Planned(why="" if unread else "no layer's desired state changes", unread=unread)
    notify(f"planning {', '.join(planned)} on the sandbox")
    found = planner(made.root, planned)
    return Planned(found.report, found.token, found.why, unread)


def _conflicts(cut: tuple[str, ...]) -> Iterator[str]:
    if cut:
        yield f"the branch that you are on has moved: this conflicts with it in {', '.join(cut)}"


def _aside(place: Repository, base: str, texts: dict[str, str | None]) -> tuple[str, ...]:
    """What a person has not committed in the same files: the proposal does not know of it."""
    said = branch.run(
        place, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", *texts
    )
    paths = [entry[3:] for entry in said.split("\0") if len(entry) > 3]
    return tuple(f"{path}: changed here and not committed; the proposal is without that" for path in paths)


def _note(
    name: str, commit: str, place: Repository, base: str, planned: Planned, warnings: tuple[str, ...]
) -> str:
    into = branch.run(place, "symbolic-ref", "--quiet", "--short", "HEAD", check=False).strip() or "HEAD"
    head = [f"Branch: {name}", f"Commit: {commit}", f"Base: {base} ({into})", "Target: sandbox"]
    head += [f"Token: {planned.token}"] if planned.token else []
    changes = (
        [len(one.changes) for one in planned.report.answers if isinstance(one, Plan)]
        if planned.report
        else []
    )
    head += [f"Changes: {sum(changes)}"] if changes else []
    checked = ["## Checks", "", "Syntax, secrets, the policy's tests and `docs check` passed."]
    checked += [f"- {line}" for warning in warnings for line in warning.splitlines()[:1]]
    shown = redact.Masker(redact.known_secrets(main_checkout(place.root)))(planned.markdown())
    return "\n".join([*head, "", *checked, "", "## Plan", "", shown, ""])

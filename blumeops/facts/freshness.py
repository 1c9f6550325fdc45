"""Which pages describe something that has changed since somebody last read them against it.

A page says when it was reviewed (front matter `reviewed: 2026-11-23`, or a commit) and may say what it
describes (`describes: [homelab/ansible/roles/caddy]`); without that, what it names counts: the files of its
bound values and the repository paths in its backticks. All that is known comes from one `git log`. Where Git
cannot know (no repository, a shallow clone), the answer is unknown and never fresh.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from blumeops.errors import BlumeOpsError
from blumeops.repository import Repository
from blumeops.site import frontmatter, markdown
from blumeops.site.vault import Page

_FACT = re.compile(r"<!--\s*fact:\s*(?:live:)?([^\s#>]+)")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_RECORD, _FIELD = "\x1e", "\x1f"
MIN_FOLDER_PARTS = 4
"""A folder named in passing counts from this depth on: everything below `homelab/argocd` says too little."""
MAX_NAMED = 5
"""So many changes are named on the page; the rest is a number. `docs review` names all."""


class State(StrEnum):
    """What is known of a page: whether what it describes has changed since it was reviewed.

    `NOTHING`: it was reviewed, and names nothing of the repository, so no change can make it stale.
    """

    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never reviewed"
    NOTHING = "reviewed, and about no file"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: its id, its day in UTC, its first line, and the files that it touched."""

    id: str
    day: str
    subject: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """A described file that changed after the review, and the commits that did it, newest first."""

    path: str
    commits: tuple[Commit, ...]


@dataclass(frozen=True, slots=True)
class Freshness:
    """A page with when it was reviewed, what it describes, what of that changed, and how often it is linked.

    `why` says for an unknown page why nobody can know.
    """

    page: str
    source: str
    title: str
    state: State
    reviewed: str = ""
    describes: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()
    links: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """Every commit, newest first; `why` says why there is none to be trusted."""

    commits: tuple[Commit, ...] = ()
    why: str = ""


def log(root: Path) -> Log:
    """The history of a repository in one call of Git, or the reason why it cannot be known."""
    repository = Repository(root)
    form = f"--format={_RECORD}%H{_FIELD}%ct{_FIELD}%s{_FIELD}"
    try:
        shallow = repository.git("rev-parse", "--is-shallow-repository", check=False)
        if not shallow.ok:
            return Log(why="this is no Git repository")
        if shallow.stdout.strip() == "true":
            return Log(why="this clone is shallow: its history is cut off")
        done = repository.git("log", "-z", "--name-only", "--no-renames", "--relative", form, check=False)
    except (BlumeOpsError, OSError) as error:
        return Log(why=str(error).splitlines()[0])
    return Log(tuple(_commits(done.stdout))) if done.ok else Log(why="there is no commit yet")


def _commits(text: str) -> Iterator[Commit]:
    for record in text.split(_RECORD)[1:]:
        one, at, subject, rest = record.split(_FIELD, 3)
        files = tuple(name for name in rest.replace("\n", "").split("\0") if name)
        yield Commit(one, f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%d}", subject, files)


def describes(one: Page, root: Path) -> tuple[str, ...]:
    """The paths and globs that a page says it describes, or else those that it names and that are there."""
    front = frontmatter.read(one.text, source=one.source)
    if said := front.texts("describes"):
        return said
    facts = _FACT.findall(markdown.mask_blocks(one.text))
    named = [span.partition("#")[0].rstrip("/") for span in _SPAN.findall(markdown.mask_blocks(one.text))]
    paths = dict.fromkeys([*facts, *(path for path in named if _counts(path, root))])
    return tuple(path for path in paths if not path.startswith(("docs/", "/", "../")))


def _counts(path: str, root: Path) -> bool:
    if "/" not in path or " " in path or path.startswith(("/", ".", "~")) or "://" in path or "\0" in path:
        return False
    try:
        if (root / path).is_file():
            return True
        return path.count("/") + 1 >= MIN_FOLDER_PARTS and (root / path).is_dir()
    except OSError:
        return False  # no name of a file: too long


def read(
    root: Path,
    pages: Iterable[Page],
    links: Mapping[str, Iterable[str]] | None = None,
    *,
    history: Log | None = None,
) -> list[Freshness]:
    """The freshness of every page that a person writes, stale ones first, most-linked first.

    `links` maps a page's path to those it links to. Git is asked only when a page was ever reviewed, and not
    at all where the caller knows the `history`.
    """
    written = [one for one in pages if not one.generated]
    reviewed = {one.path: _reviewed(one) for one in written}
    known = (history or log(root)) if any(reviewed.values()) else Log()
    counted = _counted(links or {})
    found = [_of(one, reviewed[one.path], known, root, counted.get(one.path, 0)) for one in written]
    order = [State.STALE, State.UNKNOWN, State.NEVER, State.NOTHING, State.FRESH]
    return sorted(found, key=lambda one: (order.index(one.state), -one.links, one.source))


def _reviewed(one: Page) -> str:
    return frontmatter.read(one.text, source=one.source).text("reviewed").strip().partition(" ")[0]


def _counted(links: Mapping[str, Iterable[str]]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for origin, targets in links.items():
        for target in set(targets) - {origin}:
            counted[target] = counted.get(target, 0) + 1
    return counted


def _of(one: Page, reviewed: str, known: Log, root: Path, links: int) -> Freshness:
    told = describes(one, root)
    changed: tuple[Changed, ...] = ()
    state, why = State.NEVER, ""
    if reviewed:
        later, why = _later(one.source, reviewed, known)
        changed = _changed(told, later, one.source)
        state = State.UNKNOWN if why else State.STALE if changed else State.FRESH
        if not told:
            state, why = State.NOTHING, ""
    return Freshness(one.path, one.source, one.title, state, reviewed, told, changed, links, why)


def _later(source: str, reviewed: str, known: Log) -> tuple[Sequence[Commit], str]:
    """The commits after a review, newest first, or why they cannot be known.

    A date counts to the day; on the day itself, what came after the page's own last commit counts too.
    """
    if known.why:
        return (), known.why
    if _DAY.fullmatch(reviewed):
        own = next(
            (n for n, one in enumerate(known.commits) if one.day == reviewed and source in one.files), 0
        )
        return [one for n, one in enumerate(known.commits) if one.day > reviewed or n < own], ""
    if _COMMIT.fullmatch(reviewed):
        at = next((n for n, one in enumerate(known.commits) if one.id.startswith(reviewed)), None)
        if at is None:
            return (), f"the commit {reviewed} is not in this history"
        return known.commits[:at], ""
    return (), f"`reviewed: {reviewed}` is neither a date nor a commit"


def _changed(told: Iterable[str], later: Sequence[Commit], source: str) -> tuple[Changed, ...]:
    patterns = [_pattern(path) for path in told]
    by_path: dict[str, list[Commit]] = {}
    for commit in later:
        for path in commit.files:
            if path != source and any(pattern.fullmatch(path) for pattern in patterns):
                by_path.setdefault(path, []).append(commit)
    return tuple(Changed(path, tuple(commits)) for path, commits in sorted(by_path.items()))


def _pattern(path: str) -> re.Pattern[str]:
    """A path, what is below it when it is a folder, or a glob: `*` stays in its folder, `**` does not."""
    words = re.split(r"(\*\*/?|\*|\?)", path.removeprefix("./").rstrip("/"))
    marks = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(marks.get(word) or re.escape(word) for word in words) + "(?:/.*)?")


def notes(root: Path, pages: Iterable[Page]) -> dict[str, str]:
    """For each page that was reviewed, what a reader should know about it, as Markdown.

    A stale page gets an admonition, the others a line for their end. It depends on Git alone, on no clock.
    """
    reviewed = [one for one in pages if not one.generated and "\nreviewed:" in one.text]
    return {one.page: _note(one) for one in read(root, reviewed) if one.state is not State.NEVER}


def _note(one: Freshness) -> str:
    match one.state:
        case State.STALE:
            rows = [_row(changed) for changed in one.changed[:MAX_NAMED]]
            if more := len(one.changed) - MAX_NAMED:
                rows += [f"    - and {more} more"] if more > 0 else []
            title = "What this page describes changed after it was last reviewed"
            return f'!!! run-changed "{title}"\n\n    Reviewed: {one.reviewed}. Since then:\n\n' + "\n".join(
                rows
            )
        case State.UNKNOWN:
            return (
                f"*Reviewed: {_inert(one.reviewed)}. Whether it still holds is unknown: {_inert(one.why)}.*"
            )
        case State.NOTHING:
            return f"*Reviewed: {_inert(one.reviewed)}.*"
        case _:
            return f"*Reviewed: {one.reviewed}. What it describes has not changed since.*"


def _row(changed: Changed) -> str:
    last = changed.commits[0]
    return f"    - `{changed.path.replace('`', '')}`, {last.day}: {_inert(last.subject)}"


def _inert(text: str) -> str:
    return re.sub(r"[\\`*_\[\]{}<>&#|!~^=$]", lambda mark: f"&#{ord(mark[0])};", text)


def with_note(text: str, note: str) -> str:
    """A page's text with its note: an admonition below the title, anything else at the end."""
    if not note.startswith("!!!"):
        return f"{text.rstrip()}\n\n{note}\n"
    first = next((one for one in markdown.headings(text) if one.level == 1), None)
    if first is None:
        body = frontmatter.end_of(text)
        return f"{text[:body]}\n{note}\n\n{text[body:]}"
    lines = text.split("\n")
    return "\n".join([*lines[: first.line], "", note, "", *lines[first.line :]])


def mark(file: Path, day: str, *, commit: str = "") -> str:
    """Write `reviewed: DAY` into a page's front matter, and return what was written.

    A page that was reviewed on this day already gets the commit instead: a date says no more than a day.
    """
    data = file.read_bytes().decode("utf-8")
    text = data.replace("\r\n", "\n")
    front = frontmatter.read(text, source=file.name)
    value = commit if commit and front.text("reviewed").startswith(day) else day
    lines = text[: front.body].splitlines() or ["---", "---"]
    at = next((n for n, line in enumerate(lines) if line.startswith("reviewed:")), len(lines) - 1)
    lines[at : at + lines[at].startswith("reviewed:")] = [f"reviewed: {_quoted(value)}"]
    made = "\n".join(lines) + "\n" + text[front.body :]
    file.write_bytes((made.replace("\n", "\r\n") if "\r\n" in data else made).encode())
    return value


def _quoted(value: str) -> str:
    """A commit in quotes: without them YAML reads `1234567` and `12e4567` as numbers."""
    return value if _DAY.fullmatch(value) else f'"{value}"'

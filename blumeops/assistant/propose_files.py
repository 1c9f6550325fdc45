"""What an assistant may propose: files of three folders, of the kinds that people read, within bounds.

Every rule is checked before anything is written, and all that is wrong is said at once.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from blumeops.errors import BadInput, Problem

MOST_FILES = 20
MOST_BYTES = 200_000
"""Of one file, and four times that of all: more than a person reads in one sitting is no proposal."""
LONGEST_TITLE = 80
LONGEST_WHY = 4000
POLICY = "homelab/pulumi/policy.hujson"
TARGETS = "homelab/targets.toml"

_FOLDERS = ("homelab", "docs", "runbooks")
_PLAIN = re.compile(r"[\w .@+-]+")
_SIGNATURE = re.compile(r"^\s*[A-Za-z][A-Za-z-]*-by\s*:|^\s*(?:Policy-change|Based-on)\s*:", re.I | re.M)
_LINK, _SUBMODULE = "120000", "160000"


@dataclass(frozen=True, slots=True)
class Edit:
    """One passage of a file, which stands there exactly once, and what replaces it."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file with its whole new content, with edits of what it has, or to be deleted: one of the three."""

    path: str
    content: str | None = None
    edits: tuple[Edit, ...] = ()
    delete: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A proposed change. `base` is a branch or a commit, empty for the one that the person is at.

    `access` is one sentence on who gains or loses access; a change of the policy has to have it.
    """

    title: str
    why: str
    files: tuple[FileChange, ...]
    base: str = ""
    access: str = ""


def checked(request: Request, modes: Mapping[str, str]) -> None:
    """Raise `BadInput` with everything that is wrong; `modes` are the base's files with their Git modes."""
    problems = [*_words(request), *_number(request.files)]
    for one in request.files:
        problems += [Problem(what, _shown(one.path), hint=hint) for what, hint in _path(one, modes)]
    if problems:
        raise BadInput(problems)


def written(request: Request, before: Mapping[str, str]) -> dict[str, str | None]:
    """Each path with its new text, None where it is deleted. Raises `BadInput` with each edit that misses."""
    problems: list[Problem] = []
    texts: dict[str, str | None] = {}
    for one in request.files:
        old = before.get(one.path)
        new = None if one.delete else one.content if one.content is not None else _edited(one, old, problems)
        if new is not None:
            problems += _text(one.path, old or "", new)
        texts[one.path] = new
    if not problems and all(text == before.get(path) for path, text in texts.items()):
        problems.append(Problem("the files are so already: nothing would change", "files"))
    if problems:
        raise BadInput(problems)
    return texts


def _words(request: Request) -> Iterator[Problem]:
    if not request.title.strip() or len(request.title) > LONGEST_TITLE or "\n" in request.title:
        yield Problem(f"a title is one line of at most {LONGEST_TITLE} characters", "title")
    if not request.why.strip() or len(request.why) > LONGEST_WHY:
        yield Problem(f"the reason is not empty and at most {LONGEST_WHY} characters", "why")
    if len(request.access) > LONGEST_WHY or "\n" in request.access:
        yield Problem("who gains or loses access is one line", "access")
    for name, text in (("title", request.title), ("why", request.why), ("access", request.access)):
        if hidden := _hidden("", text):
            yield Problem(f"holds {_called(hidden)}", name, hint="plain text, please")
        if _SIGNATURE.search(text):
            what = "holds a line like a signature (`…-by:`), and those are added here"
            yield Problem(what, name, hint="leave it out; who proposed is written down anyway")
    changes_policy = any(one.path == POLICY for one in request.files)
    if changes_policy and not request.access.strip():
        hint = "say in `access`, in one sentence, who gains or loses access; a person has to read that"
        yield Problem("a change of the policy has to say so", POLICY, hint=hint)
    if request.access.strip() and not changes_policy:
        yield Problem("the policy is not among the files", "access", hint=f"change {POLICY}, or leave it out")


def _number(files: tuple[FileChange, ...]) -> Iterator[Problem]:
    if not files or len(files) > MOST_FILES:
        yield Problem(f"{len(files)} files; a proposal has 1 to {MOST_FILES}", "files")
    folded = [one.path.casefold() for one in files]
    for one in sorted({path for path in folded if folded.count(path) > 1}):
        yield Problem("stands here twice", _shown(one))
    sizes = [len((one.content or "").encode("utf-8", "replace")) for one in files]
    if sum(sizes) > 4 * MOST_BYTES:
        yield Problem(f"{sum(sizes)} bytes in all; at most {4 * MOST_BYTES}", "files")


def _path(one: FileChange, modes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a path, and what to do; the first thing is enough."""
    parts = one.path.split("/")
    if _climbs(one.path, parts):
        yield (
            "leads out of the repository, or is no plain path",
            "a path from the top, with `/`, such as docs/x.md",
        )
        return
    if parts[0] not in _FOLDERS or len(parts) < 2:
        yield "is not below homelab/, docs/ or runbooks/", "only these three folders are open to proposals"
        return
    if any(part.startswith((".", "-")) for part in parts):
        yield "has a part that begins with a dot or a dash", "settings of tools are a person's to change"
        return
    if why := _not_that_kind(one.path, parts):
        yield why
        return
    yield from _in_the_tree(one, modes)


def _climbs(path: str, parts: list[str]) -> bool:
    plain = all(_PLAIN.fullmatch(part) and part == part.strip() for part in parts)
    wound = PurePosixPath(path).as_posix() != path or unicodedata.normalize("NFC", path) != path
    return not plain or wound or ".." in parts or "." in parts or len(path) > 200


def _not_that_kind(path: str, parts: list[str]) -> tuple[str, str] | None:
    if path.casefold() == TARGETS:
        return "names the real targets and where their secrets are", "a person changes it"
    if parts[0] == "docs" and not path.endswith(".md"):
        return "is no Markdown page", "scripts, styles and pictures run or hide things in a reader's browser"
    if parts[0] == "runbooks" and (len(parts) != 2 or not path.endswith(".md")):
        return "is no page of a runbook", "records are written by runs: `blumeops runbook run NAME --record`"
    return None


def _in_the_tree(one: FileChange, modes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    parts = one.path.split("/")
    above = ["/".join(parts[:length]) for length in range(1, len(parts))]
    if any(modes.get(path) in (_LINK, _SUBMODULE) for path in (*above, one.path)):
        yield "is, or is below, a symbolic link or a submodule", "name the file itself"
    elif any(path in modes for path in above):
        yield "is below a file", "a folder is needed there"
    elif one.path not in modes and any(path.startswith(f"{one.path}/") for path in modes):
        yield "is a folder", "name a file in it"
    elif one.path not in modes and not one.path.isascii():
        yield "is a new name with other letters than ASCII", "some of them look like others"
    elif one.path not in modes and (twin := _twin(one.path, modes)):
        yield f"differs from {twin} only in its capitals", "they would be one file on some machines"
    kinds = (one.content is not None) + bool(one.edits) + one.delete
    if kinds != 1:
        yield "needs either `content`, `edits` or `delete`", "one of them, and only one"
    if (one.edits or one.delete) and one.path not in modes:
        close = difflib.get_close_matches(one.path, modes, 1)
        hint = f"did you mean {close[0]}?" if close else "give its whole `content`"
        yield "is not in the repository at this base", hint


def _twin(path: str, modes: Mapping[str, str]) -> str:
    return next((other for other in modes if other.casefold() == path.casefold()), "")


def _edited(one: FileChange, old: str | None, problems: list[Problem]) -> str:
    text = old or ""
    for edit in one.edits:
        count = text.count(edit.old) if edit.old else 0
        if count != 1:
            hint = "read the file again: it may have changed, and `old` has to be as it stands there"
            what = f"the passage {edit.old[:60]!r} stands here {count} times, not once"
            problems.append(
                Problem(what, one.path, hint=hint if not count else "take more of what is around it")
            )
            continue
        text = text.replace(edit.old, edit.new)
    return text


def _text(path: str, old: str, new: str) -> Iterator[Problem]:
    if len(new.encode("utf-8", "replace")) > MOST_BYTES:
        yield Problem(f"is larger than {MOST_BYTES} bytes", path)
    if hidden := _hidden(old, new):
        line = new.count("\n", 0, new.index(hidden)) + 1
        yield Problem(f"holds {_called(hidden)}, which nobody sees in a diff", path, line, hint="take it out")


def _hidden(old: str, new: str) -> str:
    """The first character of a text that shows nothing and was not there before; empty when there is none."""
    for character in sorted(set(new) - set(old) - {"\n", "\t"}):
        tags = 0xE0000 <= ord(character) <= 0xE0FFF
        if tags or unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"):
            return character
    return ""


def _called(character: str) -> str:
    return f"an invisible character, U+{ord(character):04X}"


def _shown(path: str) -> str:
    return path if _PLAIN.fullmatch(path.replace("/", "")) else ascii(path)[:120]

"""The commands on a page: those of a block that a reader would paste, and those in code spans."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from blumeops.facts.page import Page
from blumeops.site.markdown import Fence

SHELLS = {"bash", "sh", "shell", "zsh", "fish", "console", "shell-session", "terminal"}
_SESSIONS = {"console", "shell-session", "terminal"}
_INFO = re.compile(r"\{?\s*\.?([\w-]+)")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_PLACEHOLDER = re.compile(r"<[A-Za-z][^<>\n]*>|\{\{.*?\}\}|\[[A-Z][^\]\n]*\]")
_HEREDOC = re.compile(r"<<-?\s*[\"']?(\w+)[\"']?")
_SEPARATORS = {"&&", "||", "|", ";", "|&", "&", "(", ")", ";;", "{", "}"}
_BEFORE = {"sudo", "time", "exec", "nohup", "env", "command", "then", "do", "else", "if", "while", "!"}
_WRITES = {
    "mkdir",
    "touch",
    "mktemp",
    "tee",
    "vim",
    "vi",
    "nano",
    "code",
    "cp",
    "mv",
    "rm",
    "rmdir",
    "ln",
    "chezmoi",
}
STAND_IN = "PLACEHOLDER"


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command: its words, where it stands, and the folder it runs in (None: not in this repository).

    `pasted` is False in a code span, which may name only a part of a command. `writes` are the files that it
    makes or takes away.
    """

    words: tuple[str, ...]
    line: int
    index: int
    pasted: bool
    folder: str | None = ""
    writes: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """Its first word."""
        return self.words[0]


def commands(page: Page) -> Iterator[Command]:
    """Every command of a page."""
    for fence in page.fences:
        info = _INFO.match(fence.info)
        if info and info[1].casefold() in SHELLS:
            yield from _of_fence(page, fence, session=info[1].casefold() in _SESSIONS)
    for code in page.codes:
        if " " in code.text and "\n" not in code.text:
            line, _ = page.place(code.start)
            for words, writes in _simple(code.text):
                yield Command(words, line, code.start, pasted=False, writes=writes)


def _of_fence(page: Page, fence: Fence, *, session: bool) -> Iterator[Command]:
    folder: str | None = ""
    for number, text in _logical(fence.lines, session=session):
        line = fence.first + 2 + number
        index = page.start_of(line)
        for words, writes in _simple(text):
            if words[0] == "cd":
                folder = _moved(folder, words)
            elif words[:2] == ("git", "clone"):
                folder = folder if len(words) < 3 else None
            else:
                yield Command(words, line, index, pasted=True, folder=folder, writes=writes)


def _moved(folder: str | None, words: tuple[str, ...]) -> str | None:
    to = words[1] if len(words) > 1 else "~"
    if folder is None or to.startswith(("/", "~", "$", "-")) or STAND_IN in to:
        return None if not to.startswith('"$(git') else ""
    made = posixpath.normpath(posixpath.join(folder, to))
    return None if made.startswith("..") else "" if made == "." else made


def _logical(lines: tuple[str, ...], *, session: bool) -> Iterator[tuple[int, str]]:
    """The lines as a shell takes them: continued ones joined, what a here-document holds left out."""
    number = 0
    while number < len(lines):
        first, line = number, lines[number]
        number += 1
        if session and not line.lstrip().startswith("$ "):
            continue
        while line.rstrip().endswith("\\") and number < len(lines):
            line = line.rstrip()[:-1] + " " + lines[number].strip()
            number += 1
        while _is_open(line) and number < len(lines) and number - first < 60:
            line += "\n" + lines[number]
            number += 1
        if heredoc := _HEREDOC.search(line):
            while number < len(lines) and lines[number].strip() != heredoc[1]:
                number += 1
            number += 1
            line = line[: heredoc.start()] + line[heredoc.end() :]
        yield first, line.strip().removeprefix("$ ")


def _is_open(line: str) -> bool:
    """Whether a quote begins in a line and does not end in it."""
    try:
        shlex.split(_uncommented(line))
    except ValueError as error:
        return "quotation" in str(error)
    return False


def _uncommented(line: str) -> str:
    """A line without the comment behind it."""
    quote = ""
    for n, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#" and (n == 0 or line[n - 1].isspace()):
            return line[:n]
    return line


def _simple(line: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    line = _PLACEHOLDER.sub(STAND_IN, _uncommented(line))
    for inside in _SUBSTITUTION.findall(line):
        yield from _simple(inside)
    lexer = shlex.shlex(_SUBSTITUTION.sub(STAND_IN, line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        tokens = list(lexer)
    except ValueError:
        return
    words: list[str] = []
    writes: list[str] = []
    redirect = ""
    for token in [*tokens, ";"]:
        if token in _SEPARATORS:
            yield from _command(words, writes)
            words, writes, redirect = [], [], ""
        elif set(token) <= set("<>&") and token:
            redirect = token
        elif redirect:
            writes += [token] if ">" in redirect else []
            redirect = ""
        else:
            words.append(token)


def _command(words: list[str], writes: list[str]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    while words and (words[0] in _BEFORE or re.match(r"[A-Za-z_]\w*=", words[0])):
        words = words[1:]
    if not words:
        return
    if words[0] in _WRITES or words[:2] in (["git", "mv"], ["git", "rm"], ["git", "add"]):
        writes = [*writes, *words[1:]]
    yield tuple(words), tuple(writes)

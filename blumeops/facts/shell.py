"""The commands on a page: those of a block that a reader would paste, and those in code spans."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from blumeops.facts.page import Page
from blumeops.site.markdown import Fence

SHELLS = {"bash", "sh", "shell", "zsh", "fish", "console", "shell-session", "terminal"}
_SESSIONS = {"console", "shell-session", "terminal"}
_INFO = re.compile(r"\{?\s*\.?([\w-]+)")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_PLACEHOLDER = re.compile(r"<[A-Za-z][^<>\n]*>|\{\{.*?\}\}|\[[A-Z][^\]\n]*\]")
_HEREDOC = re.compile(r"<<-?\s*[\"']?(\w+)[\"']?")
_WORDS = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<redirect>\d*(?:&>>?|>>|>\||>&|>|<<<|<>|<)(?:&?\d\b|-)?)"
    r"|(?P<separator>&&|\|\||\|&|;;|[|;&()])"
    r"""|(?P<word>(?:[^\s"'\\|;&<>()]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)"""
    r"|(?P<bad>.)",
    re.DOTALL,
)
"""What a line is made of, as a shell reads it; `bad` is a quote that does not end."""

_QUOTED = re.compile(r"""\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'""", re.DOTALL)
_QUOTES = frozenset("\"'\\")
_SEPARATORS = {"{", "}"}
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
_OUTPUT = {"-o", "-O", "--output", "--out", "-out", "--output-dir", "--output-document"}
"""The options after which most programs are told where to write."""

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
    if '"' not in line and "'" not in line:
        return False
    return any(found["bad"] for found in _WORDS.finditer(_uncommented(line)))


def _uncommented(line: str) -> str:
    """A line without the comment behind it."""
    if "#" not in line:
        return line
    quote = ""
    for n, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#" and (n == 0 or line[n - 1].isspace()):
            return line[:n]
    return line


@lru_cache(maxsize=4096)
def _simple(line: str) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """The simple commands of a line: the words of each, and the files that it writes."""
    line = _PLACEHOLDER.sub(STAND_IN, _uncommented(line))
    found = [one for inside in _SUBSTITUTION.findall(line) for one in _simple(inside)]
    words: list[str] = []
    writes: list[str] = []
    redirect = ""
    for piece in _WORDS.finditer(_SUBSTITUTION.sub(STAND_IN, line) + " ;"):
        word, kind = piece[0], piece.lastgroup
        if kind == "bad":
            return ()
        if kind == "redirect":
            redirect = word
        elif kind == "separator" or word in _SEPARATORS:
            found += _command(words, writes)
            words, writes, redirect = [], [], ""
        elif kind == "word" and redirect:
            writes += [_unquoted(word)] if ">" in redirect else []
            redirect = ""
        elif kind == "word":
            words.append(_unquoted(word))
    return tuple(found)


def _unquoted(word: str) -> str:
    if not _QUOTES.intersection(word):
        return word
    return _QUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", word)


def _command(words: list[str], writes: list[str]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    while words and (words[0] in _BEFORE or re.match(r"[A-Za-z_]\w*=", words[0])):
        words = words[1:]
    if not words:
        return
    if words[0] in _WRITES or words[:2] in (["git", "mv"], ["git", "rm"], ["git", "add"]):
        writes = [*writes, *words[1:]]
    outputs = [to for flag, to in itertools.pairwise(words) if flag in _OUTPUT]
    if words[0] == "tar" and len(words) > 2 and "c" in words[1].partition("=")[0]:
        outputs.append(words[2])
    yield tuple(words), (*writes, *outputs)

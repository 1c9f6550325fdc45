"""Reports as Markdown: a table, and every diff in a fence below it that nothing in the diff can end."""

from __future__ import annotations

from collections.abc import Sequence

from blumeops.plan import Answer, Status, detail_words, state_words

_INERT = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "\n": " ", "\r": " "} | {mark: f"\\{mark}" for mark in "\\`[]{}|"}
)
"""What keeps an engine's words from becoming HTML, an attribute, a link, code, or a cell of a table."""


def table(answers: Sequence[Answer]) -> str:
    """The answers as one table, with the changes and their diffs below it."""
    rows = [f"| {answer.layer} | {state_words(answer)} | {_inert(answer)} |" for answer in answers]
    head = ["| layer | state | details |", "|---|---|---|"]
    return "\n".join([*head, *rows, *_diffs(answers)])


def _inert(answer: Answer) -> str:
    return detail_words(answer).translate(_INERT)


def _diffs(answers: Sequence[Answer]) -> list[str]:
    lines: list[str] = []
    for answer in answers:
        for change in answer.changes if not isinstance(answer, Status) else ():
            lines += ["", f"`{change.action.sign}` **{answer.layer}** {_code(change.address)}"]
            if change.diff:
                fence = "`" * max(3, _longest_backtick_run(change.diff) + 1)
                lines += ["", f"{fence}diff", change.diff.rstrip("\n"), fence]
    return lines


def _code(text: str) -> str:
    """The text as a code span that nothing in it can end."""
    text = " ".join(text.split())
    marks = "`" * (_longest_backtick_run(text) + 1)
    return f"{marks} {text} {marks}" if "`" in text else f"{marks}{text}{marks}"


def _longest_backtick_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest

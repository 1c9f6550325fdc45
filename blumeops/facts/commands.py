"""Documented commands exist: tasks, subcommands, options, playbooks, Applications, contexts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from blumeops.facts.census import Census
from blumeops.facts.finding import Finding, Tense, tense
from blumeops.facts.page import Page
from blumeops.facts.programs import PLACEHOLDER, Complaint, complaints, unknown
from blumeops.facts.shell import Command

if TYPE_CHECKING:
    import click

_SETS_CONTEXT = re.compile(
    r"blumeops env\b|use-context|\bkubectx\b|KUBECONFIG|alias k(?:ubectl)?=|set-context"
)


def check(
    page: Page, census: Census, commands: Iterable[Command], clis: Mapping[str, click.Command]
) -> Iterator[Finding]:
    """Every command of a page that names what is not there. `clis` are our own programs, by name."""
    sets_context = _sets_context(page)
    for command in commands:
        program = command.program.removeprefix("./").removeprefix(".venv/bin/")
        if program in clis:
            found: Iterable[Complaint] = _of_click(clis[program], program, command)
        else:
            found = complaints(command, census)
        for one in found:
            when = tense(page.line(command.line)) if not command.pasted else Tense.NOW
            if when is Tense.OTHER or (command.program == "kubectl" and sets_context):
                continue
            problem = page.problem(one.what, command.index, one.hint)
            yield Finding(problem, one.sure and when is Tense.NOW)


def _sets_context(page: Page) -> bool:
    return "kubectl" in page.text and bool(_SETS_CONTEXT.search(page.text))


def context_is_the_rule(pages: Iterable[tuple[Page, list[Command]]]) -> bool:
    """Whether most commands of `kubectl` here name a context, so that one that does not is a mistake."""
    named = unnamed = 0
    for page, commands in pages:
        sets = _sets_context(page)
        for command in commands:
            if command.program == "kubectl" and command.pasted:
                said = sets or any(word.startswith("--context") for word in command.words)
                named, unnamed = named + said, unnamed + (not said)
    return named > 2 * unnamed


def _of_click(command: click.Command, said: str, used: Command) -> Iterator[Complaint]:
    import click

    words = list(used.words[1:])
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        if PLACEHOLDER.search(name) or "/" in name:
            return
        if name not in command.commands:
            yield unknown(f"{said} {name}", name, command.commands, "command")
            return
        said = f"{said} {name}"
        command = command.commands[name]
    known = {opt for one in command.params for opt in (*one.opts, *one.secondary_opts)}
    known |= {"-h", "--help", "--version"}
    if command.context_settings.get("ignore_unknown_options"):
        return
    for word in words:
        option = word.partition("=")[0]
        if word.startswith("-") and word != "--" and option not in known:
            near = difflib.get_close_matches(option, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"see `{said} --help`"
            yield Complaint(f"{said}: no such option {option}", hint)
            return
    if used.pasted and not isinstance(command, click.Group):
        yield from _misused(command, said, words)


def _misused(command: click.Command, said: str, words: list[str]) -> Iterator[Complaint]:
    import click

    if any(PLACEHOLDER.search(word) for word in words):
        return
    try:
        command.make_context(said, words, resilient_parsing=False)
    except click.exceptions.Exit:
        return
    except click.ClickException as error:
        if "does not exist" not in error.format_message():  # A folder of the reader's own.
            yield Complaint(f"{said}: {error.format_message()}")

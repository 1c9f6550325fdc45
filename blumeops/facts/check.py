"""Every check of the docs against their repository, in one pass over the pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops.errors import BadInput, Problem
from blumeops.facts import (
    blocks,
    bound,
    commands,
    imports,
    paths,
    programs,
    rewrite,
    rosters,
    run_records,
    secrets,
    shell,
    versions,
)
from blumeops.facts import census as of
from blumeops.facts import page as pages
from blumeops.facts import tree as trees
from blumeops.facts.bound import Edit, Fact
from blumeops.facts.census import Census
from blumeops.facts.finding import Finding, tells_of_the_past
from blumeops.facts.page import Page
from blumeops.facts.places import Places
from blumeops.facts.shell import Command
from blumeops.facts.tree import Tree

if TYPE_CHECKING:
    import click

_NO_PAGE = re.compile(
    r"^(?:tests?|testdata|fixtures|build|site|dist|public|_site)/|(?:^|/)\.|/testdata/|/fixtures/"
)


PASSES = 4
"""A block that holds a bound value is written after it, and the last pass only looks."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found and how much it looked at; `fixed` says in one line each what was rewritten."""

    findings: tuple[Finding, ...] = ()
    pages: int = 0
    facts: tuple[Fact, ...] = ()
    blocks: int = 0
    commands: int = 0
    fixed: tuple[str, ...] = ()
    has_service_cards: bool = False

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong beyond doubt."""
        return tuple(one.problem for one in self.findings if one.sure)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What a person should look at."""
        return tuple(one.problem for one in self.findings if not one.sure)


def page_paths(tree: Tree) -> list[str]:
    """The Markdown files that people read: all but tests, builds and what is hidden."""
    return [path for path in tree.under(".md") if not _NO_PAGE.search(path)]


def check(root: Path, *, fix: bool = False, clis: Mapping[str, click.Command] | None = None) -> Checked:
    """Compare the pages of a repository with the repository. `clis` are our own programs, by name.

    With `fix`, values and blocks are rewritten on the pages (never what they are bound to), and what is left
    is returned. Files that cannot be read are findings, too.
    """
    said: list[str] = []
    for _ in range(PASSES):
        tree = trees.read(root)
        run = _Run(tree, of.of(tree), Places(tree), clis or {})
        done = run.all()
        edits = {path: found for path, found in run.edits.items() if found}
        if not fix or not edits:
            break
        for path, found in edits.items():
            rewrite.write(tree.root / path, found)
            said += [edit.said for edit in found]
    return replace(done, fixed=tuple(said))


@dataclass
class _Run:
    """One pass: what it reads, and what it has found so far."""

    tree: Tree
    census: Census
    places: Places
    clis: Mapping[str, click.Command]
    findings: list[Finding] = field(default_factory=list)
    edits: dict[str, list[Edit]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    blocks: int = 0

    def all(self) -> Checked:
        read = [page for path in page_paths(self.tree) if (page := self._page(path))]
        for page in read:
            self._bound(page)
        said = [(page, list(shell.commands(page))) for page in read if not tells_of_the_past(page)]
        self._documented(said)
        pins, kinds = versions.known(self.census), rosters.kinds(self.census)
        for page, _ in said:
            self._add(page, versions.check(page, pins))
            self._add(page, imports.check(page, self.tree))
            self._add(page, rosters.check(page, kinds))
        self.findings += secrets.check(self.tree, sorted(self.tree.files))
        self.findings += run_records.check(self.tree)
        counted = sum(len(found) for _, found in said)
        order = sorted(self.findings, key=lambda f: (f.problem.path, f.problem.line, f.problem.column))
        cards = any(page.front.text("service") for page in read if "\nservice:" in page.text[:4000])
        return Checked(
            findings=tuple(dict.fromkeys(order)),
            pages=len(read),
            facts=tuple(self.facts),
            blocks=self.blocks,
            commands=counted,
            has_service_cards=cards,
        )

    def _page(self, path: str) -> Page | None:
        try:
            if (self.tree.root / path).is_symlink() and not self.tree.text(path):
                return None
            return pages.read(self.tree.root, path)
        except BadInput as error:
            self.findings += [Finding(problem) for problem in error.problems]
            return None

    def _bound(self, page: Page) -> None:
        problems: list[Problem] = []
        facts, edits = bound.check(page, self.places, problems)
        blocks_, written = blocks.check(page, self.census, problems)
        self.facts += facts
        self.blocks += blocks_
        self.edits[page.path] = [*edits, *_outside(edits, written)]
        self.findings += [Finding(problem) for problem in problems]

    def _documented(self, said: list[tuple[Page, list[Command]]]) -> None:
        rule = commands.context_is_the_rule(said)
        dead: list[tuple[Page, str, Finding]] = []
        for page, found in said:
            for one in commands.check(page, self.census, found, self.clis):
                is_context = one.problem.what == programs.NO_CONTEXT
                self._add(page, [Finding(one.problem, rule) if is_context else one])
            dead += [(page, path, one) for path, one in paths.check(page, self.tree, found)]
        ignored = paths.ignored(self.tree, [path for _, path, _ in dead])
        told = {(one.problem.path, one.problem.line) for one in self.findings if one.sure}
        for page, path, one in dead:
            twice = (page.path, one.problem.line) in told and page.line(one.problem.line).count(path) == 1
            self._add(page, [] if twice or path in ignored else [one])

    def _add(self, page: Page, findings: Iterable[Finding]) -> None:
        self.findings += [one for one in findings if one.problem.line not in page.silenced]


def _outside(edits: list[Edit], written: list[Edit]) -> list[Edit]:
    """The blocks in which no value is rewritten: two edits of one place would spoil each other."""
    return [w for w in written if not any(w.start <= e.start < w.end for e in edits)]

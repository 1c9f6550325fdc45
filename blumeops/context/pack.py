"""A context pack: what an assistant needs for a question or task, in Markdown, within a budget of tokens.

Parts by what they are for: how to read it and what may not be done, the runbook for the task, the sections
that answer (by their worth for each token, from several pages), what Git says of the things that are named,
the state of the layers if it was asked for, and where there is more. Nothing is changed and no engine runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blumeops.context import asked, choice, freshness, git_says, rails, rehearsed, shown, tokens
from blumeops.context.asked import Focus, Subject
from blumeops.context.freshness import Mark
from blumeops.context.git_says import Row
from blumeops.context.index import Index
from blumeops.context.live import Live
from blumeops.context.model import Hit, Kind, Section
from blumeops.context.rehearsed import Rehearsed
from blumeops.context.untrusted import clean
from blumeops.site.cache import Cache

FOUND = 60
"""So many sections are looked at for one pack."""

RUNBOOKS = 2
"""At most so many runbooks are named for a task."""

FAR_RUNBOOK = 0.5
"""A runbook is for the task when its best section has at least this part of the best score."""

RAILS_SHARE, ROWS_SHARE, LIVE_SHARE, ALSO_SHARE = 0.12, 0.1, 0.25, 0.04
"""The part of a budget that may go to the guard rails, to Git's rows, the live state and the pointers."""

SMALL = 300
"""Tokens; a smaller pack does not even say where the guard rails stand."""

FOOT, CUT = 30, 8
"""Tokens that are kept for the last line, and for what says that an excerpt is cut."""

POINTERS = 12
"""At most so many places are named that have no room."""

ABOUT = 5
"""So many of the best sections say what a pack is about, beside its question."""

MARKS = 3
"""So many marks stand above an excerpt; one line says how many more there are."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some lines of one file as they stand there, cleaned, with what of them does not hold any more.

    `headings` is the way to it below the page's title. `clipped` says that its end is missing.
    """

    path: str
    line: int
    last: int
    kind: Kind
    anchor: str
    title: str
    headings: tuple[str, ...]
    text: str
    score: float
    why: str
    clipped: bool = False
    marks: tuple[Mark, ...] = ()

    @property
    def place(self) -> str:
        """Where it stands in the source: `docs/reference/policy.md:12-30`."""
        return shown.place(self.path, self.line, self.last)

    def markdown(self) -> str:
        """The excerpt in its fence, under its marks."""
        way = shown.crumbs(self.title, self.headings) if self.kind in (Kind.PAGE, Kind.RUNBOOK) else ""
        return shown.excerpt(self.place, way, self.text, self.here, clipped=self.clipped)

    @property
    def here(self) -> tuple[Mark, ...]:
        """The marks of its lines and those of the whole file, the first few."""
        return tuple(mark for mark in self.marks if mark.within(self.line, self.last))[:MARKS]


@dataclass(frozen=True, slots=True)
class Pack:
    """What goes to an assistant for one question. `left_out` says what there was no room for."""

    question: str
    budget: int
    focus: Focus | None = None
    rails: tuple[str, ...] = ()
    runbooks: tuple[Rehearsed, ...] = ()
    entries: tuple[Excerpt, ...] = ()
    desired: tuple[Row, ...] = ()
    live: Live | None = None
    also: tuple[Section, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether anything of the repository is in it, or would be with more room."""
        return bool(self.entries or self.desired or self.runbooks or self.also or self.left_out)

    def markdown(self) -> str:
        """The pack as an assistant reads it."""
        return "".join(self._blocks())

    @property
    def tokens(self) -> int:
        """How many tokens its Markdown has."""
        return tokens.count(self.markdown())

    def _blocks(self) -> Iterator[str]:
        yield shown.heading(self.question)
        yield f"{rails.DATA}\n"
        if self.rails:
            yield shown.listed("Guard rails", self.rails)
        if self.runbooks:
            yield shown.listed("Runbook", map(shown.runbook, self.runbooks))
        if self.entries:
            yield "## Read\n"
            yield from (entry.markdown() for entry in self.entries)
        if self.desired:
            yield shown.rows("Desired state", self.desired)
        if self.live:
            yield shown.live(self.live)
        if self.also:
            yield shown.pointers(self.also)
        if self.left_out:
            yield f"Left out for want of room: {', '.join(self.left_out)}.\n"
        if not self.found:
            yield NOTHING

    def as_json(self) -> dict[str, object]:
        """The same as plain data."""
        from blumeops.context import plain

        return plain.of(self)


NOTHING = "Nothing in this repository answers to these words. Say so; do not guess.\n"
"""What a pack says that found nothing."""


def pack(
    root: Path,
    question: str,
    *,
    budget: int = asked.DEFAULT,
    focus: str = "",
    live: Live | None = None,
    index: Index | None = None,
) -> Pack:
    """The context for a question or task, never of more tokens than the budget.

    `focus` is a layer, page or runbook that it is for, by any name. An open `index` is used where there is
    one. Raises `BlumeOpsError` for a question, budget or focus that cannot be meant.
    """
    said, room, root = asked.question(question), asked.budget(budget), root.resolve()
    aim = asked.focus(root, focus) if focus.strip() else None
    index = index or Index.open(root)
    with Cache(cache_file(root)) as cache:
        hits = index.search(said, limit=FOUND, only=aim.name if aim else "")
        begun = Pack(said, room, aim, rails=_rails(root, room), live=_bounded(live, room))
        begun = replace(begun, runbooks=tuple(_runbooks(root, hits, aim)))
        named = _named(root, cache, said, hits, aim)
        begun = replace(begun, desired=_within(named, int(room * ROWS_SHARE)))
        filled = _filled(begun, hits, root, cache)
        return _fitting(filled, hits, len(named))


def cache_file(root: Path) -> Path | None:
    """Where marks and rows are kept: beside the index; None in a folder that is not ours to write in."""
    return root / "build" / "context-marks.sqlite" if (root / "build").is_dir() else None


def _rails(root: Path, room: int) -> tuple[str, ...]:
    """The rails, or in a small pack where they stand."""
    full = rails.of(root)
    if tokens.count(shown.listed("Guard rails", full)) <= room * RAILS_SHARE:
        return full
    return (rails.POINTER,) if room >= SMALL else ()


def _bounded(live: Live | None, room: int) -> Live | None:
    """The live state, without its details where they would take too much room."""
    if live is None or tokens.count(shown.live(live)) <= room * LIVE_SHARE:
        return live
    return live.without_details()


def _runbooks(root: Path, hits: Sequence[Hit], aim: Focus | None) -> Iterator[Rehearsed]:
    """The runbooks for a task: the one that the pack is for, and those found nearly as well as the best."""
    wanted = [aim.path] if aim and aim.subject is Subject.RUNBOOK else []
    best = hits[0].score if hits else 0.0
    wanted += [
        hit.section.path
        for hit in hits
        if hit.section.kind is Kind.RUNBOOK and hit.score >= best * FAR_RUNBOOK
    ]
    for path in [*dict.fromkeys(wanted)][:RUNBOOKS]:
        yield rehearsed.of(root, Path(path).stem)


def _named(root: Path, cache: Cache, said: str, hits: Sequence[Hit], aim: Focus | None) -> tuple[Row, ...]:
    """What Git says of the things that the question names, then of those that the best pages are about."""
    known = git_says.read(root, cache)
    names = git_says.names(known)
    pages = [Path(hit.section.path).stem for hit in hits[:ABOUT] if hit.section.kind is Kind.PAGE]
    words = [said, aim.name if aim else "", *pages]
    return git_says.about(known, (name for text in words for name in git_says.named_in(text, names)))


def _within(named: Sequence[Row], room: int) -> tuple[Row, ...]:
    """The first rows that fit."""
    kept: list[Row] = []
    for row in named:
        if tokens.count(shown.rows("Desired state", [*kept, row])) > room:
            break
        kept.append(row)
    return tuple(kept)


def _filled(begun: Pack, hits: Sequence[Hit], root: Path, cache: Cache) -> Pack:
    """The pack with sections, as many as there is room for, and with the marks of their files."""
    reserve = int(begun.budget * ALSO_SHARE) + FOOT
    room = begun.budget - begun.tokens - reserve
    taken = choice.choose(hits, room, lambda section: tokens.count(_excerpt(Hit(section, 0, "")).markdown()))
    entries = _merged([_cut(_excerpt(one.hit), one.limit) for one in taken])
    marks = freshness.of(root, (entry.path for entry in entries), cache)
    return replace(begun, entries=tuple(replace(one, marks=marks.get(one.path, ())) for one in entries))


def _excerpt(hit: Hit) -> Excerpt:
    """A section as it goes into a pack: cleaned, with the lines that are left of it."""
    one = hit.section
    said = clean(one.text)
    text = said.lstrip("\n")
    first = one.line + len(said) - len(text)
    text = text.rstrip("\n")
    last = first + text.count("\n")
    return Excerpt(
        one.path, first, last, one.kind, one.anchor, one.title, one.headings, text, hit.score, hit.why
    )


def _cut(one: Excerpt, limit: int) -> Excerpt:
    """The beginning of an excerpt, so that all of it takes no more than so many tokens; 0 for no limit."""
    if not limit or (over := tokens.count(one.markdown()) - limit) <= 0:
        return one
    text = tokens.clip(one.text, max(tokens.count(one.text) - over - CUT, 1)).rstrip("\n")
    return replace(one, text=text, last=one.line + text.count("\n"), clipped=True)


def _merged(found: Iterable[Excerpt]) -> tuple[Excerpt, ...]:
    """Excerpts by file in the order of their best, neighbours made one."""
    by_path: dict[str, list[Excerpt]] = {}
    for one in found:
        by_path.setdefault(one.path, []).append(one)
    made: list[Excerpt] = []
    for those in by_path.values():
        for one in sorted(those, key=lambda entry: entry.line):
            before = made[-1] if made and made[-1].path == one.path else None
            if before and not before.clipped and 0 < one.line - before.last <= choice.GAP:
                made[-1] = _joined(before, one)
            else:
                made.append(one)
    return tuple(made)


def _joined(before: Excerpt, after: Excerpt) -> Excerpt:
    gap = "\n" * (after.line - before.last)
    best = max(before, after, key=lambda one: one.score)
    return replace(
        before, last=after.last, text=f"{before.text}{gap}{after.text}", clipped=after.clipped,
        score=best.score, why=best.why,
    )  # fmt: skip


def _fitting(full: Pack, hits: Sequence[Hit], named: int) -> Pack:
    """The pack with its pointers and its last line, made smaller from its end until it fits."""
    made = _footed(full, hits, named)
    while made.tokens > made.budget:
        full = _smaller(full, made.tokens - made.budget)
        made = _footed(full, hits, named)
    for one in _left(full, hits):
        more = _footed(replace(full, also=(*made.also, one)), hits, named)
        if more.tokens > made.budget or len(made.also) >= POINTERS:
            break
        made = more
    return made


def _footed(full: Pack, hits: Sequence[Hit], named: int) -> Pack:
    """The pack with what it says of what it leaves out."""
    left = len(_left(full, hits)) - len(full.also)
    said = []
    if left > 0:
        said.append(f"{left} sections that were found")
    if named > len(full.desired):
        said.append(f"{named - len(full.desired)} facts of the desired state")
    if not full.rails:
        said.append("the guard rails")
    return replace(full, left_out=tuple(said))


def _left(full: Pack, hits: Sequence[Hit]) -> list[Section]:
    """The found sections that do not stand in a pack."""
    inside = {(one.path, line) for one in full.entries for line in range(one.line, one.last + 1)}
    return [hit.section for hit in hits if (hit.section.path, _excerpt(hit).line) not in inside]


def _smaller(full: Pack, over: int) -> Pack:
    """The pack without what is missed least: pointers, Git's rows, the end of the last section, the rest."""
    if full.also:
        return replace(full, also=full.also[:-1])
    if full.desired:
        return replace(full, desired=full.desired[: len(full.desired) // 2])
    if full.entries:
        last = full.entries[-1]
        size = tokens.count(last.markdown())
        if size - over >= choice.WORTH_CUTTING:
            return replace(full, entries=(*full.entries[:-1], _cut(last, size - over)))
        return replace(full, entries=full.entries[:-1])
    if full.runbooks:
        return replace(full, runbooks=full.runbooks[:-1])
    if full.live and not full.live.is_short:
        return replace(full, live=full.live.without_details())
    if full.rails:
        return replace(full, rails=())
    return replace(full, live=None, question=_shorter(full.question))


def _shorter(question: str) -> str:
    """A question that is cut once more; one character is always there."""
    return question[: max(len(question) // 2, 1)].rstrip() or question[:1]

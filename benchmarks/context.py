"""How often a context pack has the page and the words that answer, beside the searches that it has to beat.

    .venv/bin/python benchmarks/context.py --json
    .venv/bin/python benchmarks/context.py --misses
    .venv/bin/python benchmarks/context.py --times
    .venv/bin/python benchmarks/context.py --root ~/notes

No model judges anything: a page is in the pack or it is not, and so are the words of its answer. The same
files always give the same shares; only the times differ. A third of the questions is aside, and nothing was
tuned by it: its figures stand apart. With `--root DIR` the questions are the links of any vault; it may be
given more than once, and what all vaults say together stands last.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import figures  # beside this file, where Python looks first for a script
from context import corpus, links, questions, timing, vaults  # the folder beside this file
from context.questions import Answer, Question
from context.searches import Bm25s, FixedList, Fts5, Ours, Search
from context.vaults import Answered

from blumeops.context.index import Index

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = (2000, 4000)
AT_LEAST = {"page_in_2000": 0.90, "page_in_4000": 0.95, "facts": 0.90}
AT_MOST = {"pack_ms_at_1000": 150.0}
"""Goals. The first are for all questions at these budgets, the last for a vault of 1,000 pages."""
ASKED = "the wiki shows a 502, is the proxy itself broken?"

Had = Mapping[int, Sequence[Answer]]


def searches(*, alone: bool) -> dict[str, Search]:
    """The pack, and what it is compared with over the same sections of this repository."""
    index = Index.open(ROOT)  # once: every question meets the same files
    ours: dict[str, Search] = {"": Ours(ROOT, index)}
    if alone:
        return ours
    sections = tuple(corpus.sections(index))
    linked = links.linked(links.read(index))
    others = {"fts5": Fts5(sections), "bm25s": Bm25s(sections), "fixed": FixedList(sections, linked)}
    return {**ours, **others}


def asked_here(
    budgets: Sequence[int], *, aside: bool, alone: bool
) -> tuple[dict[str, float], dict[str, Had]]:
    """The shares over all questions, those that may be tuned by, and those aside; and every answer."""
    every = [one for one in questions.read() if one.aside or not aside]
    said: dict[str, float] = {"questions": len(every), "aside_questions": sum(one.aside for one in every)}
    answered: dict[str, Had] = {}
    for name, search in searches(alone=alone).items():
        had = {budget: questions.answers(search, every, budget) for budget in budgets}
        answered[name] = had
        for part, chosen in _parts(aside=aside).items():
            kept = {
                budget: [one for one in each if one.question.aside in chosen] for budget, each in had.items()
            }
            said |= {
                _name(name, part, key): value for key, value in questions.shares(kept, max(budgets)).items()
            }
    return said, answered


def _parts(*, aside: bool) -> dict[str, tuple[bool, ...]]:
    return {"aside": (True,)} if aside else {"": (False, True), "tuned": (False,), "aside": (True,)}


def _name(*words: str) -> str:
    return "_".join(word for word in words if word)


def times(pages: int) -> dict[str, float]:
    """Milliseconds here, and in a vault of so many generated pages."""
    here = [one.question for one in questions.read()]
    said = {**timing.of(ROOT, here[::3]), **timing.command(ROOT, ASKED)}
    with timing.generated(pages) as (root, there):
        large = timing.of(root, there)
    return said | {f"{key}_at_{pages}": value for key, value in large.items()}


def tell_misses(answered: Mapping[str, Had]) -> None:
    """Which questions the pack had no page or not every fact for; those aside are only counted."""
    for budget, each in answered[""].items():
        missed = [one for one in each if not (one.page and all(one.facts))]
        for one in missed:
            if not one.question.aside:
                print(_miss(one.question, one, budget))
        aside = sum(one.question.aside for one in missed)
        print(f"{budget}: {len(missed)} of {len(each)}, {aside} of them aside\n")


def _miss(asked: Question, had: Answer, budget: int) -> str:
    lost = [fact[0] for fact, there in zip(asked.facts, had.facts, strict=True) if not there]
    what = "page" if not had.page else "fact"
    pages = " | ".join(sorted(asked.pages))
    return f"{budget} {what:4}  {asked.id}: {asked.question}\n           {pages}: {lost}"


def tell_links(every: Sequence[Answered]) -> None:
    """Who had the page of each link in the middle budget."""
    middle = vaults.BUDGETS[1]
    for vault in every:
        for number, one in enumerate(vault.asked):
            had = {name: each[number] for (name, size), each in vault.had.items() if size == middle}
            marks = " ".join(f"{name}:{int(there)}" for name, there in had.items())
            print(f"{marks}  {one.origin} -> {one.page}: {one.question}")


def main() -> None:
    """Print what was measured, beside the goals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--budget", type=int, action="append", help=f"tokens, may be given twice; {BUDGETS}")
    parser.add_argument("--aside", action="store_true", help="only the questions that nothing was tuned by")
    parser.add_argument("--alone", action="store_true", help="without the searches to compare with")
    parser.add_argument("--misses", action="store_true", help="which questions have no page or no answer")
    parser.add_argument("--times", action="store_true", help="how long it takes, and nothing else")
    parser.add_argument("--pages", type=int, default=1000, help="pages of the generated vault for --times")
    parser.add_argument("--root", type=Path, action="append", help="ask the links of this vault instead")
    parser.add_argument("--links", type=int, default=300, help="at most so many links of each")
    asked = parser.parse_args()
    if asked.root:
        every = [vaults.answered(root.resolve(), asked.links) for root in asked.root]
        if asked.misses:
            return tell_links(every)
        return figures.tell(vaults.told(every), {}, as_json=asked.json)
    if asked.times:
        return figures.tell(times(asked.pages), AT_MOST, as_json=asked.json)
    said, answered = asked_here(
        tuple(asked.budget or BUDGETS), aside=asked.aside, alone=asked.misses or asked.alone
    )
    if asked.misses:
        return tell_misses(answered)
    figures.tell(said, {}, as_json=asked.json, least=AT_LEAST)


if __name__ == "__main__":
    main()

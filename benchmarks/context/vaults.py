"""Link-context questions asked in a vault, page by page, each time without the page of the links."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from blumeops.context.index import Index

from . import compare, corpus, links
from .links import Asked
from .searches import BEST_K1_FOR_LINKS, Bm25s, Fts5, Ours, Search

BUDGETS = (2000, 4000, 8000)
Had = Mapping[tuple[str, int], Sequence[bool]]
"""Whether the page was there, question by question, for each search and budget."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The links of one vault that were asked, and what each search had for them."""

    name: str
    asked: tuple[Asked, ...]
    had: Had


def answered(root: Path, most: int) -> Answered:
    """Ask at most so many links of a vault."""
    with _copied(root) as (copy, cache), Index.open(copy, cache=cache) as index:
        asked = links.asked(copy, links.read(index), most)
        if not asked:
            raise SystemExit(f"{root}: no link stands in a sentence that asks something")
        sections = tuple(corpus.sections(index))
        others = {"fts5": Fts5(sections), "bm25s": Bm25s(sections, k1=BEST_K1_FOR_LINKS)}
        return Answered(root.name, asked, _had(copy, index, {"ours": Ours(copy, index), **others}, asked))


def told(every: Sequence[Answered]) -> dict[str, float]:
    """The shares of each search, and ours beside each of the others: by vault, and in all of them."""
    by_vault = [_told(f"{one.name}_" if len(every) > 1 else "", [one]) for one in every]
    return {key: value for said in by_vault for key, value in said.items()} | _told("", every)


def _told(name: str, vaults: Sequence[Answered]) -> dict[str, float]:
    groups = [f"{vault.name}:{one.origin}" for vault in vaults for one in vault.asked]
    had = {key: [one for vault in vaults for one in vault.had[key]] for key in vaults[0].had}
    said: dict[str, float] = {f"{name}link_questions": len(groups), f"{name}link_pages": len(set(groups))}
    for budget in BUDGETS:
        for search in ("ours", "bm25s", "fts5"):
            said[f"{name}{search}_link_page_in_{budget}"] = _share(had[search, budget])
        for other in ("bm25s", "fts5"):
            seen = compare.paired(had["ours", budget], had[other, budget], groups)
            over = f"{name}over_{other}_in_{budget}"
            said |= {over: seen.difference, f"{over}_low": seen.low, f"{over}_high": seen.high}
            said |= {f"{over}_p": seen.p, f"{over}_better": float(seen.better)}
    return said


def _had(copy: Path, index: Index, searches: Mapping[str, Search], asked: Sequence[Asked]) -> Had:
    had: dict[tuple[str, int], list[bool]] = {(name, size): [] for name in searches for size in BUDGETS}
    for origin, those in itertools.groupby(asked, key=lambda one: one.origin):
        with _without(copy / origin, index):
            for one, (name, budget) in itertools.product(those, had):
                taken = searches[name].take(one.question, budget, origin)
                had[name, budget].append(one.page in taken.paths)
    return had


def _share(each: Sequence[bool]) -> float:
    return sum(each) / len(each)


@contextmanager
def _copied(root: Path) -> Iterator[tuple[Path, Path]]:
    """A copy of what the index reads of a vault, to take pages out of, and a place for the index."""
    with tempfile.TemporaryDirectory(prefix="blumeops-bench-") as folder:
        copy = Path(folder) / "vault"
        with Index.open(root, cache=Path(folder) / "whole.sqlite") as index:
            paths = [*index.paths(), *(name for name in ("mkdocs.yml",) if (root / name).is_file())]
        for path in paths:
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, copy / path)
        yield copy, Path(folder) / "index.sqlite"


@contextmanager
def _without(file: Path, index: Index) -> Iterator[None]:
    """A vault that has never heard of a page."""
    text = file.read_bytes()
    file.unlink()
    index.refresh()
    try:
        yield
    finally:
        file.write_bytes(text)
        index.refresh()

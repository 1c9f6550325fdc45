"""Link-context questions asked in a vault, page by page, each time without the page of the links."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from blumeops.context.index import Index

from . import compare, corpus, links
from .links import Asked
from .searches import Bm25s, Fts5, Ours, Search

BUDGETS = (2000, 4000, 8000)
Had = Mapping[tuple[str, int], Sequence[bool]]
"""Whether the page was there, question by question, for each search and budget."""


def measured(root: Path, most: int) -> tuple[dict[str, float], tuple[Asked, ...], Had]:
    """The shares of each search, ours beside each of the others, and what each had for every question."""
    with _copied(root) as (copy, cache), Index.open(copy, cache=cache) as index:
        asked = links.asked(copy, links.read(index), most)
        if not asked:
            raise SystemExit(f"{root}: no link stands in a sentence that asks something")
        sections = tuple(corpus.sections(index))
        searches: dict[str, Search] = {
            "ours": Ours(copy, index), "fts5": Fts5(sections), "bm25s": Bm25s(sections),
        }  # fmt: skip
        had = _had(copy, index, searches, asked)
    said: dict[str, float] = {"link_questions": len(asked)}
    groups = [one.origin for one in asked]
    for budget in BUDGETS:
        said |= {f"{name}_link_page_in_{budget}": _share(had[name, budget]) for name in searches}
        for name in ("bm25s", "fts5"):
            seen = compare.paired(had["ours", budget], had[name, budget], groups)
            over = f"over_{name}_in_{budget}"
            said |= {over: seen.difference, f"{over}_low": seen.low, f"{over}_high": seen.high}
            said |= {f"{over}_p": seen.p, f"{over}_better": float(seen.better)}
    return said, asked, had


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

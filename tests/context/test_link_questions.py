"""Questions made of a vault's own links, and what may be said of two searches that were asked them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.context import compare, links, vaults
from blumeops.context.index import Index

BORING = "Every visitor of the old village knows this boring sentence of [[mend]]."
PAGES = {
    "lemur": """# Lemur

The [[fence|tall wooden barrier]] keeps strangers away from the mango orchard at night.

Whoever repairs a broken gate reads [how to mend](mend.md#glue) before Tuesday evening comes.

| what | where |
|---|---|
| colour of its newest paint | the blue bucket stands beside [[mend]] |

See [[fence]].
""",
    "fence": f"# Fence\n\nWood, three metres.\n\n{BORING}\n",
    "mend": "# Mend\n\nPatience helps.\n\n## Glue\n\nAlways warm.\n",
    "echo": f"# Echo\n\n{BORING}\n",
}


def written(folder: Path) -> Path:
    """A small vault."""
    (folder / "docs").mkdir()
    for name, text in PAGES.items():
        (folder / f"docs/{name}.md").write_text(text)
    return folder


def asked(folder: Path) -> dict[str, str]:
    """The questions of the small vault with the pages that they ask for."""
    with Index.open(written(folder), cache=folder / "index.sqlite") as index:
        return {one.question: one.page for one in links.asked(folder, links.read(index), 100)}


def test_a_link_asks_with_its_sentence_and_without_its_own_words(tmp_path: Path) -> None:
    found = asked(tmp_path)
    assert found["The keeps strangers away from the mango orchard at night."] == "docs/fence.md"
    assert found["Whoever repairs a broken gate reads before Tuesday evening comes."] == "docs/mend.md"
    assert found["colour of its newest paint the blue bucket stands beside"] == "docs/mend.md"
    assert not [one for one in found if "barrier" in one or "mend" in one]


def test_a_sentence_without_words_or_with_a_double_asks_nothing(tmp_path: Path) -> None:
    found = asked(tmp_path)
    assert not [one for one in found if "See" in one or "boring" in one]
    assert len(found) == 3


def test_nobody_finds_the_sentence_on_its_own_page(tmp_path: Path) -> None:
    answered = vaults.answered(written(tmp_path), 100)
    every, had = answered.asked, answered.had
    assert len(every) == 3
    assert {name for name, _ in had} == {"ours", "fts5", "bm25s"}
    # Its words stand on the page of the link alone: whoever has the page by them had them from there.
    orchard = next(number for number, one in enumerate(every) if "orchard" in one.question)
    assert not any(each[orchard] for (name, _), each in had.items() if name != "ours")
    assert {path.name for path in (tmp_path / "docs").iterdir()} == {f"{name}.md" for name in PAGES}


def test_one_lucky_page_makes_no_search_better() -> None:
    ours, other = [True] * 30, [False] * 30
    assert compare.paired(ours, other, [str(number) for number in range(30)]).better
    assert not compare.paired(ours, other, ["the same page"] * 30).better
    assert not compare.paired(ours, ours, [str(number) for number in range(30)]).better


def test_winning_as_often_as_losing_is_chance() -> None:
    ours = [number % 2 == 0 for number in range(40)]
    seen = compare.paired(ours, [not one for one in ours], [str(number) for number in range(40)])
    assert (seen.wins, seen.losses, seen.difference, seen.p) == (20, 20, 0.0, 1.0)
    assert seen.low < 0 < seen.high

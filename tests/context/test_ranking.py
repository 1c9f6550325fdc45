"""Ranking: laws that hold for any vault, each on the smallest vault that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops.context import question, thesaurus
from blumeops.context.index import Index
from blumeops.context.question import Form
from blumeops.errors import BlumeOpsError


def _index(tmp_path: Path, **pages: str) -> Index:
    for name, text in pages.items():
        file = tmp_path / "vault" / f"{name.replace('__', '/')}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Index.open(tmp_path / "vault", cache=tmp_path / "index.sqlite")


def _order(index: Index, asked: str, **options: object) -> list[str]:
    return list(dict.fromkeys(hit.section.path for hit in index.search(asked, **options)))


FILLER = "# Filler {0}\n\nNothing of this kind stands here, only number {0}.\n"


def _fillers(count: int = 8) -> dict[str, str]:
    return {f"docs__filler{number}": FILLER.format(number) for number in range(count)}


def test_a_page_is_found_by_an_alias_that_its_text_never_says(tmp_path: Path) -> None:
    pages = {"docs__box": "---\naliases: [wombat]\n---\n# Box\n\nA machine.\n", **_fillers()}
    assert _order(_index(tmp_path, **pages), "where is the wombat?")[0] == "docs/box.md"


def test_a_page_is_found_by_the_words_in_which_others_link_to_it(tmp_path: Path) -> None:
    pages = {
        "docs__a": "# A\n\nA page.\n",
        "docs__b": "# B\n\nThe numbat quokka lives in [[a]].\n",
        **_fillers(),
    }
    index = _index(tmp_path, **pages)
    assert set(_order(index, "numbat quokka")) >= {"docs/b.md"}
    (tmp_path / "vault/docs/a.md").write_text("# A\n\nA page that says numbat once among much else.\n")
    index.refresh()
    assert set(_order(index, "numbat quokka")[:2]) == {"docs/a.md", "docs/b.md"}


def test_another_word_of_the_trade_finds_the_page_and_the_words_own_page_comes_first(tmp_path: Path) -> None:
    pages = {
        "docs__x": "# Miniflux\n\nIt restarts.\n",
        "docs__y": "# Y\n\nThe feed reader restarts.\n",
        **_fillers(),
    }
    assert _order(_index(tmp_path, **pages), "the feed reader restarts")[:2] == ["docs/y.md", "docs/x.md"]


def test_words_far_apart_in_a_page_count_together(tmp_path: Path) -> None:
    pages = {
        "docs__both": "# P\n\n## One\n\nquokka\n\n## Two\n\nwombat\n",
        "docs__one": "# Q\n\n## One\n\nquokka\n",
        "docs__two": "# R\n\n## Two\n\nwombat\n",
        **_fillers(),
    }
    assert _order(_index(tmp_path, **pages), "quokka wombat")[0] == "docs/both.md"


def test_why_prefers_an_explanation_and_how_a_how_to(tmp_path: Path) -> None:
    text = "# Backups\n\nquokka archives\n"
    pages = {"docs__explanation__x": text, "docs__how-to__x": text, **_fillers()}
    index = _index(tmp_path, **pages)
    assert _order(index, "why quokka?")[0] == "docs/explanation/x.md"
    assert _order(index, "how do I quokka?")[0] == "docs/how-to/x.md"


def test_only_puts_a_page_first_with_all_of_it_and_its_neighbours_next(tmp_path: Path) -> None:
    pages = {
        "docs__me": "# Me\n\nSee [[near]].\n\n## Silent\n\nNo such word.\n",
        "docs__near": "# Near\n\nquokka\n",
        "docs__far": "# Far\n\nquokka\n",
        **_fillers(),
    }
    index = _index(tmp_path, **pages)
    order = _order(index, "quokka", only="me")
    assert order.index("docs/near.md") < order.index("docs/far.md")
    assert {"docs/me.md"} <= set(order)
    assert order == _order(index, "quokka", only="docs/me.md") == _order(index, "quokka", only="[[me]]")


def test_only_with_an_unknown_name_says_what_was_meant(tmp_path: Path) -> None:
    index = _index(tmp_path, docs__caddy="# Caddy\n\nx\n")
    with pytest.raises(BlumeOpsError) as caught:
        index.search("x", only="cady")
    assert "did you mean caddy?" in caught.value.hint.lower()


def test_scores_fall_within_a_page_and_no_more_than_the_limit_is_found(tmp_path: Path) -> None:
    sections = "\n\n".join(f"## S{number}\n\n{'quokka ' * (number + 1)}" for number in range(9))
    index = _index(tmp_path, docs__many=f"# Many\n\n{sections}\n", **_fillers())
    scores = [hit.score for hit in index.search("quokka", limit=5)]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("asked", "form"),
    [
        ("why is it red?", Form.WHY),
        ("how do I restore a backup?", Form.HOW),
        ("where is the log?", Form.WHERE),
        ("restore a backup", Form.OTHER),
    ],
)
def test_the_form_of_a_question_is_seen(asked: str, form: Form) -> None:
    assert question.read(asked).form is form


def test_a_phrase_of_the_thesaurus_is_one_concept_and_its_words_are_asked_for_too() -> None:
    concepts = {one.said[0]: one.also for one in question.read("is the reverse proxy up?").concepts}
    assert "caddy" in concepts["reverse proxy"]
    assert concepts["reverse"] == concepts["proxy"] == ()


def test_a_question_of_nothing_but_small_words_asks_for_them() -> None:
    assert [one.said for one in question.read("what is it?").concepts] == [("what",), ("is",), ("it",)]


def test_every_group_of_the_thesaurus_means_more_than_one_thing_once() -> None:
    for lines in thesaurus.groups().values():
        for phrase, *others in lines:
            assert others
            assert phrase not in others
            assert len(set(others)) == len(others)


def test_a_word_that_stands_everywhere_is_found_when_nothing_else_is_asked(tmp_path: Path) -> None:
    pages = {f"docs__p{number}": f"# P{number}\n\nquokka\n" for number in range(500)}
    index = _index(tmp_path, **pages, docs__odd="# Odd\n\nquokka wombat\n")
    assert len(index.search("quokka", limit=50)) == 50
    assert _order(index, "quokka wombat")[0] == "docs/odd.md"

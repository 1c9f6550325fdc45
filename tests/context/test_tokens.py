"""Tokens: counted offline, clipped in whole lines, and adding up at line ends."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from blumeops.context import tokens

WORDS = (
    "caddy",
    "127.0.0.1:9100",
    "`roles/`",
    "naïve",
    "日本語",
    "👩‍👩‍👧",
    "tag:homelab",
    "  ",
    "/srv/www",
    "…",
    "\t-",
    "#",
)


def _text(dice: random.Random, words: int) -> str:
    return "".join(dice.choice(WORDS) + dice.choice((" ", "\n", "", "\n\n")) for _ in range(words))


def test_a_count_is_that_of_the_whole_library() -> None:
    import bpe_openai

    encoding = bpe_openai.get_encoding(tokens.ENCODING)
    dice = random.Random(6)
    for _ in range(40):
        text = _text(dice, 30)
        assert tokens.count(text) == len(encoding.encode(text)), repr(text)


def test_nothing_has_no_tokens() -> None:
    assert tokens.count("") == 0


def test_half_a_character_is_counted_and_not_refused() -> None:
    assert tokens.count("\ud83d broken") > 0


def test_counts_add_up_at_a_line_end_before_a_letter_or_mark() -> None:
    dice = random.Random(7)
    for _ in range(200):
        pieces = [f"{dice.choice('a#`-[日')}{_text(dice, 8)}\n" for _ in range(4)]
        assert sum(map(tokens.count, pieces)) == tokens.count("".join(pieces)), pieces


@pytest.mark.parametrize("most", [0, 1, 2, 3, 5, 8, 13, 40, 10_000])
def test_a_clipped_text_is_a_beginning_within_its_tokens(most: int) -> None:
    dice = random.Random(most)
    for _ in range(20):
        text = _text(dice, 40)
        kept = tokens.clip(text, most)
        assert text.startswith(kept)
        assert tokens.count(kept) <= most


def test_a_text_is_clipped_between_two_lines_where_one_fits() -> None:
    text = "one two three\nfour five six\nseven eight nine\n"
    assert (
        tokens.clip(text, tokens.count("one two three\nfour five six\n")) == "one two three\nfour five six\n"
    )


def test_counting_does_not_load_the_half_of_the_library_that_is_slow() -> None:
    loaded = "print('bpe_openai' in sys.modules)"
    asked = f"import sys; from blumeops.context import tokens; tokens.count('x'); {loaded}"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

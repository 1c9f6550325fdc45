"""Front matter: what a person wrote, read alike by every engine, and nothing that grows when it is read."""

from __future__ import annotations

import re

import pytest
import yaml
from mkdocs.utils.meta import get_data

from blumeops.errors import BadInput
from blumeops.site import frontmatter, wikilinks
from blumeops.site.vault import page, vault


@pytest.mark.parametrize(
    ("front", "said_of_it"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]", "aliases"),
        ("a: *b", "aliases"),
        ("a: " + "[" * 5000, "nested"),
        ("\n".join("- " * n + "x" for n in range(3)), "front matter"),
        ("a:\n" + "".join(" " * n + "b:\n" for n in range(1, 150)), "nested"),
        ("a: 1\na: 2", "given twice"),
        ("a: {b: 1, b: 2}", "given twice"),
        ("a: !!python/name:os.system x", "tags"),
        ("a: !!int 3", "tags"),
        ("a: 2026-13-01", "no day"),
        ("? [x]\n: y", "not a word"),
        ("a: b: c", "mapping values"),
        (f"a: {'x' * 20_000}", "longer than"),
        ("just text", "not a list of"),
        ('a: "\\x"', "front matter"),
    ],
)
def test_d5_d6_front_matter_that_nobody_means_is_refused(front: str, said_of_it: str) -> None:
    """Bombs, deep nesting, aliases and keys given twice are errors that name the line (faults D5, D6)."""
    with pytest.raises(BadInput, match=said_of_it) as caught:
        page("x.md", "docs/x.md", f"---\n{front}\n---\n# X\n")
    assert re.match(r"docs/x\.md:\d+", caught.value.where)


def test_d5_a_bomb_of_400_bytes_is_refused_unread() -> None:
    """Nine levels of nine aliases would be a thousand million values; the first ends the reading (D5)."""
    levels = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    levels += [f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    text = "\n".join(levels)
    assert len(text) < 420
    with pytest.raises(BadInput) as caught:
        frontmatter.read(f"---\n{text}\n---\n", source="docs/x.md")
    assert caught.value.where == "docs/x.md:3:8"


TRAPS = {
    "no": "no",
    "yes": "yes",
    "on": "on",
    "Off": "Off",
    "y": "y",
    "22:22": "22:22",
    "1.10": "1.10",
    "1e3": "1e3",
    "0777": "0777",
    "0x1F": "0x1F",
    "1_000": "1_000",
    "+5": "+5",
    ".5": ".5",
    ".inf": ".inf",
    "TRUE": "TRUE",
    "NULL": "NULL",
    "2026-11-23 10:00": "2026-11-23 10:00",
    "<<": "<<",
    "=": "=",
    "12": 12,
    "-3": -3,
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "1" * 40: "1" * 40,
    "word": "word",
    '"no"': "no",
}


@pytest.mark.parametrize(("written", "meant"), TRAPS.items(), ids=[repr(word) for word in TRAPS])
def test_d6_a_value_is_what_a_person_wrote(written: str, meant: object) -> None:
    """YAML 1.1 makes `no` a false and `22:22` the number 1342; here they stay text, on the site too (D6)."""
    text = f"---\ntitle: X\nvalue: {written}\nlist: [{written}]\n---\nText.\n"
    one = page("x.md", "docs/x.md", text)
    front = one.front
    assert (front.values["value"], front.values["list"]) == (meant, [meant])
    _, published = get_data(wikilinks.rewrite(one, vault([one])).text)
    assert published == {"title": "X", "value": meant, "list": [meant]}


def test_d6_front_matter_that_is_written_is_read_as_the_same_by_every_reader() -> None:
    """Our reader and that of YAML 1.1 agree on what `write` makes of any value."""
    values: dict[str, object] = {
        "title": 'A "quoted" \\ text: #1',
        "no": ["no", "1.10", "é", "\u2028", "tab\t", "", "null", "- x", "{}"],
        "deep": {"a b": {"c": [1, True, None, {"d": "~"}]}},
        "on": "22:22",
        "day": yaml.safe_load("2026-11-23"),
    }
    made = frontmatter.write(values)
    assert frontmatter.read(made, source="x").values == values
    assert yaml.safe_load(made.split("---")[1]) == values

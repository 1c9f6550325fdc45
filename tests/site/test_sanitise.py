"""Raw HTML in a text: what is harmless is kept to the letter, what acts is shown and named (fault D2)."""

from __future__ import annotations

import random
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import markdown as python_markdown
import pytest
from mkdocs.config import load_config

from blumeops.errors import BadInput
from blumeops.site import staging
from blumeops.site.sanitise import Sanitised, sanitise
from tests.site.conftest import ROOT

HARMFUL = {
    "<script>alert(1)</script>": "<script>",
    "text <img src=x onerror=alert(1)>": "onerror='alert(1)' on <img>",
    "<svg onload=alert(1)></svg>": "<svg>",
    '<iframe src="//127.0.0.1"></iframe>': "<iframe>",
    '<a href="javascript:alert(1)">x</a>': "href='javascript:alert(1)' on <a>",
    '<a href=" jav&#x0A;ascript:alert(1)">x</a>': "on <a>",
    '<img src="data:text/html,x">': "src='data:text/html,x' on <img>",
    '<p style="background: url(//127.0.0.1)">x</p>': "this style on <p>",
    "[x](javascript:alert(1))": "this link's address",
    "[x](<java\tscript:alert(1)>)": "this link's address",
    "[x](javascript&colon;alert(1))": "this link's address",
    "[x][y]\n\n[y]: JavaScript:alert(1)": "this link's address",
    "![x](data:image/svg+xml,x)": "this link's address",
    "# x { onclick=alert(1) }": "onclick= in an attribute list",
    "[x](y){ title='}' onclick=alert(1) }": "onclick= in an attribute list",
    "[x](y){ href='javascript:alert(1)' }": "href= in an attribute list",
    '!!! note "<script>alert(1)</script>"\n    x': "<script>",
    "> <script>alert(1)</script>": "<script>",
    "[^1]: note\n\n    <script>alert(1)</script>\n\n[^1]": "<script>",
    "<div>\n`<script>alert(1)</script>`\n</div>": "<script>",
    "<div>\ntext\n\n    <script>alert(1)</script>\n</div>": "<script>",
    "  [^1]:\n\n    <script>alert(1)</script>\n\n[^1]": "<script>",
    "a <b\n\n    ><script>alert(1)</script>": "<script>",
    "`a\n<script>alert(1)</script>`": "<script>",
    "---\ntitle: <script>alert(1)</script>\n---\n# x": "<script>",
}
KEPT = (
    '<details open><summary>more</summary>\n\ntext\n\n</details>',
    "<kbd>Ctrl</kbd>+<kbd>C</kbd><br>a<br/>b <sub>1</sub><!-- fact: a.yaml#images[0].newTag -->",
    '<div class="grid cards" markdown="1">\n\n-   x\n\n</div>',
    '<table><tr><td colspan="2" style="text-align: right">x</td></tr></table>',
    '<a href="page.md" title="a &amp; b" target="_blank">x</a>',
    '<span id="here" data-x="1" aria-label="y"></span>',
    "<https://127.0.0.1/x> <me@127.0.0.1> a < b, a <b> c </b>",
    "`<script>` and ``<img onerror=x>`` and `a | b`",
    "```html\n<script>alert(1)</script>\n```\n\n~~~\n<svg onload=x>\n~~~",
    "text\n\n    <script>indented(1)</script>\n\ntext",
    "- a\n\n    ```bash\n    cat <<EOF > x\n    <script>\n    ```\n",
    '[x](y.md){ .md-button title="z" width="3" } and {{ jinja }} and `{job="x"}`',
    "[x](<my page.md>)\n\n[^y]: data: is a word",
    "<!-- <b> is bold -->",
)  # fmt: skip
SHOWN = {
    "ssh <host> -p <PORT>": "ssh &lt;host> -p &lt;PORT>",
    "cat <<EOF": "cat &lt;&lt;EOF",
    "<b class=x data-md-toggle=search>y</b>": '<b class="x">y</b>',
    "<!-- never closed": "&lt;!-- never closed",
    "<javascript://%0aalert(1)>": "&lt;javascript://%0aalert(1)>",
}  # fmt: skip


@pytest.mark.parametrize("text", HARMFUL)
def test_what_acts_is_named_with_its_line_and_does_not_act(text: str) -> None:
    made = sanitise(f"one\n\n{text}" if not text.startswith("---") else text, source="docs/x.md")
    assert made.problems
    problem = made.problems[0]
    assert HARMFUL[text] in problem.what
    assert (problem.path, problem.hint != "") == ("docs/x.md", True)
    lines = text.split("\n") if text.startswith("---") else ["one", "", *text.split("\n")]
    word = re.search(r"script|on\w+=|svg|iframe|data|style|href", lines[problem.line - 1], re.IGNORECASE)
    assert word, f"line {problem.line} is not the one"
    assert acts(made.text) == []


@pytest.mark.parametrize("text", KEPT)
def test_what_is_harmless_is_kept_to_the_letter(text: str) -> None:
    assert sanitise(text, source="x") == Sanitised(text)


@pytest.mark.parametrize("text", SHOWN)
def test_what_html_does_not_know_is_shown_as_it_was_written(text: str) -> None:
    """A word in angle brackets would vanish from the page; it is no error."""
    made = sanitise(text, source="x")
    assert (made.text, made.problems) == (SHOWN[text], ())


def test_a_trusted_page_is_left_alone() -> None:
    text = "---\ntrusted: true\n---\n<script>let it = 1</script>\n"
    assert sanitise(text, source="x").text == text
    assert sanitise(text.replace("true", "false"), source="x").problems


def test_an_unsafe_page_fails_the_check(small: Path) -> None:
    """`docs check` and `docs build` name file, line and column, and nothing is staged."""
    with (small / "docs/index.md").open("a") as page:
        page.write("\nHello <img src=x onerror=alert(1)>\n")
    lines = (small / "docs/index.md").read_text().count("\n")
    with pytest.raises(BadInput, match=rf"docs/index\.md:{lines}:7: onerror="):
        staging.stage(small)


@cache
def configured() -> python_markdown.Markdown:
    """Python-Markdown as the site's configuration sets it up."""
    config = load_config(str(ROOT / "mkdocs.yml"))
    return python_markdown.Markdown(
        extensions=config["markdown_extensions"], extension_configs=config["mdx_configs"]
    )


class _Reader(HTMLParser):
    """What in a rendered page would act, as a browser reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.acts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "svg", "style", "base", "meta", "link", "form"):
            self.acts.append(tag)
        for name, value in attrs:
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            loads = name == "style" and "url(" in address
            if loads or name.startswith("on") or address.startswith(("javascript:", "data:")):
                self.acts.append(f"{tag} {name}={value}")


def acts(text: str) -> list[str]:
    """What would act in a text after the site's own renderer was through with it."""
    reader = _Reader()
    reader.feed(configured().reset().convert(text))
    reader.close()
    return reader.acts


PIECES = """
`|``|@|@@|    |  |```@|```py@|~~~@|- |1. |> |a # b @---#---@|# |<div>|</div>|<div markdown="1">|<details>|
</details>|<pre>|</pre>|<code>|</code>|<!--|-->|\\|\\`|# |[^1]: |:   def|text|word |!!! note "x"@|=== "t"@
|<br>|<span title="`">|<span>|</span>|"|'|<p>|==|**|[|](|<|>|&lt;|```{code-cell} ipython3@|``` a b <c>@|<hr>
|<b|{|}|[[x#|]]|--!>|<?|?>|<![CDATA[|]]>|<!DOCTYPE x>|<li>|<table>|[x](y|![a|](b)|[x][r]|[r]: 
|{ title="| }|{: .c }
""".strip().replace("\n", "").split("|")  # fmt: skip
PAYLOADS = (*(text for text in HARMFUL if not text.startswith("---")), '`" onclick=alert(1) x="`',
            '<b title=" onclick=alert(1) ">', "{ title='<b class=\" onclick=alert(1) \">' }")  # fmt: skip


BELOW_A_LIST = (
    "  1. a\nterm\n\ntext\n\n    <script>1</script>\n|---|---|\n:   def\n",
    "  1. a\nterm\n<script>1</script> | b\n          a\n<script>1</script>\ntext\n\t\n"
    "    <script>1</script>\n|---|---|\n:   def\n     ",
    "- a\nlazy\n\n    <script>1</script>\n|---|---|\n",
    "- a\nlazy\nlazy\n\n        x | y\n        --|--\n        <script>1</script> | b\n",
)


@pytest.mark.parametrize("text", BELOW_A_LIST)
def test_what_is_indented_below_an_item_that_goes_on_is_no_code_D2(text: str) -> None:
    """A line right below an item is the item's, so what is indented after it may be a table of the item."""
    assert acts(sanitise(text, source="x").text) == []


def test_code_below_a_paragraph_stays_code() -> None:
    text = "- a\n\nA paragraph\nof two lines.\n\n    <script>let it = 1</script>\n"
    assert sanitise(text, source="x") == Sanitised(text)


def test_no_mixture_of_markdown_and_harm_acts() -> None:
    """Texts thrown together from marks and harm, through the real renderer: nothing of them acts.

    The seed is fixed, so a failure is the same for everyone; with other seeds 100,000 texts were looked at.
    """
    dice = random.Random(4)
    for _ in range(600):
        pieces = [
            dice.choice(PAYLOADS if dice.random() < 0.15 else PIECES) for _ in range(dice.randint(3, 20))
        ]
        text = "".join(pieces).replace("@", "\n").replace("#", "|")
        made = sanitise(text, source="x")
        assert made.text.count("\n") == text.count("\n")
        assert acts(made.text) == [], (text, made.text)

"""What comes from a live system is shown, and can do nothing (fault D2)."""

from __future__ import annotations

import functools
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from markdown import Markdown

from blumeops.records import Output
from blumeops.site import outputs
from tests.site.conftest import ROOT

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a <svg onload=alert(1)> b",
    "[x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "![x](http://127.0.0.1:9/pixel.png)",
    "[x]: javascript:alert(1)\n\n[x][x] [x]",
    "# A heading {: onclick=alert(1) }",
    "text\n{: onclick=alert(1) }",
    "*x*{: style=position:fixed }",
    "```\n<b>\n```\n<script>alert(1)</script>",
    "```\n<script>alert(1)</script>",
    "~~~\n<script>alert(1)</script>\n````",
    "`<script>alert(1)</script>`",
    "`\n<script>alert(1)</script>\n`",
    "``<b>`` `<i onclick=x>",
    "| a | b |\n|---|---|\n| <script>1</script> | [x](data:text/html,1) |",
    "    <script>alert(1)</script>",
    "- item\n\n        <script>alert(1)</script>",
    '<div markdown="1">\n# x\n</div>',
    '!!! note "<script>alert(1)</script>"\n    <b onclick=x>',
    "Title <img src=x onerror=1>\n===========\n",
    "\x02wzxhzdk:0\x03 \x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07",
    "</div></div><script>alert(1)</script>",
    "[^1]\n\n[^1]: <script>alert(1)</script>",
    "term\n:   <script>alert(1)</script>",
    "[[indri]] ![[pic.svg]] <!-- blumeops:state -->",
    "\\<script>alert(1)</script> \\`<b>`",
    "&lt;script&gt; &#60;script&#62;",
    "``` {onclick=alert(1)}\nx\n```",
    "```js onload=alert(1)\nx\n```",
)
ALLOWED = {
    "p", "em", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "ul", "ol", "li", "div",
    "span", "br", "hr", "blockquote", "dl", "dt", "dd", "del", "mark", "nav", "button",
}  # fmt: skip


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


class _Config(yaml.SafeLoader):
    """Reads the site's configuration, whose one Python name is the slugifier, which does not matter here."""


_Config.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: None)


@functools.cache
def _markdown() -> Markdown:
    listed = yaml.load((ROOT / "blumeops/site/mkdocs.yml").read_text(), _Config)["markdown_extensions"]
    settings: dict[str, Any] = {}
    for entry in listed:
        settings |= entry if isinstance(entry, dict) else {entry: {}}
    settings["toc"] = {}
    return Markdown(extensions=list(settings), extension_configs=settings)


def render(text: str) -> _Tags:
    """A text rendered with the site's own extensions, as tags and words."""
    page = f'<div class="cell-output" markdown="1">\n\n{text}\n\n</div>\n\n## The page goes on\n'
    parser = _Tags()
    parser.feed(_markdown().reset().convert(page))
    return parser


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("mime", ["text/markdown", "text/plain", "text/html"])
def test_an_output_cannot_act(mime: str, text: str) -> None:
    """No script, no attribute that runs one, no address, no picture, no heading; the page goes on."""
    page = render(outputs.to_markdown(Output(mime, text)))
    *said, heading = [(tag, attributes) for tag, attributes in page.seen if tag != "a"]
    assert heading == ("h2", {"id": "the-page-goes-on"})
    assert {tag for tag, _ in said} <= ALLOWED
    allowed = {"class", "style"} if "style=position" not in text else {"class"}
    assert all(set(attributes) <= allowed for _, attributes in said), said
    assert not [tag for tag, _ in page.seen if tag == "a"]


def test_what_an_output_says_is_shown_as_it_was() -> None:
    """Being harmless does not mean being lost: the reader sees the characters."""
    for mime in ("text/plain", "text/markdown"):
        said = "".join(render(outputs.to_markdown(Output(mime, "x <b>[[indri]]</b> {y} & z"))).words)
        assert "x <b>[[indri]]</b> {y} & z" in said


def test_tables_lists_and_diffs_of_a_markdown_output_work() -> None:
    """A report's own Markdown is the one rich form of an output."""
    report = (
        "| layer | state |\n|---|---|\n| hosts | **drifted** `a \\| b` |\n\n```diff\n- <old>\n+ new\n```\n"
    )
    page = render(outputs.to_markdown(Output("text/markdown", report)))
    tags = [tag for tag, _ in page.seen]
    assert {"table", "td", "strong", "pre"} <= set(tags)
    assert "a | b" in page.words
    assert "<old>" in "".join(page.words)


def test_terminal_colours_and_overwritten_lines_are_gone() -> None:
    """What a terminal would have shown in the end is what the page shows."""
    assert outputs.clean("\x1b[32mok\x1b[0m 1%\r\x1b[K2%\rdone\nnext\r\n") == "done\nnext\n"


def test_nothing_in_a_text_closes_its_fence() -> None:
    """The fence is longer than every run of backticks in the text."""
    text = "```\n````\n``` x"
    fenced = outputs.fence(text)
    assert fenced.splitlines()[0].startswith("`````text")
    assert text in "".join(render(fenced).words)


def test_a_long_output_is_cut_and_says_so() -> None:
    """A page stays readable; the record has the rest."""
    shown = outputs.to_markdown(Output("text/plain", "\n".join(map(str, range(1000)))))
    assert re.search(r"… 600 more lines", shown)

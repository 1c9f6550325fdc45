"""What a notebook shows of plans and reports: tables that nothing an engine said can break."""

from __future__ import annotations

import contextlib
import re
import secrets
import string
from html.parser import HTMLParser
from pathlib import Path

import pytest

from blumeops import plan_html, redact
from blumeops.plan import Action, Change, Coverage, Outcome, Plan, Report, Result, State, Status
from tests.test_plan import ANSWERS, Answer

HOSTILE = (
    """<script src="https://evil.example/x.js"></script>"><img src=x onerror='x()'>&amp;`|[a](javascript:x)"""
)
OURS = {
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "b",
    "code",
    "div",
    "details",
    "summary",
    "pre",
    "span",
    "a",
}


class Seen(HTMLParser):
    """The elements and attributes of a text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("answer", [answer for answer, _ in ANSWERS.values()], ids=list(ANSWERS))
def test_every_answer_is_a_row_that_says_its_state(answer: Answer) -> None:
    seen = Seen(answer._repr_html_())
    assert seen.elements.count("tr") == 2
    assert re.search(r"in sync|no change|pending|drifted|degraded|unknown|done|failed", seen.text)
    assert ("✓" not in seen.text) and ("tailnet" in seen.text)
    assert "| tailnet |" in answer._repr_markdown_()


def test_an_engine_says_text_and_never_html() -> None:
    change = Change(Action.UPDATE, HOSTILE, f"+{HOSTILE}\n-{HOSTILE}\n")
    hostile = Report("plan", HOSTILE, (
        Plan(HOSTILE, "f", "f", (change,), Coverage(1, 1, (HOSTILE,))),
        Status(HOSTILE, State.UNKNOWN, HOSTILE, error=HOSTILE, details=(HOSTILE,)),
        Result(HOSTILE, "f", (change,), (Outcome.FAILED,), error=HOSTILE, notes=(HOSTILE,)),
    ))  # fmt: skip
    seen = Seen(hostile._repr_html_())
    assert set(seen.elements) <= OURS
    assert {name for name, _ in seen.attributes} <= {"style", "href"}
    assert HOSTILE in seen.text


def test_a_table_asks_no_other_host_for_anything() -> None:
    """Its only links are to pages of the checkout around, relative to the notebook."""
    layers = ("tailnet", "hosts", "cluster")
    shown = Report("status", "sandbox", tuple(Status(name, State.IN_SYNC) for name in layers))
    folder = Path(__file__).parents[1] / "runbooks"
    with contextlib.chdir(folder):
        links = [value for name, value in Seen(shown._repr_html_()).attributes if name == "href"]
    assert len(links) == 3
    for link in links:
        assert link.startswith("../docs/") and (folder / link).is_file()


def test_a_checkout_without_our_pages_has_no_links_to_them(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with contextlib.chdir(tmp_path):
        assert "href" not in Status("tailnet", State.IN_SYNC)._repr_html_()


def test_no_secret_reaches_a_notebook() -> None:
    told = secrets.token_urlsafe(24)
    redact.remember(told)
    shape = "-".join(("tskey", "auth", "".join(secrets.choice(string.ascii_letters) for _ in range(20))))
    lines = "\n".join("".join(secrets.choice(string.ascii_letters) for _ in range(64)) for _ in range(3))
    key = f"-----BEGIN OPENSSH {'PRIVATE'} KEY-----\n{lines}\n-----END OPENSSH {'PRIVATE'} KEY-----"
    change = Change(Action.CREATE, f"a {told}", f"+{told}\n+{shape}\n{key}\n")
    shown = plan_html.table(
        [Plan("hosts", "f", "f", (change,), Coverage(1, 1)), Status("hosts", State.UNKNOWN, told)]
    )
    assert "[secret]" in shown
    for secret in (told, shape, *lines.split("\n")):
        assert secret not in shown

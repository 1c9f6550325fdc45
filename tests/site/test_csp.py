"""The policy of a page lets the theme's own scripts run, and no others."""

from __future__ import annotations

import base64
import hashlib
import re

from blumeops.site import csp

HEAD = '<html><head>\n<meta charset="utf-8"><title>x</title>'
OWN = "<script>let own = 1\n</script>"
BROUGHT = "<script>let brought = 1</script>"


def hashed(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def directive(page: str, name: str) -> str:
    found = re.search(rf'http-equiv="Content-Security-Policy" content="[^"]*?{name} ([^;"]*)', page)
    assert found
    return found[1]


def test_a_script_of_the_theme_has_its_hash_and_one_of_a_text_has_none() -> None:
    content = f"<p>text</p>{BROUGHT}"
    page = csp.add(f"{HEAD}{OWN}</head><body>{content}</body></html>", content=content)
    assert directive(page, "script-src") == f"'self' {hashed('let own = 1' + chr(10))}"


def test_a_trusted_page_may_bring_a_script() -> None:
    page = csp.add(f"{HEAD}</head>{BROUGHT}</html>", content=BROUGHT, trusted=True)
    assert hashed("let brought = 1") in directive(page, "script-src")


def test_data_and_files_need_no_hash() -> None:
    """A block of JSON does not run, and a file is covered by `'self'`."""
    inside = '<script type="application/json">{}</script><script src="x.js"></script>'
    assert "sha256" not in csp.policy(inside)
    assert "sha256" in csp.policy('<script type="module">x</script>')


def test_the_policy_is_the_first_thing_that_a_browser_reads() -> None:
    """What stands before it would not be covered by it; the page is otherwise as it was."""
    page = f"{HEAD}{OWN}</head></html>"
    made = csp.add(page)
    assert made.index("Content-Security-Policy") < made.index("<title>") < made.index("<script>")
    assert re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", made) == page
    assert csp.add(page) == made


def test_no_policy_lets_just_any_script_run() -> None:
    for text in (csp.policy(OWN), csp.HEADERS["Content-Security-Policy"]):
        scripts = [part for part in text.split("; ") if part.startswith(("script-src", "default-src"))]
        assert not [part for part in scripts if "unsafe" in part or "*" in part or "http" in part]
    assert "object-src 'none'" in csp.policy("") and "base-uri 'self'" in csp.policy("")

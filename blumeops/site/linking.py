"""From what a link says to standard Markdown: the relative path, the anchor, the text that is shown."""

from __future__ import annotations

import html
import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from blumeops.site import anchors, suggest
from blumeops.site.syntax import Wikilink
from blumeops.site.vault import Page, Unresolved, Vault, caseless

_SPECIAL = re.compile(r"([\\`*_{}\[\]|])")
_STRUCTURE = re.compile(r"([{}\[\]|])")
_CODE = re.compile(r"((?<![`\\])(`+)(?!`)[^\n]+?(?<!`)\2(?!`))")
_PLAIN_FRAGMENT = re.compile(r"[\w^:.-]+")
_SIZE = re.compile(r"(\d+)(?:x(\d+))?")
IMAGES = frozenset({".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp"})


@dataclass(frozen=True, slots=True)
class Made:
    """A link in standard Markdown, and the path of what it leads to."""

    text: str
    target: str


def link(written: Wikilink, page: Page, vault: Vault, base: str) -> Made | Unresolved:
    """A link that stands in `page`, for a text published at `base`: there, or where it is embedded."""
    target = vault.resolve(written.target, origin=page.path) if written.target else page
    if isinstance(target, Unresolved):
        path = vault.file(written.target, origin=page.path) if "." in written.target else None
        if path is None:
            return target
        return Made(f"[{_words(written, posixpath.basename(path))}]({relative(path, base)})", path)
    fragment = ""
    if written.heading:
        found = anchors.anchor(written.heading, target)
        if isinstance(found, Unresolved):
            return found
        fragment = f"#{found if _PLAIN_FRAGMENT.fullmatch(found) else quote(found)}"
    shown = target.title if "/" in written.target and not written.heading else written.shown
    path = relative(target.path, base) if target.path != base or not fragment else ""
    return Made(f"[{_words(written, shown)}]({path}{fragment})", target.path)


def picture(written: Wikilink, page: Page, vault: Vault, base: str) -> Made | Unresolved:
    """An embedded file: a picture with its size, or a link to a file that no page can show."""
    path = vault.file(written.target, origin=page.path)
    if path is None:
        names = {name: name for file in vault.files if (name := file.rpartition("/")[2])}
        near = suggest.Suggestions(names, caseless).nearest(written.target.rpartition("/")[2])
        hint = f"did you mean ![[{near}]]?" if near else "put the picture into docs/assets/"
        return Unresolved(f"![[{written.target}]] is no file under docs/", hint)
    if posixpath.splitext(path)[1].lower() not in IMAGES:
        return Made(f"[{escape(written.text or posixpath.basename(path))}]({relative(path, base)})", path)
    label, _, last = (written.text or "").rpartition("|")
    size = _SIZE.fullmatch(last.strip())
    words = label if size else (written.text or "")
    sizes = f'{{ width="{size[1]}"' + (f' height="{size[2]}"' if size[2] else "") + " }" if size else ""
    return Made(f"![{escape(words.strip())}]({relative(path, base)}){sizes}", path)


def _words(written: Wikilink, shown: str) -> str:
    return safe(written.text) if written.text else escape(shown)


def relative(target: str, origin: str) -> str:
    """The way from one page to another file of the site, quoted for Markdown."""
    folder, _, name = target.rpartition("/")
    return _way(folder, origin.rpartition("/")[0]) + _quoted(name)


@lru_cache(maxsize=65_536)
def _way(folder: str, here: str) -> str:
    way = posixpath.relpath(folder or ".", here or ".")
    return "" if way == "." else f"{quote(way)}/"


_quoted = lru_cache(maxsize=65_536)(quote)


def safe(text: str) -> str:
    """A person's link text: emphasis and code ticks work, HTML, nested links and table cells do not."""
    pieces = _CODE.split(text)
    return "".join(_inert(piece) if n % 3 == 0 else piece for n, piece in enumerate(pieces) if n % 3 < 2)


def _inert(text: str) -> str:
    return _STRUCTURE.sub(r"\\\1", html.escape(text, quote=False))


def escape(text: str) -> str:
    """Text as Markdown that shows exactly this text: no markup, no HTML, no new table cell."""
    return _SPECIAL.sub(r"\\\1", html.escape(text, quote=False))

"""One tag of raw HTML: which elements and attributes a text may use, judged by nh3.

nh3 reads a tag as a browser does, so what it lets through is what a browser will see. It is asked about one
tag at a time, because Markdown may stand between an opening and a closing one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BLOCKS = _words(
    "address article aside blockquote caption center col colgroup dd details div dl dt fieldset figcaption "
    "figure footer h1 h2 h3 h4 h5 h6 header hgroup hr legend li main nav ol p pre section summary table "
    "tbody td tfoot th thead tr ul video audio"
)
"""Allowed elements that Markdown reads as blocks: it does not look into them."""
INLINE = _words(
    "a abbr acronym b bdi bdo big br cite code data del dfn em font i img input ins kbd label mark meter "
    "progress q rp rt ruby s samp small source span strike strong sub sup time track tt u var wbr"
)
EMPTY = _words("br col hr img input source track wbr")
"""Elements without a closing tag."""
HARMFUL = _words(
    "script iframe frame frameset object embed applet base meta link style form button textarea select svg "
    "math template noscript noembed noframes plaintext xmp portal html head body title"
)
"""Elements that act, load, or change how the rest of the page is read: each is an error."""
_ATTRIBUTES = _words(
    "abbr align alt checked class colspan controls datetime dir disabled headers height hidden href id label "
    "lang loading loop markdown max min muted name open rel reversed role rowspan scope span src start style "
    "tabindex target title type valign value width"
)
_SCHEMES = _words(
    "http https mailto tel sms ftp ftps sftp ssh smb nfs afp vnc rdp irc ircs xmpp matrix magnet git geo "
    "obsidian"
)
_STYLES = _words(
    "background-color border border-bottom border-collapse border-color border-left border-radius "
    "border-right border-spacing border-style border-top border-width clear color display flex flex-basis "
    "flex-direction flex-wrap float font-family font-size font-style font-weight gap height justify-content "
    "line-height list-style-type margin margin-bottom margin-left margin-right margin-top max-height "
    "max-width min-height min-width opacity overflow padding padding-bottom padding-left padding-right "
    "padding-top text-align text-decoration text-transform vertical-align white-space width "
    "word-break"
)
_ACTING = re.compile(r"on\w+|href|src|srcset|srcdoc|action|formaction|xlink:href|data|poster|background|ping")
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+))?")
_STRICT = re.compile(rf"<[A-Za-z][A-Za-z0-9]*(?:\s+{_ATTRIBUTE.pattern})*\s*/?>")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a tag: the text to put in its place, and why it is an error (empty: it is none)."""

    text: str
    harm: str = ""


@lru_cache(maxsize=4096)
def opening(tag: str, name: str) -> Verdict:
    """Judge an opening tag; `name` is its element's, in small letters."""
    if name in HARMFUL:
        return Verdict(_shown(tag), f"<{name}> is not allowed in a page")
    inside = _inside(tag, name)
    cleaned = _clean(inside)
    if name not in BLOCKS | INLINE or cleaned is None:
        return Verdict(_shown(tag), _harm(name, inside, ""))
    harm = _harm(name, inside, cleaned)
    if not harm and _STRICT.fullmatch(tag) and _names(inside) == _names(cleaned):
        return Verdict(tag)
    end = "/>" if tag.endswith("/>") else ">"
    lines = "\n" * (tag.count("\n") - cleaned.count("\n"))
    return Verdict(f"<{tag[1 : 1 + len(name)]}{cleaned.rstrip()}{lines}{end}", harm)


def closing(tag: str, name: str) -> Verdict:
    """Judge a closing tag."""
    plain = re.fullmatch(r"</[A-Za-z][A-Za-z0-9]*\s*>", tag)
    return Verdict(tag if plain and name in BLOCKS | INLINE else _shown(tag))


def style_is_harmless(style: str) -> bool:
    """Whether a style loads nothing and stays in its place."""
    cleaned = _clean(f' style="{style}"') if '"' not in style else None
    return cleaned is not None and _properties(cleaned) == _properties(style)


def _clean(inside: str) -> str | None:
    """The attributes that may stay, as nh3 writes them; None when this is not one tag."""
    import nh3

    cleaned = nh3.clean(
        f"<span {inside}>",
        tags={"span"},
        attributes={"span": set(_ATTRIBUTES)},
        generic_attribute_prefixes={"aria-", "data-"},
        url_schemes=set(_SCHEMES),
        filter_style_properties=set(_STYLES),
        attribute_filter=_not_the_themes,
        link_rel=None,
    )
    found = re.fullmatch(r"<span([^<>]*)></span>", cleaned)
    return found[1] if found else None


def _not_the_themes(_tag: str, name: str, value: str) -> str | None:
    """Keep `data-md-…` out: by it Material's script finds its own parts of the page."""
    return None if name.startswith("data-md") else value


def _harm(name: str, inside: str, cleaned: str) -> str:
    """Why the difference between what was written and what may stay is an error."""
    before, after = _values(inside), _values(cleaned)
    for attribute, value in before.items():
        if attribute not in after and _ACTING.fullmatch(attribute):
            return f"{attribute}={value[:40]!r} on <{name}> is not allowed in a page"
    style = before.get("style", "")
    if re.search(r"url\s*\(|\\|expression|@import", style, re.IGNORECASE):
        return f"this style on <{name}> loads something"
    return ""


def _inside(tag: str, name: str) -> str:
    return tag[1 + len(name) : -1].removesuffix("/")


def _values(inside: str) -> dict[str, str]:
    return {name.lower(): value.strip("\"'") for name, value in _ATTRIBUTE.findall(inside)}


def _names(inside: str) -> dict[str, str]:
    """The attributes, with the style's properties, to see whether one was taken out."""
    values = _values(inside)
    return {name: _properties(value) if name == "style" else "" for name, value in values.items()}


def _properties(style: str) -> str:
    style = style.strip().removeprefix('style="').strip('" ')
    return " ".join(
        sorted(part.partition(":")[0].strip().lower() for part in style.split(";") if part.strip())
    )


def _shown(tag: str) -> str:
    return "&lt;" + tag[1:]

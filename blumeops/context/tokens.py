"""Tokens of a text, counted offline as `o200k_base` counts them.

The vocabulary is in the compiled half of bpe-openai. Its Python half unpacks another copy for an interface
that nobody here uses, which takes ten times as long, so the compiled half is loaded alone: 0.09 s once in a
process. What is counted often is counted when it is indexed, and stands in `Section.tokens`.

Counts add up: where one text ends with a line end and the next begins with neither white space nor `/`, both
together have exactly as many tokens as one by one, because no token reaches over such a border.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from functools import cache
from typing import Protocol

from blumeops.errors import BlumeOpsError

ENCODING = "o200k_base"


class _Tokenizer(Protocol):
    def count(self, text: str) -> int: ...
    def encode(self, text: str) -> list[int]: ...
    def decode(self, tokens: list[int]) -> str: ...


def count(text: str) -> int:
    """How many tokens a text has."""
    return _tokenizer().count(_plain(text)) if text else 0


def clip(text: str, tokens: int) -> str:
    """The longest beginning of a text, in whole lines, that has at most so many tokens.

    Of a first line that is too long already, so much of it as fits.
    """
    if tokens <= 0:
        return ""
    text = _plain(text)
    codes = _tokenizer().encode(text)
    if len(codes) <= tokens:
        return text
    kept = _common(_tokenizer(), codes[:tokens], text)
    whole = kept[: kept.rfind("\n") + 1]
    return whole if whole.strip() else kept


def _common(tokenizer: _Tokenizer, codes: list[int], text: str) -> str:
    """The beginning of a text that some tokens spell; half a character is left out."""
    while codes:
        try:
            said = tokenizer.decode(codes)
        except ValueError:
            said = ""
        if said and text.startswith(said) and tokenizer.count(said) <= len(codes):
            return said
        codes = codes[:-1]
    return ""


def _plain(text: str) -> str:
    """The text without lone surrogates, which no encoding has a form for."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


@cache
def _tokenizer() -> _Tokenizer:
    package = importlib.util.find_spec("bpe_openai")
    places = list(package.submodule_search_locations or ()) if package else []
    spec = importlib.machinery.PathFinder.find_spec("bpe_openai._bindings", places)
    if spec is None or spec.loader is None:
        raise BlumeOpsError("tokens cannot be counted: bpe-openai is not installed", hint="mise run install")
    if (bindings := sys.modules.get(spec.name)) is None:
        bindings = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(bindings)
        # A compiled module is set up once in a process: whoever imports the package later gets this one.
        sys.modules[spec.name] = bindings
    made: _Tokenizer = bindings.tokenizer_for_encoding(ENCODING)
    return made

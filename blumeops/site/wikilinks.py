"""One page as standard Markdown: wikilinks, embeds, tags, block ids and comments made what generators read.

`[[page]]`, `[[page|text]]`, `[[page#heading]]`, `[[#heading]]`, `[[page#^block]]`, `![[page]]`, and
`![[picture.svg|320]]`. Code, comments, maths and front matter are never touched, and neither is anything with
a space inside the brackets, so `[[ -f x ]]` stays what it is wherever it stands.

What `rewrite` makes of a page depends on the page, on what its links mean, and on the text of the pages that
it embeds. It is quick, since a page is scanned when it is read; what it returns is the key by which a
rendered page can be kept.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from blumeops.errors import Problem
from blumeops.site import edits, prose, syntax
from blumeops.site.edits import Shift
from blumeops.site.embeds import Place, Publishing, replace
from blumeops.site.linking import escape, relative, safe
from blumeops.site.syntax import Wikilink
from blumeops.site.vault import Page, Unresolved, Vault

__all__ = ["Rewritten", "Wikilink", "escape", "find", "relative", "rewrite", "safe"]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A page's text as standard Markdown, the paths of the pages it links to, and what is wrong in it.

    `embeds` are the paths of the pages whose text stands in it, through whichever others; `tags` those that
    the text holds beside the front matter. `line` knows where a line of the text was written.
    """

    text: str
    links: frozenset[str]
    problems: tuple[Problem, ...]
    embeds: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ()

    def line(self, number: int) -> int:
        """The line of the page's source, from 1, in which a line of the rewritten text was written."""
        moved = 0
        for shift in self.shifts:
            if number < shift.last:
                return min(number + moved, shift.source_last)
            moved = shift.source_last - shift.last
        return number + moved


def find(text: str) -> Iterator[Wikilink]:
    """Every wikilink in the prose of a text, in order."""
    return iter(syntax.wikilinks(text))


def rewrite(page: Page, vault: Vault) -> Rewritten:
    """One page with every wikilink made a relative Markdown link, and every problem in it.

    A link that cannot be resolved stays as it was written; the caller must not publish the text then.
    """
    if page.generated:
        return Rewritten(page.text, frozenset(), ())
    making = Publishing(page, vault)
    changes = [*edits.front(page), *edits.hiding(page), *edits.tags(page, page.path, vault)]
    changes += edits.block_ids(page)
    problems = [*_unclosed(page), *_same_blocks(page)]
    links = set(_standard_links(page, vault))
    for link in page.scan.links:
        made = replace(link, Place(page, link.start), making)
        if isinstance(made, Unresolved):
            line, column = prose.place(page.text, link.start)
            problems.append(Problem(made.what, page.source, line, column, made.hint))
            continue
        links.add(made.target)
        changes.append(made)
    done = edits.apply(page.text, changes) if changes else edits.Applied(page.text, ())
    linked = frozenset(path for path in links if path in vault.pages and path != page.path)
    tags = tuple(dict.fromkeys(tag.name for tag in page.scan.tags))
    return Rewritten(done.text, linked, tuple(problems), tuple(making.embedded), tags, done.shifts)


def _standard_links(page: Page, vault: Vault) -> Iterator[str]:
    folder = posixpath.dirname(page.path)
    for target in page.scan.targets:
        if target.endswith(".md"):
            path = posixpath.normpath(posixpath.join(folder, unquote(target)))
            if path in vault.pages:
                yield path


def _unclosed(page: Page) -> Iterator[Problem]:
    for start in page.scan.unclosed:
        line, _ = prose.place(page.text, start)
        if page.text.startswith("%%", start):
            yield Problem("this comment is never closed", page.source, line, hint="close it with %%")
        else:
            what = "this code fence is never closed"
            yield Problem(what, page.source, line, hint="close it with the same marks")


def _same_blocks(page: Page) -> Iterator[Problem]:
    counted = Counter(piece.name.casefold() for piece in page.scan.blocks)
    for piece in page.scan.blocks:
        if counted[piece.name.casefold()] > 1:
            line, _ = prose.place(page.text, page.text.index("^", piece.start))
            what = f"the block id ^{piece.name} is given {counted[piece.name.casefold()]} times"
            yield Problem(what, page.source, line, hint="rename all but one")

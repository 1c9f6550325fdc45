"""Files of the repository as they are shown: only those that the index reads, cleaned, line by line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from mcp.server.mcpserver.exceptions import ToolError

from blumeops.context import files, tokens
from blumeops.context.files import Rules, Stamp
from blumeops.context.model import Kind
from blumeops.context.untrusted import clean, fence, label, published
from blumeops.site.place import Place

LANGUAGES = {".md": "markdown", ".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}


@dataclass(frozen=True, slots=True)
class Shown:
    """Lines of a file in a fence, with their place; `next_line` is where the rest begins, 0 for no rest."""

    path: str
    line: int
    last: int
    text: str
    next_line: int = 0


@dataclass(frozen=True, slots=True)
class Reader:
    """The readable files of a repository or vault."""

    place: Place
    rules: Rules
    _allowed: dict[frozenset[str], frozenset[str]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, root: Path) -> Reader:
        """The reader of a folder."""
        place = Place.of(root)
        return cls(place, Rules.of(place))

    def paths(self) -> Mapping[str, Stamp]:
        """Every file that may be read, by its path."""
        found = files.walk(self.rules)
        if (names := frozenset(found)) not in self._allowed:  # asked of Git again when a file came or went
            self._allowed.clear()
            self._allowed[names] = files.allowed(self.place.root, found)
        known = self._allowed[names]
        return {path: stamp for path, stamp in found.items() if path in known}

    def known(self, asked: str) -> str:
        """The path that is meant: as asked, or the only file of that name. Raises `ToolError`."""
        paths = self.paths()
        for path in (asked, unquote(asked), asked.removeprefix("./")):
            if path in paths:
                return path
        stem = PurePosixPath(asked).name.removesuffix(".md").casefold()
        same = [path for path in paths if PurePosixPath(path).name.removesuffix(".md").casefold() == stem]
        if len(same) == 1 and "/" not in asked:
            return same[0]
        near = same[:3] or difflib.get_close_matches(asked, list(paths), 3, 0.6)
        hint = f"did you mean {', '.join(map(label, near))}?" if near else "`search` finds paths"
        raise ToolError(f"there is no readable file {label(asked)}; {hint}")

    def lines(self, path: str) -> list[str]:
        """A file's lines without what a person would not see; they have the numbers of the source."""
        data = files.read(self.rules, path)
        text = clean(files.text_of(data)) if data else ""
        if self.rules.kind(path) in (Kind.PAGE, Kind.RUNBOOK):
            text = clean(published(text))
        return text.split("\n")

    def shown(self, path: str, *, first: int = 1, last: int = 0, budget: int) -> Shown:
        """A file from one line to another (0: the end), as much of it as the budget holds."""
        lines = self.lines(path)
        if first > len(lines):
            raise ToolError(f"{label(path)} has {len(lines)} lines; ask for one of these")
        wanted = lines[first - 1 : last or len(lines)]
        kept = tokens.clip("\n".join(wanted) + "\n", budget)
        whole = kept.count("\n") or 1  # of one long line its beginning: the rest of it is not worth a page
        shown = "\n".join(wanted[:whole]) if kept.endswith("\n") else kept + " …"
        end = first + whole - 1
        language = LANGUAGES.get(PurePosixPath(path).suffix, "text")
        rest = end + 1 if whole < len(wanted) else 0
        return Shown(path, first, end, fence(shown, f"{label(path)}:{first}", language=language), rest)

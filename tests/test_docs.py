"""The laws that the documentation keeps: what a page says exists, exists, and what exists is on a page.

Every law is a function from a text to complaints, and every law is run twice: over the real pages, and over
a page with the mistake in it, so a law that notices nothing fails as well.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from blumeops.cli import cli
from blumeops.site import frontmatter, markdown

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
ROOT_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "AGENTS.md")
PAGES = [ROOT / name for name in ROOT_PAGES]
PAGES += sorted(path for folder in ("docs", "runbooks") for path in (ROOT / folder).rglob("*.md"))
VAULT_PAGES = [page for page in PAGES if page.parent != ROOT]
FILED_PAGES = [page for page in VAULT_PAGES if page.stem != "index"]
"""All but the sections' front pages, which need no place in their own section."""

SHELLS = ("bash", "sh", "console")
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
SEPARATOR = re.compile(r"&&|\|\||[;|]")
PLACEHOLDER = re.compile(r"[<>…$]|\b(?!README|CHANGELOG|AGENTS)[A-Z]{2,}\b")
COMMITTED_FOLDERS = (
    "blumeops/",
    "docs/",
    "engines/",
    "homelab/",
    "runbooks/",
    "tests/",
    "benchmarks/",
    ".ci/",
)


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    lines = text.split("\n")
    for fence in markdown.fences(text):
        last = len(lines) - 1 if fence.last is None else fence.last
        lines[fence.first : last + 1] = [""] * (last + 1 - fence.first)
    return "\n".join(lines)


def commands(text: str) -> Iterator[tuple[list[str], bool]]:
    """Every simple command on a page, as words; True with those from a block that a reader would paste."""
    for fence in markdown.fences(text):
        if fence.info.partition(" ")[0] in SHELLS:
            for line in "\n".join(fence.lines).replace("\\\n", " ").split("\n"):
                yield from ((words, True) for words in _simple_commands(line))
    for span in SPAN.findall(prose(text)):
        yield from ((words, False) for words in _simple_commands(span))


def _simple_commands(line: str) -> Iterator[list[str]]:
    for inside in SUBSTITUTION.findall(line):
        yield from _simple_commands(inside)
    for part in SEPARATOR.split(SUBSTITUTION.sub("SUBSTITUTED", line)):
        try:
            words = shlex.split(part.strip().removeprefix("$ "), comments=True)
        except ValueError:
            continue
        while words and ("=" in words[0] or words[0] == "sudo"):
            words.pop(0)
        if words:
            yield words


def unknown_commands(text: str) -> list[str]:
    """`blumeops`, `make` and `mise run` commands that do not exist, or not with these words."""
    found = []
    for words, whole in commands(text):
        program, *rest = words
        if program in ("blumeops", ".venv/bin/blumeops"):
            found += _unknown_verb(rest, whole=whole)
        elif program == "make":
            found += [f"make {name}: no such target" for name in _names(rest) - make_targets()]
        elif program == "mise" and rest[:1] == ["run"]:
            found += [f"mise run {name}: no such task" for name in _names(rest[1:2]) - mise_tasks()]
    return found


def _unknown_verb(words: list[str], *, whole: bool) -> list[str]:
    command: click.Command = cli
    said = "blumeops"
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        if PLACEHOLDER.search(name):
            return []
        said = f"{said} {name}"
        if name not in command.commands:
            return [f"{said}: no such command"]
        command = command.commands[name]
    known = {opt for parameter in command.params for opt in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"-h", "--help", "--version"}
    if command.context_settings.get("ignore_unknown_options"):
        return []
    unknown = [w for w in words if w.startswith("-") and w != "--" and w.partition("=")[0] not in known]
    if unknown:
        return [f"{said}: no such option {unknown[0]}"]
    return _misused(command, said, words) if whole and not isinstance(command, click.Group) else []


def _misused(command: click.Command, said: str, words: list[str]) -> list[str]:
    try:
        command.make_context(said, list(words))
    except click.exceptions.Exit:
        return []
    except click.ClickException as error:
        return [f"{said}: {error.format_message()}"]
    return []


def _names(words: list[str]) -> set[str]:
    return {word for word in words if not ("=" in word or word.startswith("-") or PLACEHOLDER.search(word))}


def make_targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def mise_tasks() -> set[str]:
    """The tasks of mise.toml."""
    return set(tomllib.loads((ROOT / "mise.toml").read_text())["tasks"])


def missing_paths(text: str) -> list[str]:
    """Repository paths in backticks that are not there; a word in capitals is a placeholder."""
    found = []
    for span in SPAN.findall(prose(text)):
        path = span.partition("#")[0].removeprefix("./").rstrip("/")
        if not path.startswith(COMMITTED_FOLDERS) or " " in path or PLACEHOLDER.search(path):
            continue
        if not any(ROOT.glob(path)):
            found.append(f"`{span}` is not in the repository")
    return found


def unknown_imports(text: str) -> list[str]:
    """Names that a Python example takes from `blumeops` and that are not there."""
    found = []
    for fence in markdown.fences(text):
        if fence.info.startswith(("python", "{code-cell}")):
            code = "\n".join(line for line in fence.lines if not line.startswith(":"))
            imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
            names = [(node.module or "", alias.name) for node in imports for alias in node.names]
            found += [f"{module} has no {name}" for module, name in names if not _importable(module, name)]
    return found


def _importable(module: str, name: str) -> bool:
    if not module.startswith("blumeops"):
        return True
    if importlib.util.find_spec(module) is None:
        return False
    found = importlib.import_module(module)
    if hasattr(found, name):
        return True
    return hasattr(found, "__path__") and importlib.util.find_spec(f"{module}.{name}") is not None


def machine_paths(text: str) -> list[str]:
    """Paths that exist only on the machine where the page was written."""
    private = {ROOT, Path(tempfile.gettempdir())} | {home for home in (Path.home(),) if len(home.parts) > 2}
    private |= {
        parent for parent in (ROOT.parent,) if parent not in (Path("/"), Path("/root"), Path("/home"))
    }
    return [f"names the machine's own {path}" for path in private if re.search(rf"{path}(?=[/\s`\"'])", text)]


def unsaid_front_matter(text: str) -> list[str]:
    """Keys of the front matter that are missing or of the wrong kind."""
    front = frontmatter.read(text, source="page").values
    kinds = {"title": str, "description": str, "tags": list, "order": int}
    found = [
        f"front matter: {key} is missing"
        for key, kind in kinds.items()
        if not isinstance(front.get(key), kind)
    ]
    if len(re.findall(r"[.!?](?:\s|$)", str(front.get("description", "")))) != 1:
        found.append("front matter: the description is not one sentence")
    return found


LAWS_OF_TEXT = (unknown_commands, missing_paths, unknown_imports, machine_paths)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_what_exists(page: Path) -> None:
    text = page.read_text()
    assert [complaint for law in LAWS_OF_TEXT for complaint in law(text)] == []


@pytest.mark.parametrize("page", FILED_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_says_what_it_is(page: Path) -> None:
    assert unsaid_front_matter(page.read_text()) == []


@pytest.mark.parametrize(
    ("law", "text", "complaint"),
    [
        (unknown_commands, "```bash\nblumeops aply\n```", "blumeops aply: no such command"),
        (unknown_commands, "```bash\n.venv/bin/blumeops plan --colour\n```", "no such option --colour"),
        (unknown_commands, "```bash\ngit pull && blumeops plan kitchen\n```", "kitchen"),
        (unknown_commands, "```bash\nblumeops rollback\n```", "Missing argument"),
        (unknown_commands, '```bash\neval "$(blumeops environment)"\n```', "blumeops environment"),
        (unknown_commands, "Run `blumeops sandbox boot`.", "blumeops sandbox boot: no such command"),
        (unknown_commands, "Run `make everything`.", "make everything: no such target"),
        (unknown_commands, "```bash\nmise run tailnet-down\n```", "mise run tailnet-down: no such task"),
        (missing_paths, "See `homelab/pulumi/policy.yaml`.", "`homelab/pulumi/policy.yaml` is not"),
        (missing_paths, "See `blumeops/manager.py`.", "`blumeops/manager.py` is not"),
        (unknown_imports, "```python\nfrom blumeops import Homelob\n```", "blumeops has no Homelob"),
        (unknown_imports, "```{code-cell} ipython3\nfrom blumeops.plans import Plan\n```", "has no Plan"),
        (machine_paths, f"Look into `{ROOT}/docs`.", str(ROOT)),
        (unsaid_front_matter, "---\ntitle: A\norder: 1\ntags: [a]\n---\n# A\n", "description is missing"),
        (unsaid_front_matter, "---\ndescription: One. Two.\n---\n", "not one sentence"),
    ],
)
def test_a_law_notices_the_mistake(law: Callable[[str], list[str]], text: str, complaint: str) -> None:
    assert any(complaint in found for found in law(text)), law(text)


def test_an_honest_page_is_left_alone() -> None:
    text = "```bash\nblumeops plan --json | head\nmake test\n```\nSee `blumeops/plan.py`, `[[ -f x ]]`.\n"
    assert [complaint for law in LAWS_OF_TEXT for complaint in law(text)] == []


def test_no_two_pages_share_a_name() -> None:
    stems = [page.stem for page in FILED_PAGES]
    assert sorted(stems) == sorted(set(stems))

"""A runbook is read here as jupytext reads it, with the file's lines, and stays as it is through both."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from blumeops.errors import BadInput, BlumeOpsError
from blumeops.located import Located
from blumeops.runbooks import format
from blumeops.runbooks.blocks import parse
from blumeops.runbooks.model import Role
from tests.conftest import ROOT

RUNBOOKS = sorted((ROOT / "runbooks").glob("*.md"))
CASES = Path(__file__).parent / "cases"

NASTY = {
    "tildes": "~~~{code-cell}\n:tags: [step]\n\nx = 1\n~~~\n",
    "tildes around backticks": "~~~{code-cell}\nx = '''\n```\n'''\n~~~\n",
    "four backticks around three": "````{code-cell}\nx = '''\n```\n'''\n````\n",
    "a shown fence around a cell": "````markdown\n```{code-cell}\nx = 1\n```\n````\n",
    "in a list": "- one\n\n  ```{code-cell}\n  x = 1\n  ```\n\n```{code-cell}\ny = 1\n```\n",
    "in a list, lazily": "- one\nlazy\n  ```{code-cell}\n  x = 1\n  ```\n",
    "after a list, indented": "- one\n\ntwo\n\n  ```{code-cell}\n  x = 1\n  ```\n",
    "right after a list": "- one\n```{code-cell}\nx = 1\n```\n",
    "in a numbered list": "1. one\n   ```{code-cell}\n   x = 1\n   ```\n",
    "in a quote": "> ```{code-cell}\n> x = 1\n> ```\n\n```{code-cell}\ny = 1\n```\n",
    "in a quote that ends": "> ```{code-cell}\n```{code-cell}\ny = 1\n```\n",
    "indented by three": "   ```{code-cell}\n   x = 1\n     y = 1\n   ```\n",
    "indented by four": "    ```{code-cell}\n    x = 1\n    ```\n",
    "indented in a tab": "\t```{code-cell}\n\tx = 1\n\t```\n",
    "closed further in": "```{code-cell}\nx = 1\n   ```\n\nprose\n",
    "closed with more": "```{code-cell}\nx = 1\n`````\n\n```{code-cell}\ny = 1\n```\n",
    "not closed": "```{code-cell}\nx = 1\n",
    "not closed and empty": "```{code-cell}",
    "in a comment": "<!--\n```{code-cell}\nx = 1\n```\n-->\n\n```{code-cell}\ny = 1\n```\n",
    "in a block of HTML": "<div>\n```{code-cell}\nx = 1\n```\n\n```{code-cell}\ny = 1\n```\n",
    "breaks": 'one\n\n+++\n\ntwo\n\n+++ {"a": 1}\n\n```{code-cell}\nx = 1\n```\n+++\n',
    "a comment of MyST": "% ```{code-cell}\n% x = 1\n% ```\n\n```{code-cell}\ny = 1\n```\n",
    "options in a block": "```{code-cell}\n---\ntags: [step]\nname: one\n---\nx = 1\n```\n",
    "options in a block that is not closed": "```{code-cell}\n---\ntags: [step]\n```\n",
    "options in a block, indented": "```{code-cell}\n---\n  tags:\n    - step\n----\n\n\nx = 1\n```\n",
    "options without an empty line": "```{code-cell}\n:tags: [step]\nx = 1\n```\n",
    "options with two empty lines": "```{code-cell}\n:tags: [step]\n\n\nx = 1\n```\n",
    "options further in": "```{code-cell}\n  :tags: [step]\n  :name: one\nx = 1\n```\n",
    "no options and a colon": "```{code-cell}\n\n:tags: [step]\nx = 1\n```\n",
    "an option in quotes": "```{code-cell}\n:gate: 'plan[\"x\"]'\nx = 1\n```\n",
    "only options": "```{code-cell}\n:tags: [step]\n```\n",
    "nothing": "```{code-cell}\n```\n",
    "empty lines inside and at the end": "```{code-cell}\n\nx = 1\n\n\ny = 2\n\n\n```\n",
    "spaces at the ends": "```{code-cell}   \nx = 1  \n\t\n```   \n",
    "a lexer": "```{code-cell} ipython3\nx = 1\n```\n\n```{code-cell}ipython3\nx = 1\n```\n",
    "a space before the directive": "``` {code-cell}\nx = 1\n```\n",
    "another directive": "```{code-cells}\nx = 1\n```\n\n```{raw-cell}\nx = 1\n```\n",
    "Windows": "one\r\n\r\n```{code-cell}\r\n:tags: [step]\r\n\r\nx = 1\r\ny = 2\r\n```\r\n",
    "other line ends": "```{code-cell}\nx = 'a\u2028b'\n```\n",
    "below a paragraph": "words\n```{code-cell}\nx = 1\n```\nwords\n",
    "in a table": "| a |\n|---|\n```{code-cell}\nx = 1\n```\n",
}


def by_jupytext(text: str) -> list[dict[str, Any]]:
    """The code cells as jupytext has them."""
    import jupytext

    fmt = {
        "extension": ".md",
        "format_name": "myst",
        "root_level_metadata_filter": "-all,kernelspec,jupytext",
    }
    return [cell for cell in jupytext.reads(text, fmt=fmt).cells if cell.cell_type == "code"]


def assert_same(text: str) -> None:
    """Both read the same cells: sources, tags, options, order."""
    theirs = by_jupytext(text)
    ours = parse(text, "x.md").blocks
    assert [block.source for block in ours] == [cell.source for cell in theirs]
    for block, cell in zip(ours, theirs, strict=True):
        assert {name: plain(value) for name, value in block.options.items()} == dict(cell.metadata)


def plain(value: Located) -> object:
    """A value as plain YAML; there are only texts, whole numbers, truths and lists in these pages."""
    return value.plain()


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_every_runbook_is_read_as_jupytext_reads_it(path: Path) -> None:
    """Cells, tags, options and order."""
    assert_same(path.read_text())


@pytest.mark.parametrize("name", NASTY)
def test_what_is_written_oddly_is_read_as_jupytext_reads_it(name: str) -> None:
    """With front matter above and without."""
    assert_same(NASTY[name])
    assert_same(f"---\ntitle: x\n---\n\n{NASTY[name]}")


def test_a_rule_that_swallows_a_cell_as_front_matter_is_refused_by_both() -> None:
    """A `---` at the top begins front matter, whatever it was meant to be."""
    text = "---\n\n```{code-cell}\nx = 1\n```\n\n---\n"
    with pytest.raises(yaml.YAMLError):
        by_jupytext(text)
    with pytest.raises(BadInput, match="front matter"):
        parse(text, "x.md")


def test_any_mixture_of_odd_pieces_is_read_as_jupytext_reads_it() -> None:
    """What one piece leaves open takes the next ones in, for both alike."""
    chance = random.Random(5)
    pieces = [
        *NASTY.values(),
        "\n",
        "words\n",
        "# Heading\n",
        "- item\n",
        "> quote\n",
        "  ",
        "```\n",
        "~~~\n",
    ]
    for _ in range(150):
        assert_same("---\ntitle: x\n---\n\n" + "".join(chance.choices(pieces, k=chance.randint(2, 6))))


@pytest.mark.parametrize("path", [CASES / "right.md", *RUNBOOKS], ids=lambda path: path.stem)
def test_a_cell_knows_its_line_in_the_file(path: Path) -> None:
    """The first line of its source stands there."""
    lines = path.read_text().split("\n")
    for cell in format.read(path).cells:
        assert lines[cell.line - 1] == cell.source.split("\n")[0]


@pytest.mark.parametrize("path", [CASES / "right.md", *RUNBOOKS], ids=lambda path: path.stem)
def test_jupytext_writes_a_runbook_back_as_it_is(path: Path, tmp_path: Path) -> None:
    """Byte for byte, by its command line over a notebook on disk and by its Python API."""
    import jupytext
    from jupytext.cli import jupytext as command
    from jupytext.config import load_jupytext_config

    (tmp_path / "jupytext.toml").write_text((ROOT / "jupytext.toml").read_text())
    page = tmp_path / "page.md"
    page.write_bytes(path.read_bytes())
    command(["--quiet", "--to", "ipynb", str(page)])
    page.unlink()
    command(["--quiet", "--to", "md:myst", str(page.with_suffix(".ipynb"))])
    assert page.read_bytes() == path.read_bytes()
    settings = load_jupytext_config(str(page))
    notebook = jupytext.read(str(page), config=settings)
    assert jupytext.writes(notebook, fmt="md:myst", config=settings).encode() == path.read_bytes()


def test_a_cell_without_a_tag_is_a_step_and_without_a_name_has_its_headings() -> None:
    """Two under one heading are told apart."""
    cell = "```{code-cell}\nx = 1\n```\n\n"
    text = f"# Page\n\n## Stop `caddy`, then [[indri|it]]\n\n{cell}{cell}"
    cells = format.reads(text, Path("runbooks/page.md")).cells
    assert [(cell.role, cell.name) for cell in cells] == [
        (Role.STEP, "stop-caddy-then-it"),
        (Role.STEP, "stop-caddy-then-it-2"),
    ]


def test_all_that_cannot_be_read_is_told_at_once() -> None:
    """With the lines, of front matter and of cells."""
    text = "---\nrisk: some\ntimeout: soon\n---\n\n# x\n\n```{code-cell}\n:timeout: 1:30\n\nx = 1\n```\n"
    with pytest.raises(BadInput) as caught:
        format.reads(text, Path("runbooks/x.md"))
    assert sorted(problem.line for problem in caught.value.problems) == [2, 3, 9]
    assert {problem.path for problem in caught.value.problems} == {"runbooks/x.md"}


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("90s", 90), ("2m", 120), ("1h30m", 5400), ("30d", 2592000), ("45", 45), ("0.5s", 0.5),
     ("", None), ("0s", None), ("m", None), ("1:30", None), ("10 m", None), ("-5s", None)],
)  # fmt: skip
def test_a_duration_is_a_number_with_its_unit(said: str, seconds: float | None) -> None:
    """And nothing else is one."""
    assert format.duration(said) == seconds


def test_a_name_that_is_none_is_met_with_the_one_that_was_meant(tmp_path: Path) -> None:
    """And a file's name does as well as a runbook's."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "restart-indri.md").write_text((CASES / "right.md").read_text())
    with pytest.raises(BlumeOpsError) as caught:
        format.named(tmp_path, "restart-indr")
    assert "did you mean restart-indri?" in str(caught.value)
    for said in ("restart-indri", "restart-indri.md", "runbooks/restart-indri.md"):
        assert format.named(tmp_path, said).name == "restart-indri"
    for hostile in ("../../etc/passwd", "/etc/passwd", "runbooks/../runbooks/restart-indri", ""):
        with pytest.raises(BlumeOpsError):
            format.named(tmp_path, hostile)


def test_reading_runbooks_loads_no_notebook_library() -> None:
    """They take seconds to import, and a run should have begun by then."""
    import subprocess
    import sys

    code = (
        "import sys, json; from pathlib import Path; from blumeops.runbooks import format\n"
        f"format.find(Path({str(ROOT)!r})) or 1\n"
        "print(json.dumps([m for m in ('jupytext', 'nbformat', 'IPython', 'mkdocs') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == []

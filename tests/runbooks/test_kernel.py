"""A kernel: what a cell says arrives whole, in order, and with its place in the Markdown file."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from blumeops.records import Output
from blumeops.runbooks.kernel import Ending, Kernel
from tests.runbooks.kernels import PAGE, kernel, run, said


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for the cells that leave nothing behind."""
    with kernel(tmp_path_factory.mktemp("shared")) as made:
        yield made


def test_the_last_expression_is_the_result_and_a_semicolon_hides_it(shared: Kernel) -> None:
    assert run(shared, "x = 20\nx + 22").outputs == (Output("text/plain", "42", "result"),)
    assert run(shared, "x + 22;").outputs == ()


def test_variables_live_from_cell_to_cell(shared: Kernel) -> None:
    run(shared, "kept = 'here'")
    assert said(run(shared, "print(kept)")) == "here\n"


def test_python_and_its_children_speak_in_order(shared: Kernel) -> None:
    done = run(
        shared,
        "import subprocess, sys, os\n"
        "for n in range(20):\n"
        "    print('python', n)\n"
        "    subprocess.run(['sh', '-c', f'echo child {n}'])\n"
        "    os.write(1, f'raw {n}\\n'.encode())\n",
    )
    assert said(done).splitlines() == [f"{who} {n}" for n in range(20) for who in ("python", "child", "raw")]


def test_standard_error_is_told_apart_and_keeps_its_place(shared: Kernel) -> None:
    done = run(shared, "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')")
    assert [(o.stream, o.text) for o in done.outputs] == [
        ("stdout", "a\n"),
        ("stderr", "b\n"),
        ("stdout", "c\n"),
    ]


def test_outputs_come_while_the_cell_runs(tmp_path: Path, shared: Kernel) -> None:
    """The cell waits for a file that only exists once its first line has come."""
    go = tmp_path / "go"
    done = run(
        shared,
        f"import pathlib, time\nprint('first', flush=True)\nwhile not pathlib.Path({str(go)!r}).exists():\n"
        "    time.sleep(0.01)\nprint('second')",
        notify=lambda output: go.touch() if "first" in output.text else None,
    )
    assert said(done) == "first\nsecond\n"


def test_an_unfinished_line_is_shown_after_a_moment(tmp_path: Path, shared: Kernel) -> None:
    go = tmp_path / "go"
    done = run(
        shared,
        "import pathlib, time\nprint('please wait ', end='')\n"
        f"while not pathlib.Path({str(go)!r}).exists():\n"
        "    time.sleep(0.01)\nprint('done')",
        notify=lambda output: go.touch() if "please wait" in output.text else None,
    )
    assert said(done) == "please wait done\n"


RICH = """
class Rich:
    def _repr_markdown_(self): return '**m**'
    def _repr_html_(self): return '<b>h</b>'
    def _repr_png_(self): return b'\\x89PNG'
    def _repr_svg_(self): return '<svg/>'
    def __repr__(self): return 'plain'
class Bundle:
    def _repr_mimebundle_(self, **_): return {'text/html': '<i>x</i>', 'application/json': {'a': 1}}
"""


def test_the_best_form_is_for_the_page_and_the_others_are_kept(shared: Kernel) -> None:
    run(shared, RICH)
    (shown,) = run(shared, "display(Rich())").outputs
    assert (shown.mime, shown.text, shown.stream) == ("text/markdown", "**m**", "display")
    assert shown.others["image/png"] == base64.b64encode(b"\x89PNG").decode()
    assert {"text/html", "text/plain", "image/svg+xml"} < set(shown.others)
    (result,) = run(shared, "Bundle()").outputs
    assert (result.mime, result.stream) == ("text/html", "result")
    assert result.others["application/json"] == '{"a": 1}'


def test_a_display_that_is_updated_takes_the_place_of_the_first(shared: Kernel) -> None:
    done = run(shared, "h = display('one', display_id=True)\nprint('between')\nh.update('two')")
    assert [o.text for o in done.outputs] == ["'two'", "between\n"]


def test_a_progress_bar_is_kept_as_it_looks_in_the_end(shared: Kernel) -> None:
    done = run(shared, "for n in range(50):\n    print(f'\\r{n + 1} of 50', end='')\nprint(' done')")
    assert said(done) == "50 of 50 done\n"


def test_a_cell_may_await(shared: Kernel) -> None:
    done = run(shared, "import asyncio\nawait asyncio.sleep(0.001)\n'later'")
    assert (done.ending, done.outputs[0].text) == (Ending.PASSED, "'later'")


def test_a_failure_names_the_markdown_file_and_the_line(shared: Kernel) -> None:
    done = run(shared, "def inner():\n    raise ValueError('no such host')\n\ninner()", line=57)
    assert (done.ending, done.error, done.line) == (Ending.FAILED, "ValueError: no such host", 58)
    told = said(done, "error")
    assert f'File "{PAGE}", line 60' in told and f'File "{PAGE}", line 58, in inner' in told
    assert "raise ValueError('no such host')" in told
    assert "IPython" not in told and "shell.py" not in told


def test_a_failure_in_a_library_is_told_by_the_line_that_called_it(shared: Kernel) -> None:
    done = run(shared, "import json\n\njson.loads('{')", line=30)
    assert (done.ending, done.line) == (Ending.FAILED, 32)
    assert "JSONDecodeError" in done.error


def test_a_syntax_error_has_the_line_of_the_file(shared: Kernel) -> None:
    done = run(shared, "good = 1\nbad = = 2", line=100)
    assert (done.ending, done.line) == (Ending.FAILED, 101)
    assert "SyntaxError" in done.error


@pytest.mark.parametrize(
    ("source", "status"),
    [("!exit 3", 3), ("lines = !echo one; exit 4", 4), ("%%bash\nfalse\ntrue", 1), ("%%sh\nexit 5", 5)],
)
def test_a_command_that_fails_fails_the_cell(shared: Kernel, source: str, status: int) -> None:
    done = run(shared, source)
    assert done.ending is Ending.FAILED
    assert f"status {status}" in done.error


def test_commands_have_their_output_and_the_cells_variables(shared: Kernel) -> None:
    run(shared, "host = 'indri'")
    assert said(run(shared, "!echo on {host}; echo also >&2 || true")) == "on indri\n"
    assert said(run(shared, "%%bash\nread line || echo nothing to read\necho $((40 + 2))")) == (
        "nothing to read\n42\n"
    )
    assert run(shared, "found = !printf 'a\\nb\\n'\nlist(found)").outputs[0].text == "['a', 'b']"


def test_a_cell_cannot_ask(shared: Kernel) -> None:
    done = run(shared, "input('really? ')")
    assert done.ending is Ending.FAILED
    assert "a cell cannot ask (really?)" in done.error


@pytest.mark.parametrize("source", ["exit()", "import sys\nsys.exit(0)", "raise SystemExit"])
def test_leaving_is_a_failure_and_not_a_pass(shared: Kernel, source: str) -> None:
    assert run(shared, source).ending is Ending.FAILED
    assert run(shared, "1").passed


def test_what_a_cell_says_is_bounded_and_its_end_is_kept(shared: Kernel) -> None:
    done = run(shared, "for n in range(20_000):\n    print('line', n, 'x' * 90)")
    text = said(done)
    assert len(text) < 1_200_000
    assert text.startswith("line 0 x") and "line 19999 x" in text[-120:]
    assert "characters are left out here" in text


def test_what_is_too_large_to_show_is_left_out_with_a_word(shared: Kernel) -> None:
    done = run(shared, "from IPython.display import HTML\nHTML('x' * 3_000_000)")
    assert "too large: " in done.outputs[0].text and "text/html" in done.outputs[0].text


def test_a_value_is_evaluated_on_the_variables_and_shown(shared: Kernel) -> None:
    run(shared, "waiting = [1, 2]")
    done = shared.evaluate("len(waiting) > 1")
    assert (done.value, done.ending, done.outputs[0].text) == ("True", Ending.PASSED, "True")
    for wrong in ("waiting = 3", "nowhere", ""):
        assert shared.evaluate(wrong).ending is Ending.FAILED
    assert shared.evaluate("waiting").value == "[1, 2]"


def test_r6_cells_out_of_order_answer_with_an_error_and_no_hang(tmp_path: Path) -> None:
    with kernel(tmp_path) as made:
        early = run(made, "plan = prepared.copy()")
        assert (early.ending, early.line) == (Ending.FAILED, 10)
        assert "name 'prepared' is not defined" in early.error
        run(made, "prepared = {'a': 1}")
        assert run(made, "plan = prepared.copy()").passed
        assert run(made, "plan = prepared.copy()").passed, "and twice"


CLONED = ".sandbox/state/clones/work/homelab/b.yaml"
"""A file of a procedure's working copy, where `Homelab.clone` puts it."""


def test_what_was_read_and_imported_is_known_by_the_repositorys_own_paths(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for path in ("pkg/mod.py", "homelab/a.yaml", CLONED, "homelab/b.yaml", "old/c.txt"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x = 1\n")
    (root / ".sandbox/state.json").write_text("{}")
    (root / "written.txt").write_text("")
    with kernel(tmp_path, PYTHONPATH=str(root)) as made:
        done = run(
            made,
            "from pathlib import Path\nimport pkg.mod\nPath('homelab/a.yaml').read_text()\n"
            f"open({str(root)!r} + '/{CLONED}').close()\n"
            "Path('.sandbox/state.json').read_text()\nPath('written.txt').write_text('y')\n"
            "import shutil\nPath('tmp/old').mkdir(parents=True)\nshutil.rmtree('tmp')\n"
            "from blumeops import dependencies\ndependencies.note(Path('homelab').absolute())\n",
        )
        assert done.passed, done.error
        assert done.depends == ("homelab", "homelab/a.yaml", "homelab/b.yaml", "pkg/mod.py")
        assert run(made, "1").depends == done.depends, "so far, not of this cell only"

"""Runbooks in JupyterLab: a real server, which keeps the page as it is and ends with all that it started."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from blumeops.errors import BlumeOpsError, EngineMissing
from blumeops.repository import Repository
from blumeops.runbooks import lab, lab_contents, lab_git
from tests.runbooks.places import Place, gone, place

ROOT = Path(__file__).resolve().parents[2]
KERNELSPEC = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
HARD = """---
title: "Hard: a page"   # a comment
aliases:
  - Drift
  - 'Manual edits'
tags: [runbook,how-to]
modified: 2024-01-02
description: >-
  A folded
  text.
other: A sentence that is much longer than the eighty characters at which YAML is folded – ünïcode.
layers: []

empty:
---

# Hard

See [[indri]], [[caddy|Caddy]] and ![[picture.png]]. {% raw %} <b>html</b> $x$ \\| `code`

> [!note] A callout
> With *words*.

```bash
never-run
```

| a | b |
|---|---|
| 1 | [[x\\|y]] |

```{code-cell} ipython3
:tags: [parameters]

target: str = "sandbox"  # where [sandbox|home]
```

```{code-cell} ipython3
:tags: [step, confirm]
:name: first
:gate: plan
:timeout: 2m

print("hello")
```

The end.
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A checkout with a page that is hard to keep, and the real ones."""
    made = place(tmp_path_factory.mktemp("lab") / "homelab", hard=HARD)
    for path in sorted((ROOT / "runbooks").glob("*.md")):
        (made.root / "runbooks" / path.name).write_bytes(path.read_bytes())
    (made.root / "jupytext.toml").write_bytes((ROOT / "jupytext.toml").read_bytes())
    return made


@pytest.fixture(scope="module")
def server(here: Place) -> Iterator[lab.Lab]:
    """One JupyterLab for all tests that only read and write."""
    with lab.running(here.root, here.root / "runbooks/hard.md") as (made, _wait):
        yield made


@pytest.fixture
def client(server: lab.Lab) -> Iterator[httpx.Client]:
    """What an editor sends, with the token."""
    headers = {"Authorization": f"token {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as made:
        yield made


def opened(client: httpx.Client, path: str) -> dict:
    """A page as the notebook that an editor gets."""
    answer = client.get(f"api/contents/{path}", params={"type": "notebook", "content": 1})
    assert answer.is_success, answer.text
    return answer.json()["content"]


def saved(client: httpx.Client, path: str, notebook: dict) -> None:
    """Save a notebook as an editor does."""
    body = {"type": "notebook", "format": "json", "content": notebook}
    assert client.put(f"api/contents/{path}", json=body).is_success


def pages(here: Place) -> list[str]:
    """The runbooks of the checkout, as paths."""
    return [str(path.relative_to(here.root)) for path in sorted((here.root / "runbooks").glob("*.md"))]


def test_saving_changes_no_byte_of_any_page(here: Place, client: httpx.Client) -> None:
    assert len(pages(here)) > 2
    for path in pages(here):
        before = (here.root / path).read_bytes()
        notebook = opened(client, path)
        # What JupyterLab adds when a kernel has run.
        notebook["metadata"] |= {
            "kernelspec": KERNELSPEC,
            "language_info": {"name": "python", "version": "3"},
        }
        saved(client, path, notebook)
        assert (here.root / path).read_bytes() == before, path


def test_an_edit_changes_its_line_and_no_other(here: Place, client: httpx.Client) -> None:
    path = here.root / "runbooks/hard.md"
    notebook = opened(client, "runbooks/hard.md")
    (cell,) = [one for one in notebook["cells"] if one["source"] == 'print("hello")']
    cell["source"] = 'print("goodbye")'
    saved(client, "runbooks/hard.md", notebook)
    assert path.read_text() == HARD.replace("hello", "goodbye")
    path.write_text(HARD)


def test_outputs_are_never_written_into_the_page(here: Place, client: httpx.Client) -> None:
    notebook = opened(client, "runbooks/hard.md")
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 7
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "what a host said"}]
    saved(client, "runbooks/hard.md", notebook)
    assert (here.root / "runbooks/hard.md").read_text() == HARD
    assert list(here.root.rglob("*.ipynb")) == []


def test_front_matter_that_was_edited_is_written(here: Place, client: httpx.Client) -> None:
    notebook = opened(client, "runbooks/hard.md")
    notebook["cells"][0]["source"] = notebook["cells"][0]["source"].replace("Hard: a page", "Another")
    saved(client, "runbooks/hard.md", notebook)
    path = here.root / "runbooks/hard.md"
    assert "title: Another" in path.read_text() and path.read_text().endswith(HARD[HARD.index("# Hard") :])
    path.write_text(HARD)


def test_only_prose_that_is_a_code_cell_can_be_run(here: Place, client: httpx.Client) -> None:
    code = [c["source"] for c in opened(client, "runbooks/hard.md")["cells"] if c["cell_type"] == "code"]
    assert len(code) == 2 and not any("never-run" in source for source in code)


def test_nobody_gets_in_without_the_token_or_from_elsewhere(server: lab.Lab) -> None:
    assert httpx.get(f"{server.url}api/contents").status_code == 403
    assert httpx.get(f"{server.url}api/contents", params={"token": "wrong"}).status_code == 403
    port = httpx.URL(server.url).port
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    places = {
        line.split()[1] for line in listening.splitlines() if f":{port:04X} " in line.split(None, 3)[1] + " "
    }
    assert {place.partition(":")[0] for place in places} == {"0100007F"}, "on 127.0.0.1 and nowhere else"


def test_the_token_stands_on_no_command_line(server: lab.Lab) -> None:
    """There everybody on the machine could read it."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                assert server.token.encode() not in (folder / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue


def start(here: Place) -> tuple[subprocess.Popen[str], httpx.Client]:
    """`blumeops runbook open`, as it runs in a terminal, once it has said where."""
    ours = here.start("open", "hard", "--no-browser")
    url = httpx.URL(ours.stdout.readline().strip())
    assert url.path.endswith("/lab/tree/runbooks/hard.md"), str(url)
    headers = {"Authorization": f"token {url.params['token']}"}
    return ours, httpx.Client(base_url=f"http://{url.host}:{url.port}/", headers=headers, timeout=60)


def descendants(pid: int) -> set[int]:
    """All that a process has started and that still hangs below it."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found |= {child, *descendants(child)}
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_server_and_its_kernels(here: Place, number: signal.Signals) -> None:
    ours, client = start(here)
    with client:
        assert client.post("api/kernels", json={"name": "python3"}).status_code == 201
    running = descendants(ours.pid)
    assert len(running) >= 3, "the leash, the server, a kernel"
    ours.send_signal(number)
    _, err = ours.communicate(timeout=120)
    assert ours.returncode == 0 and "Traceback" not in err, err
    for pid in running:
        gone(pid)


def test_a_killed_command_takes_the_server_with_it(here: Place) -> None:
    ours, client = start(here)
    client.close()
    running = descendants(ours.pid)
    ours.kill()
    ours.communicate(timeout=120)
    for pid in running:
        gone(pid)


def test_a_port_that_is_taken_is_no_reason_to_give_up_and_no_file_is_left(here: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with lab.running(here.root, here.root / "runbooks/hard.md", port=port) as (made, _wait):
            assert httpx.URL(made.url).port != port
            (mine,) = [p for p in Path(tempfile.gettempdir()).glob("blumeops-lab-*") if made.token in text(p)]
            assert stat.S_IMODE(mine.stat().st_mode) == 0o700
    assert not mine.exists()


def test_a_runbook_that_is_not_there_is_said_before_anything_starts(here: Place) -> None:
    with pytest.raises(BlumeOpsError, match="there is no runbook 'hrad'") as caught:
        lab.page(here.root, "hrad")
    assert "did you mean 'hard'" in caught.value.hint


def test_without_the_extra_the_command_to_install_it_is_named(tmp_path: Path) -> None:
    """In an interpreter that has our core and nothing of the extra."""
    code = "import sys; sys.path.insert(0, sys.argv[1])\nfrom blumeops.runbooks import lab\nlab.require()"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT)], capture_output=True, text=True, cwd=tmp_path
    )
    last = done.stderr.strip().splitlines()
    assert EngineMissing.__name__ in done.stderr and "jupyterlab" in done.stderr
    assert "make setup" in last[-1] and "blumeops[lab]" in last[-1]


def test_what_git_takes_in_has_no_outputs(tmp_path: Path) -> None:
    """The filter of this repository, set up as `open` and `up` do, on a real commit."""
    here = place(tmp_path / "homelab")
    git = Repository(here.root).git
    (here.root / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    said = {"output_type": "stream", "name": "stdout", "text": ["what a host said"]}
    cell = {
        "cell_type": "code",
        "id": "a",
        "source": ["1"],
        "metadata": {},
        "execution_count": 1,
        "outputs": [said],
    }
    path = here.root / "tried.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}))
    git("add", "tried.ipynb")
    assert [problem.path for problem in lab_git.with_outputs(here.root, ["tried.ipynb"])] == ["tried.ipynb"]
    assert lab_git.set_up(here.root) and lab_git.set_up(here.root), "a second time is nothing"
    git("add", "--renormalize", "tried.ipynb")
    assert list(lab_git.with_outputs(here.root, ["tried.ipynb"])) == []
    assert "what a host said" not in git("show", ":tried.ipynb").stdout
    assert "what a host said" in path.read_text(), "the file on disk is not touched"


def test_a_repository_without_our_attributes_is_left_alone(tmp_path: Path) -> None:
    here = place(tmp_path / "homelab")
    before = (here.root / ".git/config").read_bytes()
    assert not lab_git.set_up(here.root)
    assert (here.root / ".git/config").read_bytes() == before


def test_a_new_file_and_one_that_is_no_page_are_written_as_they_are() -> None:
    after = "---\ntitle: New\nkernelspec: {name: python3}\n---\n\n# New\n"
    assert lab_contents.kept("", after) == after
    assert lab_contents.kept("# Old\n", "# New\n") == "# New\n"
    bare = "---\njupytext: {a: b}\n---\n\n# Old\n"
    assert lab_contents.kept("# Old\n", bare) == "# Old\n", "an editor's own front matter is not added"


def text(folder: Path) -> str:
    """What the files of a server's runtime folder say."""
    return "".join(path.read_text() for path in (folder / "runtime").glob("jpserver-*.json"))

"""The index: fresh, the same however it came about, and never a reader of what is not the repository's."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blumeops.context import store
from blumeops.context.index import Index
from blumeops.context.model import Hit, Kind

QUESTIONS = (
    "which port does the proxy listen on",
    "restore a backup",
    "alpha beta",
    "why is the queue red",
    "gamma",
)
WORDS = (
    "alpha",
    "beta",
    "gamma",
    "proxy",
    "port",
    "backup",
    "restore",
    "queue",
    "red",
    "host",
    "policy",
    "listen",
)


def _vault(root: Path) -> Path:
    (root / "docs").mkdir(parents=True)
    (root / "docs/proxy.md").write_text(
        "# Proxy\n\nIt listens on port 80.\n\n## Trouble\n\nSee [[backup]].\n"
    )
    (root / "docs/backup.md").write_text("---\naliases: [archives]\n---\n# Backup\n\nEvery night.\n")
    return root


def _open(root: Path, name: str = "index.sqlite") -> Index:
    return Index.open(root, cache=root.parent / f"{root.name}-cache" / name)


def _all(index: Index) -> tuple[object, ...]:
    """Everything that an index can say."""
    sections = {path: index.sections(path) for path in index.paths()}
    return dict(index.paths()), sections, tuple(index.search(asked, limit=200) for asked in QUESTIONS)


def _places(hits: tuple[Hit, ...]) -> set[str]:
    return {hit.section.path for hit in hits}


def test_a_changed_file_is_found_by_its_new_words_and_not_by_its_old(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    with _open(root) as index:
        assert _places(index.search("night")) == {"docs/backup.md"}
    (root / "docs/backup.md").write_text("# Backup\n\nEvery morning.\n")
    with _open(root) as index:
        assert index.search("night") == ()
        assert _places(index.search("morning")) == {"docs/backup.md"}


def test_a_deleted_and_a_renamed_file_leave_nothing_behind(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    with _open(root) as index:
        (root / "docs/proxy.md").rename(root / "docs/door.md")
        (root / "docs/backup.md").unlink()
        assert index.refresh()
        assert dict(index.paths()) == {"docs/door.md": Kind.PAGE}
        assert _places(index.search("proxy backup night")) == {"docs/door.md"}


def test_a_file_of_the_same_size_written_in_the_same_instant_is_read_again(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    file = root / "docs/backup.md"
    for word in ("sunday", "monday", "friday"):
        file.write_text(f"# Backup\n\nEvery {word}.\n")
        with _open(root) as index:
            assert _places(index.search(word)) == {"docs/backup.md"}


def test_nothing_is_written_when_nothing_has_changed(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    old = time.time() - 3600
    for file in (root / "docs").iterdir():
        os.utime(file, (old, old))
    with _open(root) as index:
        assert not index.refresh()


def test_an_index_is_equal_to_a_fresh_one_after_any_edits(tmp_path: Path) -> None:
    dice = random.Random(20261123)
    root = _vault(tmp_path / "vault")
    names = [f"docs/p{number}.md" for number in range(6)]
    index = _open(root)
    for turn in range(25):
        file = root / dice.choice(names)
        if file.exists() and dice.random() < 0.3:
            file.unlink()
        else:
            file.write_text(_page(dice, names))
        index.refresh()
        if turn % 5 == 4:
            with _open(root, f"fresh-{turn}.sqlite") as fresh:
                assert _all(index) == _all(fresh)
    index.close()


def _page(dice: random.Random, names: list[str]) -> str:
    stem = Path(dice.choice(names)).stem
    said = " ".join(dice.choices(WORDS, k=30))
    alias = f"---\naliases: [{dice.choice(WORDS)}]\n---\n" if dice.random() < 0.5 else ""
    return f"{alias}# {dice.choice(WORDS)}\n\n{said} [[{stem}]].\n\n## {dice.choice(WORDS)}\n\n{said[::-1]}\n"


def test_the_same_question_has_the_same_answer_in_another_process(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    asked = (
        "import sys; from pathlib import Path; from blumeops.context.index import Index\n"
        "print(Index.open(Path(sys.argv[1]), cache=Path(sys.argv[2])).search('proxy port backup'))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", asked, str(root), str(tmp_path / f"{seed}.sqlite")],
            env={**os.environ, "PYTHONHASHSEED": str(seed)}, capture_output=True, check=True,
        ).stdout
        for seed in (1, 2)
    }  # fmt: skip
    assert len(said) == 1


def test_d1_nothing_outside_of_the_root_is_read(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("# Outsiders\n\nzanzibar\n")
    (root / "docs/link.md").symlink_to(outside / "secret.md")
    (root / "docs/up.md").symlink_to("../../outside/secret.md")
    (root / "docs/folder").symlink_to(outside)
    os.mkfifo(root / "docs/pipe.md")
    with _open(root) as index:
        assert index.search("zanzibar") == ()
        assert set(index.paths()) == {"docs/proxy.md", "docs/backup.md"}


def test_what_git_ignores_is_not_read_and_what_it_would_add_is(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / ".gitignore").write_text("/docs/private.md\n")
    (root / "docs/private.md").write_text("# Private\n\nzanzibar\n")
    with _open(root) as index:
        assert set(index.paths()) == {"docs/proxy.md", "docs/backup.md"}
        (root / ".gitignore").write_text("")
        assert index.refresh()
        assert "docs/private.md" in index.paths()


def test_d7_what_is_binary_huge_or_oddly_encoded_does_no_harm(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    (root / "docs/binary.md").write_bytes(bytes(range(256)) * 10)
    (root / "docs/huge.md").write_bytes(b"# Huge\n\nzanzibar\n" + b"x" * 3_000_001)
    (root / "docs/latin.md").write_bytes("# Über\n\nGrüße quokka\n".encode("latin-1"))
    (root / "docs/wide.md").write_bytes("# Wide\n\nwombat\n".encode("utf-16"))
    (root / "docs/windows.md").write_bytes(b"\xef\xbb\xbf# Win\r\n\r\nnumbat\r\n")
    (root / "docs/odd.md").write_text("---\nkey: [\n---\n# Odd\n\nbilby\n")
    with _open(root) as index:
        assert index.search("zanzibar") == ()
        for word, path in (("quokka", "latin"), ("wombat", "wide"), ("numbat", "windows"), ("bilby", "odd")):
            assert _places(index.search(word)) == {f"docs/{path}.md"}, word


def test_an_encrypted_file_and_a_file_of_secrets_are_not_read(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    state = root / "ansible"
    state.mkdir()
    (state / "all.yml").write_text("zanzibar: 1\n")
    (state / "locked.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\nquokka\n")
    (state / "secrets.yml").write_text("wombat: 1\n")
    with _open(root) as index:
        assert _places(index.search("zanzibar")) == {"ansible/all.yml"}
        assert index.search("quokka wombat") == ()


def test_a_corrupt_index_is_made_anew(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    file = tmp_path / "vault-cache/index.sqlite"
    with _open(root) as index:
        said = _all(index)
    whole = file.read_bytes()
    for broken in (b"no database", whole[: len(whole) // 3], whole[:4096] + os.urandom(len(whole) - 4096)):
        file.write_bytes(broken)
        with _open(root) as index:
            index.refresh()
            assert _all(index) == said


def test_an_index_of_other_code_or_another_root_is_made_anew(tmp_path: Path) -> None:
    one, two = _vault(tmp_path / "one"), _vault(tmp_path / "two")
    (two / "docs/backup.md").write_text("# Backup\n\nquokka\n")
    cache = tmp_path / "index.sqlite"
    with Index.open(one, cache=cache) as index:
        assert index.search("quokka") == ()
    with Index.open(two, cache=cache) as index:
        assert _places(index.search("quokka")) == {"docs/backup.md"}


def test_where_nothing_can_be_written_the_index_is_in_memory(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with Index.open(root, cache=blocked / "index.sqlite") as index:
        assert _places(index.search("night")) == {"docs/backup.md"}


def test_a_killed_writer_leaves_a_usable_index(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    with _open(root) as index:
        said = _all(index)
    for number in range(300):
        (root / f"docs/new{number}.md").write_text(f"# New {number}\n\nquokka {number}\n" * 20)
    assert any(_killed_while_it_writes(root, tmp_path / "vault-cache/index.sqlite") for _ in range(5))
    for number in range(300):
        (root / f"docs/new{number}.md").unlink()
    with _open(root) as index:
        assert _all(index) == said


def _killed_while_it_writes(root: Path, file: Path) -> bool:
    """Start a writer and kill it when its journal is there; false when it was done already."""
    opens = (
        "import sys; from pathlib import Path; from blumeops.context.index import Index\n"
        "Index.open(Path(sys.argv[1]), cache=Path(sys.argv[2]))"
    )
    writer = subprocess.Popen([sys.executable, "-c", opens, str(root), str(file)])
    journal = file.with_name(f"{file.name}-journal")
    while writer.poll() is None and not journal.exists():
        time.sleep(0.001)
    writer.send_signal(signal.SIGKILL)
    return writer.wait() == -signal.SIGKILL and journal.exists()


def test_two_at_once_both_have_the_whole_index(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    for number in range(30):
        (root / f"docs/new{number}.md").write_text(f"# New {number}\n\nquokka {number}\n")
    asked = (
        "import sys; from pathlib import Path; from blumeops.context.index import Index\n"
        "print(len(Index.open(Path(sys.argv[1]), cache=Path(sys.argv[2])).search('quokka', limit=99)))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", asked, str(root), str(tmp_path / "i.sqlite")], stdout=-1)
        for _ in range(2)
    ]
    assert [one.communicate(timeout=120)[0] for one in both] == [b"30\n", b"30\n"]


def test_d9_a_path_that_climbs_is_no_section(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    (tmp_path / "secret.md").write_text("# Secret\n")
    with _open(root) as index:
        for path in (
            "../secret.md",
            str(tmp_path / "secret.md"),
            "docs/../../secret.md",
            "--flag",
            "\0",
            "x' or 1",
        ):
            assert index.sections(path) == ()
            assert index.section(path) is None


def test_a_section_is_found_by_its_anchor_with_all_of_its_parts(tmp_path: Path) -> None:
    root = _vault(tmp_path / "vault")
    long = "\n\n".join("word " * 100 for _ in range(12))
    (root / "docs/long.md").write_text(f"# Long\n\nTop.\n\n## Part\n\n{long}\n\nThe end.\n")
    with _open(root) as index:
        found = index.section("docs/long.md", "part")
        assert found is not None
        assert found.text.endswith("The end.")
        assert found.tokens > 500
        assert index.section("docs/long.md").text == "# Long\n\nTop."
        assert index.section("docs/long.md", "none") is None


@pytest.mark.parametrize(
    "question", ["", "  ", '"', "OR AND NOT NEAR(", "a* ^b -c", "title: x", "\0", "x" * 100_000, "👩‍👩‍👧"]
)
def test_d9_no_question_is_a_syntax_error(tmp_path: Path, question: str) -> None:
    with _open(_vault(tmp_path / "vault")) as index:
        assert isinstance(index.search(question), tuple)


def test_the_version_of_an_index_is_that_of_its_code() -> None:
    assert len(store.version()) == 24

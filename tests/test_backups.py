"""The laws of backups: what counts as the same, what is held against an archive, and a real round trip."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blumeops import backups, backups_survey, remote
from blumeops.backups import Archive, Survey
from blumeops.errors import BlumeOpsError, EngineError
from blumeops.sandbox.sandbox import Sandbox
from blumeops.target import Secret

NIGHT = Archive("indri-night", datetime(2026, 3, 1, 3, 30, tzinfo=UTC))
BEFORE, AFTER = NIGHT.taken.timestamp() - 60, NIGHT.taken.timestamp() + 60


def folder(root: Path, *, rows: int = 3, text: str = "one page\n") -> Path:
    """A folder with a file and a database, both last changed before the archive."""
    root.mkdir()
    (root / "a letter.txt").write_text(text)
    with sqlite3.connect(root / "db.sqlite3") as base:
        base.execute("create table letters (id integer, title text)")
        base.executemany("insert into letters values (?, ?)", [(n, f"no. {n}") for n in range(rows)])
    base.close()
    for path in root.iterdir():
        os.utime(path, (BEFORE, BEFORE))
    return root


def seen(root: Path) -> Survey:
    """What a host would say about a folder of this machine."""
    found = backups_survey.look(str(root))
    return Survey(found["files"], found["tables"], found["changed"], tuple(found["broken"]), found["bytes"])


def test_two_databases_with_the_same_rows_are_the_same_whatever_their_files_say(tmp_path: Path) -> None:
    live, restored = folder(tmp_path / "live"), folder(tmp_path / "restored")
    with sqlite3.connect(restored / "db.sqlite3") as base:
        base.execute("insert into letters values (99, 'written and taken away')")
        base.execute("delete from letters where id = 99")
        base.execute("pragma user_version = 7")
    base.close()
    assert (live / "db.sqlite3").read_bytes() != (restored / "db.sqlite3").read_bytes()
    judged = backups.compare(seen(live), seen(restored), NIGHT)
    assert judged.sound and judged.same == 2 and not judged.since


def test_what_did_not_change_since_and_is_not_as_it_was_is_a_fault_of_the_backup(tmp_path: Path) -> None:
    live = folder(tmp_path / "live")
    judged = backups.compare(seen(live), seen(folder(tmp_path / "a", rows=2, text="one pane\n")), NIGHT)
    assert not judged.sound and set(judged.other) == {"a letter.txt", "db.sqlite3:letters"}
    (empty := tmp_path / "b").mkdir()
    judged = backups.compare(seen(live), seen(empty), NIGHT)
    assert not judged.sound and set(judged.lost) == {"a letter.txt", "db.sqlite3:letters"}


def test_what_changed_after_the_archive_is_named_and_not_held_against_it(tmp_path: Path) -> None:
    live, restored = folder(tmp_path / "live"), folder(tmp_path / "restored")
    (live / "a letter.txt").write_text("two pages\n")
    (live / "new.txt").write_text("came later\n")
    (restored / "thrown away.txt").write_text("since then\n")
    for path in (live / "a letter.txt", live / "new.txt"):
        os.utime(path, (AFTER, AFTER))
    judged = backups.compare(seen(live), seen(restored), NIGHT)
    assert judged.sound
    assert set(judged.since) == {"a letter.txt", "new.txt"} and judged.gone == ("thrown away.txt",)
    assert "2 changed since the archive" in str(judged)


def test_rows_that_are_still_beside_the_database_are_read_and_its_log_is_no_file(tmp_path: Path) -> None:
    live = folder(tmp_path / "live")
    base = sqlite3.connect(live / "db.sqlite3")
    try:
        base.execute("pragma journal_mode = wal")
        base.execute("insert into letters values (9, 'not yet in the main file')")
        base.commit()
        assert (live / "db.sqlite3-wal").exists()
        found = seen(live)
    finally:
        base.close()
    assert found.rows == 4 and set(found.files) == {"a letter.txt"}
    assert found.changed["db.sqlite3:letters"] > AFTER


def test_a_damaged_database_is_named_and_never_counted_as_read(tmp_path: Path) -> None:
    live = folder(tmp_path / "live", rows=2000)
    whole = (live / "db.sqlite3").read_bytes()
    (live / "db.sqlite3").write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    assert "db.sqlite3" in seen(live).broken and "1 damaged" in str(seen(live))


def test_an_archive_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    assert backups.named((NIGHT,)) is NIGHT
    with pytest.raises(BlumeOpsError, match="no archive 'indri-noon'") as caught:
        backups.named((NIGHT,), "indri-noon")
    assert "indri-night" in caught.value.hint
    with pytest.raises(BlumeOpsError, match="there is no archive"):
        backups.named(())


@pytest.mark.sandbox
@pytest.mark.needs("hosts")
def test_a_restored_folder_is_the_live_one_and_the_storage_box_asks_for_the_passphrase(
    sandbox: Sandbox,
) -> None:
    target, host, place = sandbox.target, "indri", "/srv/paperless"
    try:
        letter = f"mkdir -p {place} && printf '%s' {os.urandom(8).hex()} > '{place}/a letter.txt'"
        remote.change(target, host, letter, what="a letter")
        archive = backups.back_up(target, host)
        assert archive.hours() < 1
        backups.extract(target, host, archive, place, "/srv/.restored")
        live, back = (backups.survey(target, host, name) for name in (place, f"/srv/.restored{place}"))
        assert live.files and backups.compare(live, back, archive).sound
        with pytest.raises(EngineError, match="exit"):  # it never restores over what is there
            backups.extract(target, host, archive, place, "/srv/.restored")
        passphrase = remote.ask(target, host, "cat /etc/borg/passphrase").strip()
        assert archive in backups.archives_at(target, "sifaka", host, Secret(passphrase))
        with pytest.raises(EngineError, match="passphrase"):
            backups.archives_at(target, "sifaka", host, Secret("another"))
    finally:
        remote.change(target, host, f"rm -rf /srv/.restored {place}", what="tidying")

"""Transactions that let other threads run while they end."""

import threading
from pathlib import Path

import apsw
import pytest

from mailsuite.base.sqlite import close, transaction


def opened(file: Path) -> apsw.Connection:
    db = apsw.Connection(str(file))
    db.set_busy_timeout(3000)
    return db


def numbers(db: apsw.Connection) -> list[int]:
    return [number for (number,) in db.execute("SELECT number FROM it ORDER BY number")]


def test_others_run_while_it_commits(tmp_path: Path) -> None:
    """The commit waits in SQLite for a reader, who can only end in another thread."""
    writer, reader = opened(tmp_path / "it.db"), opened(tmp_path / "it.db")
    writer.execute("CREATE TABLE it(number INTEGER); INSERT INTO it VALUES (1), (2)")
    reading = reader.execute("SELECT number FROM it")
    assert next(reading) == (1,)
    at_its_end = threading.Event()

    def read_to_the_end() -> None:
        at_its_end.wait()
        reading.close()

    thread = threading.Thread(target=read_to_the_end)
    thread.start()
    try:
        with transaction(writer):
            writer.execute("INSERT INTO it VALUES (3)")
            at_its_end.set()
    finally:
        at_its_end.set()
        thread.join()
    assert numbers(reader) == [1, 2, 3]
    for db in (writer, reader):
        close(db)


def test_all_or_nothing(tmp_path: Path) -> None:
    db = opened(tmp_path / "it.db")
    with transaction(db):
        db.execute("CREATE TABLE it(number INTEGER UNIQUE); INSERT INTO it VALUES (1)")
    with pytest.raises(apsw.ConstraintError), transaction(db):
        db.execute("INSERT INTO it VALUES (2)")
        db.execute("INSERT INTO it VALUES (1)")
    with pytest.raises(KeyError), transaction(db):
        db.execute("INSERT OR ROLLBACK INTO it VALUES (3)")
        raise KeyError
    with pytest.raises(apsw.ConstraintError), transaction(db):
        db.execute("INSERT OR ROLLBACK INTO it VALUES (1)")  # it has ended by that
    assert numbers(db) == [1] and not db.in_transaction
    close(db)


def test_the_log_is_taken_over_before_it_is_closed(tmp_path: Path) -> None:
    """Also while another connection is open, whose `close` is the last then."""
    file = tmp_path / "it.db"
    db, other = opened(file), opened(file)
    db.pragma("journal_mode", "wal")
    with transaction(db):
        db.execute("CREATE TABLE it(number INTEGER); INSERT INTO it VALUES (1)")
    assert numbers(other) == [1]
    close(db)
    alone = tmp_path / "alone.db"
    alone.write_bytes(file.read_bytes())
    again = opened(alone)
    assert numbers(again) == [1]
    close(again)
    close(other)
    assert not file.with_name("it.db-wal").exists()


def test_a_broken_one_is_closed_too(tmp_path: Path) -> None:
    file = tmp_path / "it.db"
    file.write_bytes(b"no database at all, but longer than the header of one " * 9)
    close(opened(file))

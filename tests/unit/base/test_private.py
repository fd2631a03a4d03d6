"""Files that only the server's user may read."""

import os
from pathlib import Path

import pytest

from mailsuite.base.private import make_private
from mailsuite.fetch.database import FetchDatabase
from mailsuite.signin import Bans


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As systemd makes it: anybody may look in, and (where the test may) of another user."""
    tmp_path.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
    return tmp_path


def test_made_for_the_owner_of_the_folder(folder: Path) -> None:
    make_private(folder / "file")
    status = (folder / "file").stat()
    assert status.st_mode & 0o777 == 0o600 and status.st_size == 0
    assert (status.st_uid, status.st_gid) == (folder.stat().st_uid, folder.stat().st_gid)


def test_what_is_there_stays(folder: Path) -> None:
    (folder / "file").write_text("kept")
    make_private(folder / "file")
    assert (folder / "file").read_text() == "kept"


def test_databases_are_private_with_what_sqlite_puts_beside_them(folder: Path) -> None:
    bans, fetch = Bans(folder / "bans.db"), FetchDatabase(folder / "fetch.db")
    found = {path.name: path.stat() for path in folder.iterdir()}
    bans.close()
    fetch.close()
    assert {"bans.db", "bans.db-wal", "fetch.db", "fetch.db-wal"} <= found.keys()
    assert {status.st_mode & 0o777 for status in found.values()} == {0o600}
    assert {status.st_uid for status in found.values()} == {folder.stat().st_uid}

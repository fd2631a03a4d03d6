"""What is noted of fetching."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from mailsuite.base.errors import UserError
from mailsuite.fetch import KEEP, FetchDatabase, change_login, make, other_login
from mailsuite.fetch.model import Fares
from mailsuite.remote import Password, RefreshToken, unpacked
from mailsuite.vault import Vault

SETTINGS = {
    "account": "bob@example.test",
    "protocol": "imap",
    "host": "mail.far.test",
    "port": 993,
    "tls": "implicit",
    "ca_file": "",
    "user": "bob",
    "folder": "INBOX",
    "leave": KEEP,
    "interval": 300.0,
    "idle": True,
    "skip": False,
}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "secrets.key")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[FetchDatabase]:
    database = FetchDatabase(tmp_path / "fetch.db")
    yield database
    database.close()


def test_there_and_back(database, vault, tmp_path):
    remote = database.add(make(SETTINGS, Password("secret"), vault))
    assert vault.open(remote.sealed, remote.about) == "secret"
    assert b"secret" not in (tmp_path / "fetch.db").read_bytes()
    assert database.remotes() == [remote]
    assert database.require(remote.id).idle is True
    with pytest.raises(UserError, match="already"):
        database.add(make(SETTINGS, Password("secret"), vault))
    fares = Fares(1.0, 2.0, 3.0, 0, 4, "no answer", "")
    database.note(remote.id, fares)
    database.fetched(remote.id, ["1.7"], 5.0, high=7)
    assert database.fares(remote.id) == replace(fares, fetched=1)
    assert database.place(remote.id) == (0, 7, False)
    database.remove(remote.id)
    assert database.seen(remote.id, ["1.7"]) == {}
    with pytest.raises(UserError, match="nothing is fetched under the number"):
        database.require(remote.id)


def test_what_has_been_seen(database, vault):
    number = database.add(make(SETTINGS, Password("secret"), vault)).id
    database.fetched(number, ["a", "b"], 10.0)
    database.fetched(number, ["c"], 20.0)
    database.fetched(number, ["d"], 20.0, remember=False)
    assert database.seen(number, ["a", "c", "d"]) == {"a": 10.0, "c": 20.0}
    assert sorted(database.older(number, 15.0)) == ["a", "b"]
    database.forget(number, ["a"])
    database.keep_only(number, ["c", "x"])
    assert database.seen(number, ["a", "b", "c"]) == {"c": 20.0}


def test_another_uidvalidity_forgets(database, vault):
    number = database.add(make(SETTINGS, Password("secret"), vault)).id
    database.set_place(number, 5, 0)
    database.fetched(number, ["5.1"], 10.0, high=1)
    database.set_place(number, 5, 1)
    assert database.seen(number, ["5.1"])
    database.set_place(number, 6, 0)
    assert database.place(number) == (6, 0, False)
    assert not database.seen(number, ["5.1"])


def test_nothing_is_noted_of_one_that_was_removed_meanwhile(database, vault):
    number = database.add(make(SETTINGS, Password("secret"), vault)).id
    database.remove(number)
    database.fetched(number, ["a"], 10.0)
    assert database.seen(number, ["a"]) == {}


def test_another_way_to_sign_in(database, vault):
    """What has been fetched stays known, and nothing of the old failure is left to wait for."""
    remote = database.add(make(SETTINGS, Password("secret"), vault))
    database.fetched(remote.id, ["a"], 10.0)
    database.note(remote.id, Fares(1.0, 2.0, 3e9, 0, 4, "refused", "one left"))
    refresh = RefreshToken("https://id.test/token", "me", "long")
    change_login(database, other_login(remote, refresh, "/a.pem", "/a.key", vault))
    found = database.require(remote.id)
    assert unpacked(found.method, vault.open(found.sealed, found.about)) == refresh
    assert (found.certificate, found.key) == ("/a.pem", "/a.key")
    fares = database.fares(remote.id)
    assert (fares.failures, fares.error, fares.next, fares.trouble) == (0, "", 0.0, "one left")
    assert database.seen(remote.id, ["a"]) == {"a": 10.0}


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_database_of_an_earlier_version(tmp_path, vault, version):
    """Written before there was anything but passwords, or what was left was noted."""
    path = tmp_path / "fetch.db"
    with closing(FetchDatabase(path)) as database:
        remote = database.add(make(SETTINGS, Password("secret"), vault))
    with closing(apsw.Connection(str(path))) as old:
        for column in ("method", "certificate", "key") if version == 1 else ():
            old.execute(f"ALTER TABLE remote DROP COLUMN {column}")
        if version < 3:
            old.execute("DROP TABLE left_there")
        old.execute("ALTER TABLE seen DROP COLUMN digest")
        old.pragma("user_version", version)
    for _ in range(2):
        with closing(FetchDatabase(path)) as database:
            assert database.remotes() == [remote]
            assert database.left(remote.id) == {}


def test_what_is_left(database, vault):
    number = database.add(make(SETTINGS, Password("secret"), vault)).id
    database.set_place(number, 1, 0)
    database.leave(number, {"1.5": 0, "1.6": 900, "1.7": 800, "1.8": 1})
    database.leave(number, {"1.5": 700})
    assert database.left(number) == {"1.5": 700, "1.6": 900, "1.7": 800, "1.8": 1}
    database.fetched(number, ["1.6"], 1.0, remember=False)
    database.no_longer_left(number, ["1.8"])
    database.keep_only(number, ["1.5"])
    assert database.left(number) == {"1.5": 700}
    database.set_place(number, 2, 0)
    assert database.left(number) == {}
    database.leave(number + 1, {"1.1": 1})
    assert database.left(number + 1) == {}

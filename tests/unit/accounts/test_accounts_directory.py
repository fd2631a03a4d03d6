"""The directory: changes, mistakes told, look-ups that follow other processes."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from mailsuite.accounts import AccountRow, AliasRow, Directory, DirectoryUnavailable
from mailsuite.accounts.passwords import Hasher
from mailsuite.base.errors import UserError

CHEAP = Hasher(memory=64, passes=1)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    found = Directory(tmp_path / "accounts.db", hasher=CHEAP)
    found.add_domain("example.test")
    yield found
    found.close()


def test_a_user_is_found_by_any_case_of_the_address(directory: Directory) -> None:
    directory.add_user("Alice@Example.TEST", "secret")
    row = directory.lookup("aLICE@example.test")
    assert isinstance(row, AccountRow)
    assert (row.address, row.enabled) == ("alice@example.test", True)
    assert directory.lookup('"alice"@example.test') == row
    assert directory.lookup("alice+shop@example.test") is None
    assert directory.lookup("alice") is None
    assert directory.lookup("@example.test") is None
    assert [user.address for user in directory.users()] == ["alice@example.test"]


def test_international_names_have_one_form(directory: Directory) -> None:
    directory.add_domain("Bücher.test")
    directory.add_user("JO\u0308RG@bücher.test", "secret")
    row = directory.lookup("j\u00f6rg@xn--bcher-kva.TEST")
    assert row is not None
    assert row.address == "j\u00f6rg@xn--bcher-kva.test"
    assert directory.is_local("BÜCHER.test")
    assert [domain.name for domain in directory.domains()] == [
        "example.test",
        "xn--bcher-kva.test",
    ]


def test_domains_count_what_they_hold(directory: Directory) -> None:
    directory.add_user("alice@example.test", "secret")
    directory.add_alias("sales@example.test", ["alice@example.test"])
    (domain,) = directory.domains()
    assert (domain.name, domain.users, domain.aliases) == ("example.test", 1, 1)
    assert directory.is_local("Example.Test")
    assert directory.is_local("example.test.")
    assert not directory.is_local("sub.example.test")
    assert not directory.is_local("")


def test_removing_a_domain_in_use_needs_force(directory: Directory) -> None:
    directory.add_user("alice@example.test", "secret")
    directory.add_alias("@example.test", ["alice@example.test"])
    with pytest.raises(UserError, match=r"1 user and 1 alias .*--force example\.test"):
        directory.remove_domain("example.test")
    assert directory.is_local("example.test")
    assert directory.remove_domain("example.test", force=True) == ["alice@example.test"]
    assert not directory.is_local("example.test")
    assert directory.lookup("alice@example.test") is None
    assert directory.catch_all("example.test") is None


def test_aliases(directory: Directory) -> None:
    directory.add_alias("Sales@example.test", ["Bob.B@Other.ORG", "x@example.test"])
    row = directory.lookup("sales@example.test")
    assert isinstance(row, AliasRow)
    assert row.targets == ("Bob.B@other.org", "x@example.test")  # a foreign local part stays
    with pytest.raises(UserError, match=r"is an alias for Bob\.B@other\.org, x@example\.test"):
        directory.add_alias("sales@example.test", ["y@example.test"])
    directory.add_alias("sales@example.test", ["y@example.test"], replace=True)
    found = directory.lookup("sales@example.test")
    assert isinstance(found, AliasRow)
    assert found.targets == ("y@example.test",)
    directory.add_alias("@example.test", ["all@example.test"])
    caught = directory.catch_all("EXAMPLE.test")
    assert caught is not None
    assert caught.targets == ("all@example.test",)
    assert [alias.address for alias in directory.aliases()] == [
        "@example.test",
        "sales@example.test",
    ]
    directory.remove_alias("@example.test")
    assert directory.catch_all("example.test") is None


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda d: d.add_domain("example.test"), "domain exists already: example.test"),
        (lambda d: d.add_domain("not a domain"), "not a domain name: not a domain"),
        (lambda d: d.add_domain("[127.0.0.1]"), "not a domain name"),
        (lambda d: d.remove_domain("no.test"), "no such domain: no.test"),
        (
            lambda d: d.add_user("a@no.test", "x"),
            r"no such domain: no.test \(add it: mailsuite domain add no.test\)",
        ),
        (lambda d: d.add_user("alice", "x"), "not an address: alice"),
        (lambda d: d.add_user("a b@example.test", "x"), "not an address"),
        (lambda d: d.add_user("a..b@example.test", "x"), "not an address"),
        (lambda d: d.add_user("a\u200b@example.test", "x"), "not an address"),
        (lambda d: d.add_user("a" * 65 + "@example.test", "x"), "not an address"),
        (lambda d: d.add_user("bob@example.test", ""), "password is empty"),
        (lambda d: d.add_user("bob@example.test", "a\nb"), "control characters"),
        (lambda d: d.add_user("bob@example.test", "x" * 1025), "longer than 1024"),
        (lambda d: d.add_user("there@example.test", "x"), "there@example.test is a user"),
        (lambda d: d.add_alias("there@example.test", ["x@y.test"]), "is a user"),
        (lambda d: d.add_alias("there@example.test", ["x@y.test"], replace=True), "is a user"),
        (lambda d: d.add_alias("a@example.test", []), "at least one target"),
        (lambda d: d.add_alias("a@example.test", ["A@Example.test"]), "lead to itself"),
        (lambda d: d.add_alias("a@example.test", ["@example.test"]), "not an address"),
        (lambda d: d.remove_alias("a@example.test"), "no such alias: a@example.test"),
        (lambda d: d.remove_user("a@example.test"), "no such user: a@example.test"),
        (lambda d: d.set_password("a@example.test", "x"), "no such user: a@example.test"),
        (lambda d: d.disable("a@example.test"), "no such user: a@example.test"),
    ],
)
def test_mistakes_are_told_and_change_nothing(
    directory: Directory, call: Callable[[Directory], object], text: str
) -> None:
    directory.add_user("there@example.test", "secret")
    before = (directory.domains(), directory.users(), directory.aliases())
    with pytest.raises(UserError, match=text):
        call(directory)
    assert (directory.domains(), directory.users(), directory.aliases()) == before


def test_what_another_process_changes_is_seen_at_once(directory: Directory) -> None:
    assert directory.lookup("bob@example.test") is None
    assert not directory.is_local("new.test")
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from mailsuite.accounts import Directory\n"
            "d = Directory(Path(sys.argv[1])); d.add_domain('new.test')\n"
            "d.add_user('bob@example.test', 'x'); d.close()",
            str(directory.path),
        ],
        check=True,
    )
    assert directory.lookup("bob@example.test") is not None
    assert directory.is_local("new.test")


def test_a_lag_spares_looks_at_the_file_and_never_hides_own_changes(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "accounts.db", hasher=CHEAP, lag=3600)
    other = Directory(tmp_path / "accounts.db", hasher=CHEAP)
    try:
        assert not directory.is_local("new.test")
        other.add_domain("new.test")
        assert not directory.is_local("new.test")
        directory.add_domain("own.test")
        assert directory.is_local("own.test")
        assert directory.is_local("new.test")
    finally:
        other.close()
        directory.close()


def test_the_memory_of_lookups_is_bounded(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailsuite.accounts.directory.CACHED_LOOKUPS", 10)
    for number in range(100):
        assert directory.lookup(f"guess{number}@example.test") is None
    assert len(directory._found) <= 10


def test_a_second_opening_finds_everything(directory: Directory) -> None:
    directory.add_user("alice@example.test", "secret")
    directory.close()
    again = Directory(directory.path, hasher=CHEAP)
    assert again.check("alice@example.test", "secret") == "alice@example.test"
    again.close()


def test_the_files_are_the_owners_alone(directory: Directory) -> None:
    directory.add_user("alice@example.test", "secret")
    files = list(directory.path.parent.glob("accounts.db*"))
    assert len(files) == 3  # with -wal and -shm
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_makes_the_file_for_the_owner_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, 4321, 4322)
    directory = Directory(folder / "accounts.db", hasher=CHEAP)
    directory.add_domain("example.test")
    owners = {(file.stat().st_uid, file.stat().st_gid) for file in folder.iterdir()}
    directory.close()
    assert owners == {(4321, 4322)}


def test_unusable_files_are_told(tmp_path: Path) -> None:
    noise = tmp_path / "noise.db"
    noise.write_bytes(b"this is no database, but long enough to be looked at" * 20)
    with pytest.raises(DirectoryUnavailable, match=r"noise\.db: not a usable database"):
        Directory(noise)
    with pytest.raises(DirectoryUnavailable, match=r"missing/accounts\.db: No such file"):
        Directory(tmp_path / "missing" / "accounts.db")
    newer = tmp_path / "newer.db"
    connection = apsw.Connection(str(newer))
    connection.pragma("user_version", 999)
    connection.close()
    with pytest.raises(DirectoryUnavailable, match="written by a newer mailsuite"):
        Directory(newer)


def test_a_locked_file_is_told(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory._database._writer.set_busy_timeout(0)
    other = apsw.Connection(str(directory.path))
    other.execute("BEGIN IMMEDIATE")
    try:
        assert directory.is_local("example.test")  # readers are not in the way of writers
        with pytest.raises(DirectoryUnavailable, match="another program holds it locked"):
            directory.add_domain("other.test")
    finally:
        other.close()
    directory.add_domain("other.test")

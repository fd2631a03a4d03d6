"""What is kept beside the hash: SCRAM verifiers, passwords that can be read, app passwords."""

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from mailsuite.accounts import Directory, DirectoryUnavailable
from mailsuite.accounts.database import MIGRATIONS
from mailsuite.accounts.lost import Count
from mailsuite.accounts.passwords import Hasher
from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Threads
from mailsuite.sasl.scram import SHA1, SHA256, make_verifier

ALICE = "alice@example.test"


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Directory]:
    threads = Threads("test", 2)
    found = Directory(tmp_path / "accounts.db", threads, hasher=Hasher(memory=64, passes=1))
    found.add_domain("example.test")
    found.add_user(ALICE, "secret")
    yield found
    threads.close()
    found.close()


def fits(directory: Directory, password: str, name: str = ALICE) -> bool:
    """Whether both verifiers are of this password."""
    for hash in (SHA1, SHA256):
        kept = directory.credentials.verifier(name, hash)
        if kept is None or kept != make_verifier(hash, password, kept.salt, kept.iterations):
            return False
    return True


def test_verifiers_come_and_change_with_the_password(directory: Directory) -> None:
    assert fits(directory, "secret")
    salt = directory.credentials.verifier(ALICE, SHA1)
    directory.set_password(ALICE, "neü")
    assert fits(directory, "neü") and not fits(directory, "secret")
    after = directory.credentials.verifier(ALICE, SHA1)
    assert salt and after and salt.salt == after.salt  # app passwords share it
    assert directory.all_have_verifiers
    directory.disable(ALICE)
    assert directory.credentials.verifier(ALICE, SHA1) is None


def test_unknown_names_look_as_known_ones_do(directory: Directory) -> None:
    real = directory.credentials.verifier(ALICE, SHA256)
    bob, again = (directory.decoy("bob@example.test", SHA256) for _ in range(2))
    assert real and bob.salt == again.salt != real.salt
    assert (bob.iterations, len(bob.salt)) == (real.iterations, len(real.salt))
    assert bob.stored_key != again.stored_key  # nobody's password fits
    assert directory.decoy(ALICE, SHA256).salt == real.salt
    assert directory.decoy(ALICE, SHA1).salt != real.salt


def test_a_password_that_saslprep_prohibits_still_signs_in(directory: Directory) -> None:
    directory.set_password(ALICE, "x\u200ey")
    assert directory.credentials.verifier(ALICE, SHA1) is None
    assert directory.check(ALICE, "x\u200ey") == ALICE
    assert directory.all_have_verifiers  # as far as it can


async def test_a_directory_of_an_older_version_fills_up_at_sign_in(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old = apsw.Connection(str(path))
    for script in MIGRATIONS[:2]:
        old.execute(script)
    hasher = Hasher(memory=64, passes=1)
    old.execute("INSERT INTO domains VALUES ('example.test', 0)")
    old.execute(
        "INSERT INTO users VALUES (?, 'example.test', ?, 1, 0, NULL, NULL)",
        (ALICE, hasher.make(b"secret")),
    )
    old.pragma("user_version", 2)
    old.close()
    directory = Directory(path, hasher=hasher)
    assert not directory.all_have_verifiers and not directory.require_user(ALICE).scram
    assert directory.credentials.verifier(ALICE, SHA1) is None
    assert directory.check(ALICE, "wrong") is None
    assert not directory.all_have_verifiers
    assert directory.check(ALICE, "secret") == ALICE
    assert directory.all_have_verifiers and directory.require_user(ALICE).scram
    assert fits(directory, "secret")
    directory.close()


def test_a_lost_key_costs_the_verifiers_until_the_next_sign_in(
    directory: Directory, tmp_path: Path
) -> None:
    directory.close()
    (tmp_path / "secrets.key").unlink()
    directory = Directory(tmp_path / "accounts.db", hasher=Hasher(memory=64, passes=1))
    assert directory.credentials.verifier(ALICE, SHA1) is None
    assert directory.check(ALICE, "secret") == ALICE
    assert fits(directory, "secret")
    directory.close()


def test_what_another_key_does_not_open_is_told(directory: Directory, tmp_path: Path) -> None:
    """And SCRAM, which could only fail, is not offered until the password was seen again."""
    directory.app_passwords.add(ALICE, "phone")
    directory.set_legacy(ALICE, "secret")
    assert not directory.lost() and directory.all_have_verifiers
    directory.close()
    kept = (tmp_path / "secrets.key").read_bytes()
    (tmp_path / "secrets.key").write_bytes(b"x" * 32)
    directory = Directory(tmp_path / "accounts.db", hasher=Hasher(memory=64, passes=1))
    assert directory.lost() == Count(verifiers=1, app_passwords=1, secrets=1)
    assert not directory.all_have_verifiers
    assert directory.check(ALICE, "secret") == ALICE
    assert directory.all_have_verifiers
    assert directory.lost() == Count(app_passwords=1, secrets=1)
    directory.close()
    (tmp_path / "secrets.key").write_bytes(b"short")
    directory = Directory(tmp_path / "accounts.db", hasher=Hasher(memory=64, passes=1))
    with pytest.raises(UserError, match="not a key of 32 octets"):
        directory.lost()
    (tmp_path / "secrets.key").write_bytes(kept)
    assert directory.lost() == Count(verifiers=1) and not directory.all_have_verifiers
    directory.close()


def test_the_password_is_kept_for_those_who_asked_for_it(
    directory: Directory, tmp_path: Path
) -> None:
    secret = directory.credentials.secret
    assert secret(ALICE) is None and secret("bob@example.test") is None and secret("") is None
    assert not directory.some_have_secrets
    with pytest.raises(UserError, match="not the password of alice"):
        directory.set_legacy(ALICE, "wrong")
    directory.set_legacy(ALICE, "secret")
    assert secret("ALICE@example.test") == "secret"
    assert directory.some_have_secrets
    assert directory.require_user(ALICE).legacy
    directory.set_password(ALICE, "changed")
    assert secret(ALICE) == "changed"
    directory.disable(ALICE)
    assert secret(ALICE) is None
    assert not directory.some_have_secrets
    directory.enable(ALICE)
    directory.set_legacy(ALICE, None)
    assert secret(ALICE) is None and not directory.require_user(ALICE).legacy
    directory.set_password(ALICE, "again")
    assert secret(ALICE) is None


def test_no_file_shows_a_password(directory: Directory, tmp_path: Path) -> None:
    directory.set_password(ALICE, "open-sesame")
    directory.set_legacy(ALICE, "open-sesame")
    _, made = directory.app_passwords.add(ALICE, "phone")
    directory.close()
    for path in tmp_path.iterdir():
        assert b"open-sesame" not in path.read_bytes()
        assert made.encode() not in path.read_bytes()


def test_a_secret_that_does_not_open_is_the_operators_to_know(
    directory: Directory, tmp_path: Path
) -> None:
    directory.set_legacy(ALICE, "secret")
    directory.close()
    (tmp_path / "secrets.key").write_bytes(b"x" * 32)
    directory = Directory(tmp_path / "accounts.db")
    with pytest.raises(DirectoryUnavailable, match=r"secrets\.key: does not open"):
        directory.credentials.secret(ALICE)
    directory.close()


class TestAppPasswords:
    def test_made_found_listed_and_revoked(self, directory: Directory) -> None:
        row, password = directory.app_passwords.add(ALICE, " Thunderbird laptop ", ["smtp", "imap"])
        assert (row.name, row.doors) == ("Thunderbird laptop", ("imap", "smtp"))
        other, second = directory.app_passwords.add(ALICE, "phone")
        assert other.doors == ("imap", "pop3", "smtp")
        assert password != second and len(password) == 23
        assert directory.app_passwords.find(ALICE, password) == row
        assert directory.app_passwords.find(ALICE, "secret") is None
        assert directory.app_passwords.find("bob@example.test", password) is None
        assert directory.app_passwords.of(ALICE) == [row, other] == directory.app_passwords.of()
        directory.app_passwords.revoke(ALICE, "Thunderbird laptop")
        assert directory.app_passwords.find(ALICE, password) is None
        assert directory.app_passwords.of(ALICE) == [other]

    def test_mistakes_are_told(self, directory: Directory) -> None:
        directory.app_passwords.add(ALICE, "phone")
        for name, doors, words in [
            ("phone", [], "has an app password of this name already: phone"),
            ("", [], "needs a name"),
            ("a\nb", [], "needs a name"),
            ("tv", ["imap", "http"], r"no such scope: http \(of: imap, pop3, smtp\)"),
        ]:
            with pytest.raises(UserError, match=words):
                directory.app_passwords.add(ALICE, name, doors)
        with pytest.raises(UserError, match="no app password named tv"):
            directory.app_passwords.revoke(ALICE, "tv")

    def test_verifiers_are_those_of_the_door(self, directory: Directory) -> None:
        directory.app_passwords.add(ALICE, "a", ["imap"])
        directory.app_passwords.add(ALICE, "b", ["smtp"])
        _, password = directory.app_passwords.add(ALICE, "c")
        main = directory.credentials.verifier(ALICE, SHA256)
        found = directory.app_passwords.verifiers(ALICE, SHA256, "imap")
        assert main and [row.name for row, _ in found] == ["a", "c"]
        assert {verifier.salt for _, verifier in found} == {main.salt}
        last = found[-1][1]
        assert last == make_verifier(SHA256, password, last.salt, last.iterations)

    def test_the_last_use_is_written_down_once_a_minute(self, directory: Directory) -> None:
        passwords = directory.app_passwords
        row, password = passwords.add(ALICE, "phone")
        assert passwords.should_note(row, 1000.0)
        passwords.note(row, "192.0.2.1", "imap", 1000.0)
        found = passwords.find(ALICE, password)
        assert found and (found.used, found.used_from, found.used_by) == (1000, "192.0.2.1", "imap")
        assert not passwords.should_note(found, 1059.0)
        assert passwords.should_note(found, 1060.0)

    def test_they_go_with_the_account(self, directory: Directory) -> None:
        directory.app_passwords.add(ALICE, "phone")
        directory.remove_user(ALICE)
        assert directory.app_passwords.of() == []
        directory.add_user(ALICE, "secret")
        directory.app_passwords.add(ALICE, "phone")
        directory.remove_domain("example.test", force=True)
        assert directory.app_passwords.of() == []

"""Sealed secrets: they open with the same key and purpose, and with nothing else."""

import stat
import threading
from pathlib import Path

import pytest

from mailsuite.base.errors import UserError
from mailsuite.base.keyfile import load_key
from mailsuite.vault import Unreadable, Vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "secrets.key")


def test_a_secret_opens_again_also_after_a_restart(vault: Vault) -> None:
    sealed = vault.seal("pässwörd \U0001f511", "fetch 1")
    assert vault.open(sealed, "fetch 1") == "pässwörd \U0001f511"
    assert Vault(vault.path).open(sealed, "fetch 1") == "pässwörd \U0001f511"


def test_no_secret_can_be_seen_and_equal_ones_look_different(vault: Vault) -> None:
    first, second = vault.seal("secret", "a"), vault.seal("secret", "a")
    assert first != second
    assert b"secret" not in first


def test_octets_that_were_changed_or_moved_do_not_open(vault: Vault) -> None:
    sealed = vault.seal("secret", "accounts alice@example.test")
    with pytest.raises(Unreadable):
        vault.open(sealed, "accounts bob@example.test")
    for place in range(len(sealed)):
        broken = bytearray(sealed)
        broken[place] ^= 1
        with pytest.raises(Unreadable):
            vault.open(bytes(broken), "accounts alice@example.test")
    for short in (b"", sealed[:1], sealed[:20], sealed[:-1]):
        with pytest.raises(Unreadable):
            vault.open(short, "accounts alice@example.test")


def test_another_key_does_not_open_them_and_the_error_names_the_file(
    vault: Vault, tmp_path: Path
) -> None:
    sealed = vault.seal("secret", "a")
    with pytest.raises(Unreadable, match=r"other\.key: does not open the secret of a"):
        Vault(tmp_path / "other.key").open(sealed, "a")


def test_derived_keys_differ_by_purpose_and_stay(vault: Vault) -> None:
    assert vault.derive("one") == Vault(vault.path).derive("one")
    assert vault.derive("one") != vault.derive("two")
    assert len(vault.derive("one")) == 32


def test_the_key_file_is_its_owners_alone(vault: Vault) -> None:
    assert not vault.path.exists()  # a server that keeps no secrets needs none
    vault.load()
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o600
    assert [path.name for path in vault.path.parent.iterdir()] == ["secrets.key"]


def test_all_that_make_it_at_once_have_the_same_key(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_key(tmp_path / "k"))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20 and len(set(found)) == 1


def test_a_damaged_key_file_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"short")
    with pytest.raises(UserError, match="k: not a key of 32 octets"):
        load_key(tmp_path / "k")
    with pytest.raises(UserError, match="No such file"):
        load_key(tmp_path / "nowhere" / "k")

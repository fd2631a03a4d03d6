"""A key file that was lost, changed or spoiled: the server starts, and tells the operator."""

from pathlib import Path

import structlog

from mailsuite.accounts import Directory
from mailsuite.accounts.passwords import Hasher
from mailsuite.app.sign_in import tell_lost
from mailsuite.vault import Vault


def told(data: Path) -> list[str]:
    vault = Vault(data / "secrets.key")
    directory = Directory(data / "accounts.db", vault=vault, hasher=Hasher(memory=64, passes=1))
    try:
        if not directory.domains():
            directory.add_domain("example.test")
            directory.add_user("alice@example.test", "secret")
        with structlog.testing.capture_logs() as events:
            tell_lost(vault, directory)
    finally:
        directory.close()
    return [f"{event['event']} {event.get('why', event.get('file'))}" for event in events]


def test_what_the_operator_is_told(tmp_path: Path) -> None:
    key = tmp_path / "secrets.key"
    assert told(tmp_path) == told(tmp_path) == []
    kept = key.read_bytes()
    key.unlink()
    assert told(tmp_path) == [f"the key for secrets is another one than it was {key}"]
    key.write_bytes(b"spoiled")
    (line,) = told(tmp_path)
    assert line.startswith(f"there is no key for secrets {key}: not a key")
    key.unlink()
    key.mkdir()
    assert told(tmp_path) == [f"there is no key for secrets {key}: Is a directory"]
    key.rmdir()
    key.write_bytes(kept)
    assert told(tmp_path) == []

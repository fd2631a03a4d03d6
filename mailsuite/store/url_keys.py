"""Mailbox access keys of an account (RFC 4467 §3.2): what its URLs are signed with.

`mailsuite.urlkeys` in the Maildir, one line a mailbox: its mailboxid and the key. They are the
account's own, for others' mailboxes too. Functions without `async` block.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from mailsuite.base import durable
from mailsuite.base.tasks import committed
from mailsuite.store.errors import LimitReached

if TYPE_CHECKING:
    from mailsuite.store.account import AccountStore

KEYS_FILE = "mailsuite.urlkeys"
KEY_OCTETS = 32
MAX_KEYS = 10_000


async def get(account: AccountStore, mailboxid: str) -> bytes | None:
    """The key for a mailbox; None: there is none."""
    path = account.files.maildir
    return (await account.beside_writer(lambda: read(path))).get(mailboxid)


async def make(account: AccountStore, mailboxid: str) -> bytes:
    """The key for a mailbox, made if there is none. Raises LimitReached, StoreUnavailable."""
    if (key := await get(account, mailboxid)) is not None:
        return key

    def change() -> bytes:
        keys = read(account.files.maildir)
        if mailboxid not in keys:
            if len(keys) >= MAX_KEYS:
                raise LimitReached("too many mailbox access keys")
            keys[mailboxid] = secrets.token_bytes(KEY_OCTETS)
            write(account.files.maildir, keys)
        return keys[mailboxid]

    return await committed(account.writer.do(change))


async def reset(account: AccountStore, mailboxid: str | None) -> None:
    """Forget the key for a mailbox, or (None) all keys: URLs signed with them are worth nothing."""

    def change() -> None:
        keys = read(account.files.maildir)
        left = {} if mailboxid is None else {k: v for k, v in keys.items() if k != mailboxid}
        if len(left) != len(keys):
            write(account.files.maildir, left)

    await committed(account.writer.do(change))


def read(maildir: Path) -> dict[str, bytes]:
    """By mailboxid; lines that make no sense are passed over."""
    try:
        lines = (maildir / KEYS_FILE).read_bytes().decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return {}
    keys = {}
    for line in lines:
        mailboxid, _, text = line.partition(" ")
        try:
            key = bytes.fromhex(text)
        except ValueError:
            continue
        if mailboxid and len(key) == KEY_OCTETS:
            keys[mailboxid] = key
    return keys


def write(maildir: Path, keys: dict[str, bytes]) -> None:
    """Replace the file, durably; without keys there is none."""
    path = maildir / KEYS_FILE
    if keys:
        lines = "".join(f"{mailboxid} {key.hex()}\n" for mailboxid, key in sorted(keys.items()))
        durable.replace(path, lines.encode())
    elif path.exists():
        path.unlink()
        durable.fsync_dir(maildir)

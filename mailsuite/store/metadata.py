"""Annotations: small named values on a mailbox, or on the account, beside the mail.

`mailsuite.metadata` in a mailbox's folder, `mailsuite.server` in the Maildir for what belongs to no
mailbox. Entries that all see, and entries of each account that uses the mailbox; names are in lower
case. Most mailboxes have no such file. Functions without `async` block.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailsuite.base import durable
from mailsuite.base.tasks import committed
from mailsuite.store import names
from mailsuite.store.errors import LimitReached, NoSuchMailbox

if TYPE_CHECKING:
    from mailsuite.store.account import AccountStore
    from mailsuite.store.files import AccountFiles

MAILBOX_FILE = "mailsuite.metadata"
ACCOUNT_FILE = "mailsuite.server"
MAX_ENTRIES = 200
MAX_OCTETS = 1 << 18
"""Of all values together; those that all see, and those of one account, each by itself."""

Values = Mapping[str, bytes]


@dataclass(slots=True)
class Annotations:
    """What one file holds: entry -> value, `private` by account."""

    shared: dict[str, bytes] = field(default_factory=dict)
    private: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def of(self, account: str) -> dict[str, bytes]:
        """All that an account may see."""
        return {**self.shared, **self.private.get(account, {})}

    def change(self, account: str, values: Mapping[str, bytes | None]) -> None:
        """Set entries, remove those that are None; all or none. Raises LimitReached."""
        shared, private = dict(self.shared), dict(self.private.get(account, {}))
        for entry, value in values.items():
            scope = private if is_private(entry) else shared
            if value is None:
                scope.pop(entry, None)
            else:
                scope[entry] = value
        for before, after in ((self.shared, shared), (self.private.get(account, {}), private)):
            if len(after) > max(MAX_ENTRIES, len(before)) or _size(after) > max(
                MAX_OCTETS, _size(before)
            ):
                raise LimitReached("too many annotations")
        self.shared, self.private[account] = shared, private
        if not private:
            del self.private[account]


def _size(values: Values) -> int:
    return sum(len(entry) + len(value) for entry, value in values.items())


def is_private(entry: str) -> bool:
    """Only the account itself sees it."""
    return entry.startswith("/private/")


# -- files -----------------------------------------------------------------------------------------


def read(path: Path) -> Annotations:
    """A file's content; nothing when there is none or it makes no sense."""
    try:
        raw = json.loads(path.read_bytes())
        return Annotations(
            _unpacked(raw["shared"]), {who: _unpacked(own) for who, own in raw["private"].items()}
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return Annotations()


def write(path: Path, content: Annotations) -> None:
    """Replace a file, durably; an empty one is removed."""
    if content.shared or content.private:
        raw = {
            "shared": _packed(content.shared),
            "private": {who: _packed(own) for who, own in content.private.items()},
        }
        text = json.dumps(raw, indent=1, ensure_ascii=False, sort_keys=True)
        durable.replace(path, text.encode() + b"\n")
    elif path.exists():
        path.unlink()
        durable.fsync_dir(path.parent)


def _packed(values: Values) -> dict[str, Any]:
    packed: dict[str, Any] = {}
    for entry, value in values.items():
        try:
            packed[entry] = value.decode()
        except UnicodeDecodeError:
            packed[entry] = {"base64": base64.b64encode(value).decode()}
    return packed


def _unpacked(packed: Mapping[str, Any]) -> dict[str, bytes]:
    return {
        entry: value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])
        for entry, value in packed.items()
    }


def copy_file(source: Path, target: Path) -> None:
    """Give a folder the annotations of another."""
    write(target / MAILBOX_FILE, read(source / MAILBOX_FILE))


# -- of an account ---------------------------------------------------------------------------------


async def get(account: AccountStore, name: str | None, who: str) -> Values:
    """What `who` may see on a mailbox, or (None) on the account. Raises NoSuchMailbox."""
    canonical = None if name is None else names.canonical(name)
    path = await account.beside_writer(lambda: _path(account.files, canonical))
    found = await account.beside_writer(lambda: read(path))
    return found.of(who)


async def get_many(account: AccountStore, wanted: Iterable[str], who: str) -> dict[str, Values]:
    """The same of several mailboxes at once; those that are gone are left out."""
    canonical = [names.canonical(name) for name in wanted]

    def collect() -> dict[str, Values]:
        found: dict[str, Values] = {}
        for name in canonical:
            try:
                found[name] = read(_path(account.files, name)).of(who)
            except NoSuchMailbox:
                continue
        return found

    return await account.beside_writer(collect)


async def change(
    account: AccountStore, name: str | None, who: str, values: Mapping[str, bytes | None]
) -> None:
    """Set entries for `who`, or remove them (None); all or none.

    A mailbox gets a new HIGHESTMODSEQ if that changes anything (RFC 7162 §3.2).

    Raises NoSuchMailbox, LimitReached (too many), StoreUnavailable.
    """
    canonical = None if name is None else names.canonical(name)

    def alter() -> None:
        path = _path(account.files, canonical)
        content = read(path)
        before = content.of(who)
        content.change(who, values)
        if content.of(who) == before:
            return
        if canonical is not None:
            account.files.move_on(account.files.resolve(canonical))
        write(path, content)

    await committed(account.writer.do(alter))


def _path(files: AccountFiles, name: str | None) -> Path:
    if name is None:
        return files.maildir / ACCOUNT_FILE
    folder = files.find(name)
    if folder is None:
        raise NoSuchMailbox(name)
    return files.maildir / folder / MAILBOX_FILE

"""Small text files beside the mail that say what the message files cannot.

`mailsuite.mailbox` in every folder: UIDVALIDITY, the first UID and MODSEQ not yet reserved, …;
`mailsuite.account` in the Maildir: the greatest UIDVALIDITY ever given; `subscriptions`: one name a
line, as Dovecot writes it; `mailsuite.acl` in a folder that others may use. Calls block; what they
have written is durable when they return.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from mailsuite.base import durable
from mailsuite.store import acl, names

MAILBOX_FILE = "mailsuite.mailbox"
ACCOUNT_FILE = "mailsuite.account"
ACL_FILE = "mailsuite.acl"
SUBSCRIPTIONS_FILE = "subscriptions"
MAX_UIDVALIDITY = 0xFFFFFFFF


@dataclass(slots=True)
class MailboxSidecar:
    r"""What `mailsuite.mailbox` holds.

    uidnext, modseq  no UID or MODSEQ from here on has ever been given; exact after a clean end,
                     else as far ahead as was reserved
    first_recent     messages from this UID on had been \Recent for nobody when it was written
    reserved         UIDs below are only given to messages that had them with another server, whose
                     mailbox this one goes on (0: none)
    names            the form of messages' unique ids (`store.unique_ids`), "": our own
    """

    uidvalidity: int
    mailboxid: str
    uidnext: int = 1
    modseq: int = 2
    first_recent: int = 1
    special_use: str | None = None
    reserved: int = 0
    names: str = ""

    def write(self, folder: Path) -> None:
        """Replace the folder's sidecar."""
        durable.replace(folder / MAILBOX_FILE, self.octets())

    def octets(self) -> bytes:
        """The file's content."""
        lines = [
            f"uidvalidity {self.uidvalidity}",
            f"mailboxid {self.mailboxid}",
            f"uidnext {self.uidnext}",
            f"modseq {self.modseq}",
            f"first_recent {self.first_recent}",
        ]
        if self.special_use is not None:
            lines.append(f"special_use {self.special_use}")
        if self.reserved:
            lines.append(f"reserved {self.reserved}")
        if self.names:
            lines.append(f"names {self.names}")
        return ("\n".join(lines) + "\n").encode()


def new_mailboxid() -> str:
    """A name for a mailbox that no other has (RFC 8474 §4.1: `objectid`)."""
    return f"F{secrets.token_hex(12)}"


def read_mailbox(folder: Path) -> MailboxSidecar | None:
    """The folder's sidecar; None when there is none or it makes no sense."""
    values = _read(folder / MAILBOX_FILE)
    try:
        sidecar = MailboxSidecar(
            uidvalidity=int(values["uidvalidity"]),
            mailboxid=values["mailboxid"],
            uidnext=int(values["uidnext"]),
            modseq=int(values["modseq"]),
            first_recent=int(values.get("first_recent", "1")),
            special_use=values.get("special_use"),
            reserved=int(values.get("reserved", "0")),
            names=values.get("names", ""),
        )
    except (KeyError, ValueError):
        return None
    sane = 0 < sidecar.uidvalidity <= MAX_UIDVALIDITY and sidecar.uidnext > 0 < sidecar.modseq
    return sidecar if sane and sidecar.mailboxid else None


def read_greatest_uidvalidity(maildir: Path) -> int:
    """The greatest UIDVALIDITY that the account has given, 0 when nothing tells."""
    with contextlib.suppress(ValueError):
        return int(_read(maildir / ACCOUNT_FILE).get("uidvalidity", "0"))
    return 0


def write_greatest_uidvalidity(maildir: Path, value: int) -> None:
    """Remember it."""
    durable.replace(maildir / ACCOUNT_FILE, f"uidvalidity {value}\n".encode())


def read_acl(folder: Path) -> acl.Acl:
    """The folder's access control list; an empty one when there is no file."""
    try:
        return acl.from_octets((folder / ACL_FILE).read_bytes())
    except FileNotFoundError:
        return acl.Acl()


def write_acl(folder: Path, entries: acl.Acl) -> None:
    """Replace the folder's list; an empty one has no file."""
    if entries.entries:
        durable.replace(folder / ACL_FILE, entries.octets())
    elif (folder / ACL_FILE).exists():
        (folder / ACL_FILE).unlink()
        durable.fsync_dir(folder)


def read_subscriptions(maildir: Path) -> set[str]:
    """Canonical names; lines that are none are passed over."""
    try:
        text = (maildir / SUBSCRIPTIONS_FILE).read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return set()
    found = (names.from_storage(line.rstrip("\r")) for line in text.split("\n") if line)
    return {name for name in found if name is not None}


def subscriptions_stamp(maildir: Path) -> tuple[int, int, int] | None:
    """Another value after the list has changed."""
    try:
        status = (maildir / SUBSCRIPTIONS_FILE).stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def write_subscriptions(maildir: Path, subscribed: set[str]) -> None:
    """Replace the list."""
    lines = sorted(names.to_storage(name) + "\n" for name in subscribed)
    durable.replace(maildir / SUBSCRIPTIONS_FILE, "".join(lines).encode())


def _read(path: Path) -> dict[str, str]:
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return {}
    pairs = (line.partition(" ") for line in text.splitlines())
    return {key: value.strip() for key, _, value in pairs}

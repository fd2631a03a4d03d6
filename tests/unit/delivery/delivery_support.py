"""Helpers of the delivery tests: a real store, jobs as the queue makes them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.delivery import local_prefix
from mailsuite.mail import (
    Alias,
    Envelope,
    Job,
    Mailbox,
    QueuedMessage,
    Recipient,
    Remote,
    Route,
    Unknown,
)
from mailsuite.store import Facets, Store

MESSAGE = b"From: a@far.test\r\nSubject: test\r\n\r\nHello.\r\n"
FACETS = Facets(("length",), 1, lambda octets: (b"%d" % len(octets),))
RECEIVED = 1_700_000_000.0

ALICE = "alice@example.test"
USERS = {"alice@example.test", "bob@example.test", "carol@example.test"}
ALIASES = {
    "team@example.test": ("alice@example.test", "bob@example.test"),
    "all@example.test": ("team@example.test", "alice@example.test", "carol+shop@example.test"),
    "away@example.test": ("far@elsewhere.test",),
    "mixed@example.test": ("alice@example.test", "far@elsewhere.test", "gone@example.test"),
    "gone-only@example.test": ("gone@example.test",),
    "loop@example.test": ("pool@example.test",),
    "pool@example.test": ("loop@example.test",),
    "half@example.test": ("half@example.test", "alice@example.test"),
}


def route(address: str) -> Route:
    local, _, domain = address.lower().rpartition("@")
    if not local:
        return Mailbox("carol@example.test") if domain == "postmaster" else Unknown(address)
    if domain != "example.test":
        return Remote(domain)
    base, _, detail = address.rpartition("@")[0].partition("+")
    plain = f"{base.lower()}@{domain}"
    if plain in ALIASES:
        return Alias(plain, ALIASES[plain])
    return Mailbox(plain, detail) if plain in USERS else Unknown(address)


@asynccontextmanager
async def opened(root: Path) -> AsyncIterator[Store]:
    threads = Threads("store-test", 4)
    store = Store(root / "mail", facets=FACETS, threads=threads, clock=SystemClock())
    try:
        yield store
    finally:
        await store.close()
        threads.close()


def job(
    root: Path,
    *recipients: str,
    sender: str = "from@far.test",
    submitter: str | None = None,
    message: bytes = MESSAGE,
    id: str = "0123456789ABC",
    repeat: bool = False,
    attempt: int = 1,
    kept: bool = False,
    of: tuple[str, ...] = (),
) -> Job:
    """A job for `recipients`; `of` are all of the envelope. `kept`: the octets are in memory."""
    everyone = tuple(Recipient(each) for each in of or recipients)
    envelope = Envelope(sender, everyone, submitter=submitter)
    prefix = local_prefix(envelope) if len(everyone) == 1 else b""
    path = root / f"{id}.spool"
    if not path.exists():
        path.write_bytes(prefix + message)
    chosen = tuple(Recipient(each) for each in recipients)
    return Job(
        id,
        envelope,
        chosen,
        tuple(everyone.index(each) for each in chosen),
        QueuedMessage(
            str(path), len(prefix), len(message), bool(prefix), message if kept else None
        ),
        attempt,
        repeat,
        RECEIVED,
    )


async def octets(store: Store, account: str, folder: str = "INBOX") -> list[bytes]:
    """All messages of a mailbox."""
    mailbox = await (await store.account(account)).open(folder)
    found = []
    try:
        await mailbox.refresh()
        for uid in list(mailbox.uids):
            file = await mailbox.open_message(uid)
            found.append(await file.read())
            file.close()
    finally:
        mailbox.release()
    return found

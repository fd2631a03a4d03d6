"""Mail that came as BINARYMIME (RFC 3030), made such that mailboxes can be read by every client.

Parts with NUL octets are kept in base64, as APPEND keeps them: neither IMAP nor POP3 could give
them to a client that knows no BINARY (RFC 3501 §4.3.1, RFC 3516 §4.4). All other octets stay.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from mailsuite.base.tasks import Threads
from mailsuite.mail import Job
from mailsuite.message import Octets, without_nul
from mailsuite.store import AccountStore, NewMessage, StoreUnavailable, TempMessage

PIECE = 1 << 18


@asynccontextmanager
async def carried(
    job: Job, message: NewMessage, store: AccountStore, threads: Threads
) -> AsyncIterator[NewMessage]:
    """The copy that goes into the mailbox; as it is, unless it came as BINARYMIME.

    A NUL that no encoding can hide stays. Raises StoreUnavailable.
    """
    if job.envelope.body != "BINARYMIME":
        yield message
        return
    temp = await store.new_temp()
    try:
        await temp.write(message.prefix)
        async for piece in _octets(message, threads):
            await temp.write(piece)
        if await _encoded(temp):
            date = job.received_at
            message = replace(message, source=temp, prefix=b"", offset=0, internal_date=date)
        yield message
    finally:
        await temp.discard()


async def _encoded(temp: TempMessage) -> bool:
    """Whether there was something to be encoded, and has been."""
    found = False

    def make(data: Octets) -> Iterable[bytes] | None:
        nonlocal found
        pieces = without_nul(data)
        found = pieces is not None
        return pieces

    try:
        await temp.rewrite(make)
    except ValueError:
        return False
    return found


async def _octets(message: NewMessage, threads: Threads) -> AsyncIterator[bytes]:
    if isinstance(message.source, bytes):
        yield message.source
    elif isinstance(message.source, Path):
        at = message.offset
        while piece := await threads.run(_read, message.source, at):
            at += len(piece)
            yield piece


def _read(path: Path, at: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(at)
            return file.read(PIECE)
    except OSError as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

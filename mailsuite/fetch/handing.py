"""One message on its way from a remote account into the queue.

Promises: it goes through the queue as mail that came in, with a Received field of its own; its name
over there is the same at each try, so that a second copy after a crash is delivered once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Protocol

from mailsuite.base.clock import Clock, zone
from mailsuite.fetch.model import Remote
from mailsuite.mail import Envelope, Recipient
from mailsuite.message import PathError, format_date, parse_path, without_return_path

HEAD = 1 << 17
"""Octets in which the header must be, to be looked at."""
_RETURN_PATH = re.compile(rb"^return-path:[ \t]*<([^<>\r\n]*)>", re.IGNORECASE | re.MULTILINE)


class Incoming(Protocol):
    """What is asked of a message on its way into the queue; see `queue.Incoming`."""

    @property
    def id(self) -> str: ...
    async def write(self, data: bytes) -> None: ...
    async def commit(self, envelope: Envelope) -> None: ...
    async def discard(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Into:
    """Where messages go.

    receive   begins a message in the queue
    hostname  of this server, for Received
    """

    receive: Callable[[Envelope], Incoming]
    hostname: str
    clock: Clock


class Handing:
    """Takes a message's octets by `write`, and hands it in by `commit`.

    too_large  there were more than `most` octets, whatever the server had told: it is not kept,
               what comes still is dropped, and it can't be committed
    """

    def __init__(self, into: Into, remote: Remote, most: int) -> None:
        self.too_large = False
        self._most = most
        self._into = into
        self._remote = remote
        self._head: bytearray | None = bytearray()
        self._incoming: Incoming | None = None
        self._envelope: Envelope | None = None
        self.size = 0

    async def write(self, data: bytes) -> None:
        """More octets. Raises QueueUnavailable."""
        self.size += len(data)
        if self.size > self._most:
            if not self.too_large:
                self.too_large = True
                await self.discard()
                self._incoming, self._head = None, bytearray()
            return
        if self._head is None:
            assert self._incoming is not None
            await self._incoming.write(data)
            return
        self._head += data
        if b"\r\n\r\n" in self._head or len(self._head) > HEAD:
            await self._begin(bytes(self._head))

    async def commit(self, key: str) -> str:
        """It is whole: durable when this returns; the queue id. Raises QueueUnavailable.

        `key` names the message at the source, for all time.
        """
        assert not self.too_large
        if self._head is not None:
            await self._begin(bytes(self._head))
        assert self._incoming is not None and self._envelope is not None
        name = _name(self._remote, key)
        await self._incoming.commit(replace(self._envelope, collected=name))
        return self._incoming.id

    async def discard(self) -> None:
        """It is not wanted, or not whole."""
        if self._incoming is not None:
            await self._incoming.discard()

    async def _begin(self, head: bytes) -> None:
        block = head[: head.find(b"\r\n\r\n") + 2] or head
        self._envelope = Envelope(
            _sender(block),
            (Recipient(self._remote.account),),
            body="8BITMIME",
            smtputf8=not block.isascii(),
        )
        self._incoming = self._into.receive(self._envelope)
        self._head = None
        # What is in the envelope now is no longer in the header (RFC 5321 §4.4: gateways).
        await self._incoming.write(self._received() + without_return_path(head))

    def _received(self) -> bytes:
        """RFC 5321 §4.4, as far as there is anything to say of a mailbox."""
        remote = self._remote
        word = remote.protocol.upper() + ("S" if remote.tls != "none" else "")
        now = self._into.clock.now()
        date = format_date(now, offset=zone(now)).decode()
        text = (
            f"Received: from {remote.host}\r\n\tby {self._into.hostname} with {word}\r\n"
            f"\tfor <{remote.account}>;\r\n\t{date}\r\n"
        )
        return text.encode("utf-8", "replace")


def _sender(block: bytes) -> str:
    """Who the envelope said, by the Return-Path of the delivery over there; "" without one."""
    match = _RETURN_PATH.search(block)
    if match is None:
        return ""
    try:
        sender = match[1].decode()
        if sender:
            parse_path(f"<{sender}>")
    except (UnicodeDecodeError, PathError):
        return ""
    return sender


def _name(remote: Remote, key: str) -> str:
    """Of one message of one remote account, as it comes to one local account."""
    words = (remote.account, remote.protocol, remote.user, remote.host, remote.folder, key)
    return "f" + blake2b("\n".join(words).encode(errors="replace"), digest_size=15).hexdigest()

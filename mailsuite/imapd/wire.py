"""Octets both ways of one session: answers are gathered, and compressed where that was agreed.

Promises: what was sent can be read by the client at once; memory is bounded by the connection's
buffers, whatever a client's compressed octets expand to; a client that does not read costs no more
than its buffer, and in the end its connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from mailsuite.imapd.compression import Deflater, Inflater
from mailsuite.net import Connection

SLICE = 1 << 16
"""Octets of answers that are gathered before they are sent."""


class Wire:
    """Over a connection, for as long as the session lives."""

    __slots__ = ("_connection", "_deflater", "_ending", "_inflater", "_out", "_size", "_soon")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._out: list[bytes] = []
        self._size = 0
        self._soon: asyncio.Handle | None = None
        self._deflater: Deflater | None = None
        self._inflater: Inflater | None = None
        self._ending = False
        """The client's last compressed octets may still be on their way."""

    def write(self, data: bytes) -> None:
        """Add octets to the answer."""
        self._out.append(data)
        self._size += len(data)
        if self._size >= SLICE:
            self.send()

    def write_all(self, pieces: Iterable[bytes]) -> None:
        """Add several pieces."""
        before = len(self._out)
        self._out += pieces
        self._size += sum(map(len, self._out[before:]))
        if self._size >= SLICE:
            self.send()

    def send_soon(self) -> None:
        """Hand it over once the session waits for anything, with what is written until then."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self.send)

    def send(self) -> None:
        """Hand over what was written."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if not self._out:
            return
        out, self._out, self._size = self._out, [], 0
        if self._deflater is None:
            self._connection.writelines(out)
        else:
            self._connection.write(self._deflater.pieces(out))

    async def flush(self, timeout: float) -> None:
        """Send what was written and wait while the client does not read.

        Raises ConnectionError when it is gone or has not read for `timeout` seconds.
        """
        self.send()
        if self._connection.is_open and not self._connection.is_full:
            return  # as nearly always: no clock is set
        try:
            async with asyncio.timeout(timeout):
                await self._connection.drain()
        except TimeoutError:
            self._connection.abort()
            raise ConnectionResetError("client has stopped reading") from None

    async def read(self) -> bytes:
        """The next octets from the client, b"" when it has hung up. Raises CorruptStream."""
        if (inflater := self._inflater) is None:
            return await self._connection.read()
        take = inflater.rest if self._ending else inflater.take
        while (piece := take()) is None:
            data = await self._connection.read()
            if not data:
                return b""
            inflater.feed(data)
        if self._ending:
            self._ending, self._inflater = False, None
            return piece or await self._connection.read()
        # However much a few octets expand to, others have their turn in between.
        await asyncio.sleep(0)
        return piece

    # -- compression (RFC 4978) -----------------------------------------------------------------

    @property
    def compressed(self) -> bool:
        """COMPRESS is active."""
        return self._deflater is not None

    def compress(self, early: bytes) -> None:
        """From now on all is compressed. `early`: what has been read from the client since."""
        self.send()
        self._deflater = Deflater()
        self._inflater = Inflater()
        self._inflater.feed(early)

    def end_compression(self) -> None:
        """From now on nothing is, from the client's next octets on behind the end of its stream."""
        self.send()
        if self._deflater is not None:
            self._connection.write(self._deflater.end())
            self._deflater = None
            self._ending = True

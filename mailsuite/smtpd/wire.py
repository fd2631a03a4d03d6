"""The octets of one connection: lines and chunks in, replies out, TLS, and the watch on time.

Replaces what aiosmtpd's `SMTP` reads and writes with. Promises: holds at most about `READ_LIMIT`
octets (and one read of the event loop more) that the session has not taken, and waits while the
client takes no replies; what has been said is sent before anything is waited for, so pipelined
commands are answered together (RFC 2920 §3.2); a client's end of file or loss only ends reading,
it never cancels the task at work. Knows no commands.
"""

import asyncio
from math import inf
from ssl import SSLContext, SSLObject
from typing import cast

from aiosmtpd.smtp import SMTP

from mailsuite.net import Connection, Origin, adopt, endpoints

READ_LIMIT = 1 << 16
OUT_LIMIT = 1 << 14
STUCK = 60.0  # seconds that a client has to take replies while a command is at work
LAST_WORDS = 10.0  # seconds that a client has to take the last reply before it is cut off
TLS_HANDSHAKE = 30.0  # seconds


class Wire(SMTP):
    """A connection. Subclasses say what it is for in `opened`, `timed_out` and `closed`.

    in_data  what was asked for at last is a message's octets, not a line
    """

    # Narrower than the base class has it: this door only ever speaks over stream transports.
    transport: asyncio.Transport | None

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_line: int, origin: Origin | None = None
    ) -> None:
        """`origin`: whose connection it is, where a proxy told it."""
        # The base class's own constructor looks through all methods by introspection, for each
        # connection again, and makes a stream reader and tables that are not used here.
        self.loop = loop
        self._origin = origin
        self.transport = None
        self.peer = ""
        self.local = ""
        self.tls = False
        self.in_data = False
        self._max_line = max_line
        self._buffer = bytearray()
        self._scanned = 0
        self._overlong = False
        self._out: list[bytes] = []
        self._out_size = 0
        self._at_end = False
        self._paused_reading = False
        self._paused_writing = False
        self._reader_waits: asyncio.Future[None] | None = None
        self._writer_waits: asyncio.Future[None] | None = None
        self._sleeper_waits: asyncio.Future[None] | None = None
        self._deadline = inf
        self._timeout_handle: asyncio.TimerHandle | None = None

    # -- for the session ------------------------------------------------------------------------

    def opened(self) -> None:
        """The connection is there."""

    def timed_out(self) -> None:
        """The client has not sent what was waited for; say so and `hang_up`."""

    def closed(self) -> None:
        """The connection is gone; called once."""

    # -- what the event loop calls --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.peer, self.local = endpoints(transport, self._origin)
        self.tls = transport.get_extra_info("ssl_object") is not None
        self.opened()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= READ_LIMIT and not self._paused_reading and self.transport:
            self._paused_reading = True
            self.transport.pause_reading()
        _wake(self._reader_waits)

    def eof_received(self) -> bool:
        # What came before is still dealt with and answered: keep the writing side open. Under TLS
        # the event loop closes both sides by itself.
        self._at_end = True
        _wake(self._reader_waits)
        return not self.tls

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport is None:
            return
        self.transport = None
        self._at_end = True
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
            self._timeout_handle = None
        _wake(self._reader_waits)
        _wake(self._writer_waits)
        _wake(self._sleeper_waits)
        self.closed()

    def pause_writing(self) -> None:
        self._paused_writing = True

    def resume_writing(self) -> None:
        self._paused_writing = False
        _wake(self._writer_waits)

    # -- reading --------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Nothing is at work: the client's next octets are waited for."""
        return self._reader_waits is not None

    async def read_line(self, seconds: float) -> bytes | None:
        """The next line with its LF, b"" in place of one longer than `max_line`, None at the end.

        The whole line has to be there within `seconds`, however slowly it trickles.
        """
        self.in_data = False
        buffer = self._buffer
        end = buffer.find(b"\n", self._scanned)
        if end < 0:
            self._reset_timeout(seconds)
            while end < 0:
                if len(buffer) > self._max_line:
                    self._overlong = True
                    buffer.clear()
                    self._resume_reading()
                self._scanned = len(buffer)
                if not await self._more():
                    return None
                end = buffer.find(b"\n", self._scanned)
            self._deadline = inf
        line = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        self._scanned = 0
        self._resume_reading()
        if self._overlong or len(line) > self._max_line:
            self._overlong = False
            return b""
        return line

    async def read_chunk(self, seconds: float, most: int = READ_LIMIT << 4) -> bytes:
        """All octets that are there, but not over `most`, waiting for the first; b"" at the end."""
        self.in_data = True
        if not self._buffer:
            self._reset_timeout(seconds)
            while not self._buffer:
                if not await self._more():
                    return b""
            self._deadline = inf
        chunk = bytes(self._buffer[:most])
        del self._buffer[:most]
        self._scanned = 0
        self._resume_reading()
        return chunk

    def unread(self, octets: bytes) -> None:
        """Put back what `read_chunk` gave too much."""
        self._buffer[:0] = octets
        self._scanned = 0

    async def _more(self) -> bool:
        """Send what has been said, then wait for octets; False when none will come."""
        await self.flush()
        if self._at_end:
            return False
        self._reader_waits = self.loop.create_future()
        try:
            await self._reader_waits
        finally:
            self._reader_waits = None
        return True

    def _resume_reading(self) -> None:
        if self._paused_reading and len(self._buffer) < READ_LIMIT and self.transport:
            self._paused_reading = False
            self.transport.resume_reading()

    # -- writing --------------------------------------------------------------------------------

    def write(self, octets: bytes) -> None:
        """Say something; it leaves with the next `flush`, at the latest before the next wait."""
        self._out.append(octets)
        self._out_size += len(octets)

    @property
    def must_flush(self) -> bool:
        """So much has been said that it should leave now."""
        return self._out_size >= OUT_LIMIT

    def _send(self) -> None:
        if self._out:
            if self.transport is not None:
                self.transport.write(b"".join(self._out))
            self._out.clear()
            self._out_size = 0

    async def flush(self) -> None:
        """Send what has been said; waits while the client does not take it.

        What can't be sent any more is dropped: the end of reading tells the session.
        """
        self._send()
        if not self._paused_writing:
            return
        watched = self._deadline != inf
        if not watched:
            self._reset_timeout(STUCK)
        while self._paused_writing and self.transport is not None:
            self._writer_waits = self.loop.create_future()
            try:
                await self._writer_waits
            finally:
                self._writer_waits = None
        if not watched:
            self._reset_timeout(None)

    async def sleep(self, seconds: float) -> None:
        """Let the client wait; ends early when it goes."""
        if self.transport is None:
            return
        self._sleeper_waits = self.loop.create_future()
        try:
            await asyncio.wait([self._sleeper_waits], timeout=seconds)
        finally:
            self._sleeper_waits = None

    def hang_up(self) -> None:
        """Send what has been said and close. A client that takes nothing is cut off later."""
        self._at_end = True
        self._send()
        _wake(self._reader_waits)
        if self.transport is not None:
            self.transport.close()
            self._reset_timeout(LAST_WORDS)

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    def pass_on(self) -> Connection | None:
        """Give the connection away, with what has come and was not read; None: it is gone.

        From now on nothing can be read or said here; `closed` tells its end.
        """
        transport, self.transport = self.transport, None
        self._at_end, ended = True, self._at_end
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
            self._timeout_handle = None
        if transport is None:
            return None
        octets, self._buffer = bytes(self._buffer), bytearray()
        return adopt(transport, peer=self.peer, octets=octets, ended=ended, on_close=self.closed)

    # -- TLS ------------------------------------------------------------------------------------

    async def start_tls(self, context: SSLContext, ready: bytes) -> None:
        """Say `ready`, then go over to TLS. What the client had already sent is dropped, unread.

        (RFC 3207 §4.2.) Raises OSError (ssl.SSLError is one) when the handshake fails; the
        connection is closed then.
        """
        await self.flush()
        if self.transport is None:
            raise ConnectionResetError("client has gone")
        self._buffer.clear()
        self._scanned = 0
        self._paused_reading = False
        # From here to the protocol's exchange inside `start_tls` nothing waits, so that the
        # client's first TLS octets cannot land in our buffer.
        self.transport.write(ready)
        try:
            transport = await self.loop.start_tls(
                self.transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=TLS_HANDSHAKE,
            )
        except BaseException:
            self.abort()
            # A connection that is reset within the handshake, the event loop tells its TLS layer of
            # and nobody else.
            self.connection_lost(None)
            raise
        if transport is None or self.transport is None:
            self.abort()
            raise ConnectionResetError("client has gone")
        self.transport = transport
        self.tls = True

    @property
    def ssl_object(self) -> SSLObject | None:
        """The TLS session, for its version and cipher."""
        if self.transport is None:
            return None
        return cast(SSLObject | None, self.transport.get_extra_info("ssl_object"))

    # -- time -----------------------------------------------------------------------------------

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Watch that what is waited for comes within `duration` seconds; None ends the watch.

        The timer is left alone as long as it rings early enough: it then looks at the deadline
        that holds by that time.
        """
        if duration is None or self.transport is None:
            self._deadline = inf
            return
        self._deadline = self.loop.time() + duration
        timer = self._timeout_handle
        if timer is not None:
            if timer.when() <= self._deadline:
                return
            timer.cancel()
        self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        self._timeout_handle = None
        if self._deadline == inf or self.transport is None:
            return
        if self.loop.time() < self._deadline:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        elif self._reader_waits is not None and not self._at_end:
            self.timed_out()
        else:
            self.abort()  # it takes no replies, so it can't be told


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)

"""Pure. Octets in, command lines out, whatever way the network has cut them.

Promises: never holds more than one read and one line; a line over the limit is reported once and
skipped to its end. Lines end with CRLF; a bare LF is taken too, as old scripts send it.
"""

LINE_LIMIT = 255  # octets of a command line, CRLF included (RFC 2449 §4)


class LineTooLong(Exception):
    """The client sent a command line over the limit."""


class LineSplitter:
    """One connection's command lines; `limit`: octets of a line, its end included."""

    __slots__ = ("_buffer", "_skipping", "limit")

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._buffer = bytearray()
        self.limit = limit
        self._skipping = False

    def feed(self, data: bytes) -> None:
        """Add what has been received. Take all lines out before feeding again."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next line without its end, or None when more octets are needed.

        Raises LineTooLong once for each line over the limit.
        """
        while True:
            end = self._buffer.find(b"\n") + 1
            if self._skipping:
                if not end:
                    self._buffer.clear()
                    return None
                del self._buffer[:end]
                self._skipping = False
                continue
            if end > self.limit:
                del self._buffer[:end]
                raise LineTooLong
            if not end:
                # Without its LF a line of the limit's length is already too long.
                if len(self._buffer) < self.limit:
                    return None
                self._buffer.clear()
                self._skipping = True
                raise LineTooLong
            line = bytes(self._buffer[: end - 1])
            del self._buffer[:end]
            return line.removesuffix(b"\r")

    @property
    def holds_some(self) -> bool:
        """A line has begun and not ended."""
        return bool(self._buffer) or self._skipping

    def clear(self) -> None:
        """Forget what was received and not yet taken (RFC 2595 §4)."""
        self._buffer.clear()
        self._skipping = False

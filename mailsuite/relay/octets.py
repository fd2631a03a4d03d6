"""Pure. A message on its way to a server: dot-stuffing (RFC 5321 §4.5.2) in chunks."""


class Stuffer:
    """What goes between DATA's 354 and its last reply: dots doubled, the final dot at the end.

    However the message is cut, the same octets come out. One that does not end with CRLF gets one
    (RFC 5321 §4.1.1.4).
    """

    __slots__ = ("_before",)

    def __init__(self) -> None:
        # The last two octets that went out decide about a dot in front of the next chunk.
        self._before = b"\r\n"

    def feed(self, chunk: bytes) -> bytes:
        """The next octets of the message, stuffed."""
        if not chunk:
            return b""
        seen = self._before + chunk
        self._before = seen[-2:]
        return seen.replace(b"\r\n.", b"\r\n..")[2:]

    def end(self) -> bytes:
        """The end of the message."""
        return b".\r\n" if self._before == b"\r\n" else b"\r\n.\r\n"

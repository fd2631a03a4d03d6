"""Pure. The octets between DATA and the lone dot, un-stuffed (RFC 5321 §4.5.2), in chunks.

Promises: whatever way the octets are cut, the same message comes out; only <CRLF>.<CRLF> ends it
(RFC 5321 §4.1.1.4), never a dot between bare line feeds, so that nothing can be smuggled past;
bare CR, bare LF and overlong lines are noticed; holds at most four octets between two calls.
"""

from mailsuite.smtpd.line_check import LineCheck

_END = b"\r\n.\r\n"
_DOT = _END[:3]


class DataReader:
    """Reads one message. Feed it until `done`; then `rest` is the client's next command.

    done  the final dot has been seen
    rest  octets that came after it
    size  message octets given out so far, dots of transparency and the final dot not counted
    """

    __slots__ = (
        "_carry",
        "_lines",
        "_skip",
        "done",
        "rest",
        "size",
    )

    def __init__(self, max_line: int = 1 << 20) -> None:
        """`max_line` in octets without CRLF; lines within one chunk are not measured."""
        self._lines = LineCheck(max_line)
        # The start of the message is the start of a line: as if a CRLF had come before it.
        self._carry = _END[:2]
        self._skip = 2
        self.done = False
        self.rest = b""
        self.size = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take what the client sent next; gives the message octets that are certain by now."""
        octets = self._carry + chunk
        # One look for a dot at the start of a line: most of what comes has none.
        dot = octets.find(_DOT)
        end = octets.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            self.done = True
            self.rest = octets[end + 5 :]
            self._carry = b""
            octets = octets[: end + 2]
        else:
            keep = _begun(octets)
            self._carry = octets[len(octets) - keep :]
            octets = octets[: len(octets) - keep]
        if self._skip and octets:
            # `octets` begins with the CRLF that was made up: it can be no shorter than that.
            if octets.startswith(b"\r\n."):
                octets = octets[3:]
            else:
                octets = octets[2:]
            self._skip = 0
        if dot >= 0 and dot != end:
            octets = octets.replace(_DOT, b"\r\n")
        self._lines.feed(octets)
        self.size += len(octets)
        return octets

    @property
    def bare(self) -> bool:
        """A CR without LF, or an LF without CR, was among them (`LineCheck`)."""
        return self._lines.bare

    @property
    def long_line(self) -> bool:
        """A line was longer than `max_line`."""
        return self._lines.long_line


def _begun(octets: bytes) -> int:
    """How many octets at the end could be the beginning of the final <CRLF>.<CRLF>."""
    for length in (4, 3, 2, 1):
        if octets.endswith(_END[:length]):
            return length
    return 0

"""Pure. What no message may have that travels in lines: bare CR or LF, and lines without end.

Promises: whatever way the octets are cut, the same is found; holds no octets.
"""


class LineCheck:
    """Feed it a message's octets, then `close` it.

    bare       a CR without LF, or an LF without CR, was among them (RFC 5321 §2.3.8 forbids both)
    long_line  a line was longer than `max_line`
    """

    __slots__ = ("_line", "_max_line", "_return", "bare", "long_line")

    def __init__(self, max_line: int) -> None:
        """`max_line` in octets without CRLF; lines within one piece are not measured."""
        self._max_line = max_line
        self._line = 0
        self._return = False  # the last octet was a CR: an LF has to follow
        self.bare = False
        self.long_line = False

    def feed(self, octets: bytes) -> None:
        """Look at the next octets."""
        if not octets:
            return
        if not self.bare:
            pairs = octets.count(b"\r\n") + (self._return and octets[:1] == b"\n")
            both = len(octets) - len(octets.translate(None, b"\r\n")) + self._return
            self._return = octets[-1:] == b"\r"
            # There are at least as many of each as there are pairs.
            self.bare = both - self._return != 2 * pairs
        self._measure(octets)

    def close(self) -> None:
        """Nothing more comes."""
        self.bare = self.bare or self._return

    def _measure(self, octets: bytes) -> None:
        last = octets.rfind(b"\n")
        if last < 0:
            self._line += len(octets)
        else:
            if self._line + octets.find(b"\n") - 1 > self._max_line:
                self.long_line = True
            self._line = len(octets) - last - 1
        if self._line > self._max_line:
            self.long_line = True

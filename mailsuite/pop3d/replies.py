"""Pure. What a command answers. Commands return these; only the session writes and counts them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Ok:
    """`+OK`; `ends` closes the connection after it."""

    text: str
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Err:
    """`-ERR`, with a response code such as "IN-USE" or "AUTH" (RFC 2449 §8, RFC 3206).

    fault  the client broke the protocol: counted, and too many end the session
    ends   closes the connection
    """

    text: str
    code: str = ""
    fault: bool = False
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Lines:
    """`+OK` and short lines that need no byte-stuffing, each without its CRLF."""

    text: str
    lines: Iterable[str]


@dataclass(frozen=True, slots=True)
class Blocks:
    """`+OK` and a long list, many ready lines at a time, each with its CRLF."""

    text: str
    blocks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Whole:
    """`+OK` and octets, stuffed and ended, that are in memory already."""

    text: str
    octets: bytes


class Source(Protocol):
    """Where a long response comes from, slice by slice."""

    async def next(self) -> bytes:
        """The next slice; b"" after the last."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Octets:
    """`+OK` and a message's octets, already stuffed and ended. The session closes the source."""

    text: str
    source: Source


@dataclass(frozen=True, slots=True)
class StartTls:
    """`+OK`, then the TLS handshake (RFC 2595 §4)."""

    text: str


Reply: TypeAlias = Ok | Err | Lines | Blocks | Whole | Octets | StartTls


def first_line(reply: Reply) -> bytes:
    """The status line. Its text is ours, so it stays under the 512 octets of RFC 1939 §3."""
    if isinstance(reply, Err):
        code = f"[{reply.code}] " if reply.code else ""
        return f"-ERR {code}{reply.text}\r\n".encode()
    return f"+OK {reply.text}\r\n".encode()

"""Pure. What the DNS answered. These values only hold."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """The records found; none where the name has none of them, or does not exist.

    records  in the order of the answer
    exists   False: there is no such name at all (NXDOMAIN)
    secure   validated by DNSSEC, the absence of records too (RFC 4035 §3.2.3)
    name     where the records are: the name asked for, or the end of its chain of CNAMEs
    """

    records: tuple[T, ...]
    exists: bool = True
    secure: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Mx:
    """An MX record (RFC 1035 §3.3.9). `host`: lower case, no final dot; "" is the root."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Tlsa:
    """A TLSA record (RFC 6698 §2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes


class DnsFailure(Exception):
    """No answer now (a time-out, SERVFAIL): ask again later. The text is one line for people."""

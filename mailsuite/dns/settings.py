"""The resolver's settings; seconds."""

from dataclasses import dataclass
from typing import NamedTuple


class Nameserver(NamedTuple):
    """A resolver to ask."""

    address: str
    port: int = 53


@dataclass(frozen=True, slots=True)
class Settings:
    """Whom to ask, and how far to believe.

    nameservers  () stands for the system's, of /etc/resolv.conf
    validating   they validate by DNSSEC, and what they say reaches us unchanged; None: so it is
                 taken to be where all of them are on this machine (RFC 7672 §2.1)
    timeout      for one question, with its repetitions
    cache        answers kept in memory
    """

    nameservers: tuple[Nameserver, ...] = ()
    validating: bool | None = None
    timeout: float = 10.0
    cache: int = 10_000

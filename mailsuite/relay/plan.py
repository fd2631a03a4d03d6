"""Pure. How a host is to be spoken to: without TLS, with TLS, with TLS and a certificate to check.

The reason goes with it, to the log and to `mailsuite queue show`.
"""

from dataclasses import dataclass
from enum import IntEnum

from mailsuite.dns.answers import Tlsa


class Need(IntEnum):
    """What is asked of TLS; a greater one asks for more."""

    OFF = 0
    MAY = 1  # without it where it is not offered or fails
    MUST = 2  # whoever holds the certificate
    VERIFY = 3  # valid for the host's name, by an authority that is believed
    DANE = 4  # as the TLSA records say


@dataclass(frozen=True, slots=True)
class Plan:
    """For one host.

    why       in a few words
    implicit  TLS from the first octet
    tlsa      the records to match, with `Need.DANE`
    names     where there are TLSA records: names that the certificate may be for with usage
              DANE-TA, the first of them to be asked for in the handshake
    """

    need: Need
    why: str
    implicit: bool = False
    tlsa: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = ()


LEVELS = {
    "off": Need.OFF,
    "opportunistic": Need.MAY,
    "require": Need.MUST,
    "verify": Need.VERIFY,
}

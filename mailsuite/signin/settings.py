"""What an operator may choose about sign-in. Only values."""

import ipaddress
from dataclasses import dataclass
from typing import Literal, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK: tuple[Network, ...] = (
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv6Network("::1/128"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds.

    hostname         in the challenges of CRAM-MD5
    scram            "auto": SCRAM is announced when every account can use it
    scram_plus       where SCRAM with channel binding is announced: by IMAP only, or by all doors
    without_tls      SCRAM, CRAM-MD5 and APOP, which show no password, may do without TLS
    first_delay      before the first failure is answered; doubles with each further one
    longest_delay    at most
    window           failures within it count together
    address_failures from one address (IPv6: one /64) until it is banned
    account_failures of one account until it is banned for addresses that it was not used from
    ban              length of the first ban; doubles with each further one
    longest_ban      at most
    known_for        an address that an account was used from is known to be its own for so long
    never_ban        networks that are never banned
    """

    hostname: str
    scram: Literal["auto", "always", "never"] = "auto"
    scram_plus: Literal["imap", "always"] = "imap"
    without_tls: bool = False
    first_delay: float = 1.0
    longest_delay: float = 15.0
    window: float = 600.0
    address_failures: int = 10
    account_failures: int = 50
    ban: float = 600.0
    longest_ban: float = 86_400.0
    known_for: float = 30 * 86_400.0
    never_ban: tuple[Network, ...] = LOOPBACK

"""The relay's settings; seconds and octets unless said otherwise. These values only hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mailsuite.relay.dialogue import Want
from mailsuite.sasl import ClientLogin

TlsLevel = Literal["off", "opportunistic", "require", "verify"]
"""off: never; opportunistic: where it is offered and works; require: or not at all, whoever holds
the certificate; verify: and the certificate is valid for the host's name."""

MINUTE = 60.0

# RFC 5321 §4.5.3.2; for the others, which it does not name, as for MAIL.
TIMEOUTS: Mapping[Want, float] = {
    Want.GREETING: 5 * MINUTE,
    Want.HELLO: 5 * MINUTE,
    Want.STARTTLS: 5 * MINUTE,
    Want.AUTH: 5 * MINUTE,
    Want.MAIL: 5 * MINUTE,
    Want.RCPT: 5 * MINUTE,
    Want.DATA: 2 * MINUTE,
    Want.FINAL: 10 * MINUTE,
    Want.RSET: MINUTE,
    Want.QUIT: 5.0,
}


@dataclass(frozen=True, slots=True)
class Smarthost:
    """A host that takes mail for any domain.

    host      its name, or an IP address
    implicit  TLS from the first octet (RFC 8314)
    login     who we are to it
    lmtp      it speaks LMTP (RFC 2033)
    """

    host: str
    port: int
    tls: TlsLevel = "verify"
    implicit: bool = False
    login: ClientLogin | None = None
    lmtp: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """How mail for some domains goes: by MX, or to a smarthost."""

    smarthost: Smarthost | None = None
    tls: TlsLevel = "opportunistic"


@dataclass(frozen=True, slots=True)
class Settings:
    """How mail goes out.

    hostname    our name, for EHLO and to find ourselves among MX records
    own         (address, port) where this server itself takes mail; "0.0.0.0" and "::" are all
    port        where MX hosts listen
    rules       by domain in lower case; ".example.org" is every domain below example.org
    default     for all other domains
    mta_sts, dane   whether they are looked for
    dkim        whether mail of our domains is signed
    ca_file     PEM file of the certificate authorities to believe; "" the system's
    per_destination  connections at once to one domain or smarthost
    connect_timeout  for one address, and for a TLS handshake
    block_timeout    for the next block of a message to be taken (RFC 5321 §4.5.3.2.5)
    idle        an unused connection is kept so long
    transactions     messages over one connection
    recipients  of one transaction (RFC 5321 §4.5.3.1.8)
    hosts, addresses   tried in one attempt: so many MX hosts, and addresses in all
    backoff     after no host of a destination could be reached, it is left alone for so long, then
                twice as long, up to `longest_backoff`
    together    a message of up to so many octets goes with its commands in one go, by BDAT
    """

    hostname: str
    own: frozenset[tuple[str, int]] = frozenset()
    port: int = 25
    rules: Mapping[str, Rule] = field(default_factory=dict)
    default: Rule = Rule()
    mta_sts: bool = True
    dane: bool = True
    dkim: bool = True
    ca_file: str = ""
    per_destination: int = 10
    timeouts: Mapping[Want, float] = field(default_factory=lambda: TIMEOUTS)
    connect_timeout: float = 30.0
    block_timeout: float = 3 * MINUTE
    idle: float = 5.0
    transactions: int = 1000
    recipients: int = 100
    hosts: int = 5
    addresses: int = 10
    backoff: float = 30.0
    longest_backoff: float = 600.0
    together: int = 1 << 16

    def rule(self, domain: str) -> Rule:
        """For `domain` (lower case): its own rule, else that of the nearest above, else of all."""
        found = self.rules.get(domain)
        above = domain
        while found is None and above:
            _, _, above = above.partition(".")
            found = self.rules.get(f".{above}")
        return found or self.default

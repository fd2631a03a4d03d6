"""The DNS records that a domain's mail wants, by the settings: `mailsuite domain records`.

Asks no DNS: what it gives is to be put into the zone, or compared with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailsuite.config.values import is_loopback

if TYPE_CHECKING:
    from mailsuite.config import Config
    from mailsuite.config.listeners import Listener
    from mailsuite.dkim import Key

STRING = 255  # octets of one string of a TXT record (RFC 1035 §3.3)
SERVICES = {
    ("imap", "implicit"): "_imaps",
    ("imap", "starttls"): "_imap",
    ("pop3", "implicit"): "_pop3s",
    ("pop3", "starttls"): "_pop3",
    ("submission", "implicit"): "_submissions",
    ("submission", "starttls"): "_submission",
}
"""RFC 6186 §3 and RFC 8314 §5.1, by protocol and TLS of a listener."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: a name with its last dot, and the data as a zone file has it."""

    name: str
    type: str
    data: str


def records(
    settings: Config, hostname: str, domain: str, keys: Iterable[Key] = ()
) -> Iterator[Record]:
    """Those of `domain`, whose mail the host `hostname` takes and signs with one of `keys`."""
    yield Record(f"{domain}.", "MX", f"10 {hostname}.")
    if settings.outbound != "smarthost":  # else its provider says what to write
        yield Record(f"{domain}.", "TXT", '"v=spf1 mx -all"')
        if hostname.endswith(f".{domain}"):
            # Of mail with the null reverse-path the name in HELO is checked (RFC 7208 §2.4).
            yield Record(f"{hostname}.", "TXT", '"v=spf1 a -all"')
    told = f'"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"'
    yield Record(f"_dmarc.{domain}.", "TXT", told)
    for key in keys:
        yield Record(f"{key.record_name}.", "TXT", _strings(key.record))
    seen = set()
    for listener in settings.listeners:
        service = SERVICES.get((listener.protocol, listener.tls))
        if service is None or service in seen or not _is_reached(listener):
            continue
        seen.add(service)
        # TLS from the first octet goes before STARTTLS (RFC 8314 §3).
        priority = 0 if listener.tls == "implicit" else 10
        where = f"{priority} 1 {listener.port} {hostname}."
        yield Record(f"{service}._tcp.{domain}.", "SRV", where)


def _strings(text: str) -> str:
    """Text in quotes, in pieces that a record can hold; readers join them (RFC 6376 §3.6.2.2)."""
    return " ".join(f'"{text[at : at + STRING]}"' for at in range(0, len(text), STRING))


def _is_reached(listener: Listener) -> bool:
    """Whether clients elsewhere connect to it: no proxy stands before it, nor is it for here."""
    return not listener.proxy_protocol and not all(map(is_loopback, listener.address))

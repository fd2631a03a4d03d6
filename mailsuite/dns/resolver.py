"""The resolver: asks by dnspython, keeps answers by their TTL, in bounded memory.

Promises: every question ends within `Settings.timeout` with an Answer or DnsFailure; a name is
taken as it stands, never completed by a search list; nothing in it blocks.
"""

import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from mailsuite.base.log import get_logger
from mailsuite.dns.answers import Answer, DnsFailure, Mx, Tlsa
from mailsuite.dns.settings import Settings

T = TypeVar("T")
log = get_logger("dns")

UDP_SIZE = 1232  # octets; what passes everywhere unfragmented (DNS flag day 2020)


class Resolver:
    """See the module. Reads /etc/resolv.conf when it is made, where no nameserver is set."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings = settings or Settings()
        self._resolver = _made(settings)
        names = [_address_of(each) for each in self._resolver.nameservers]
        local = bool(names) and all(map(_is_loopback, names))
        self.validating = local if settings.validating is None else settings.validating
        # AD in the question asks for AD in the answer (RFC 6840 §5.7); DO for it from older ones.
        self._resolver.use_edns(0, dns.flags.DO if self.validating else 0, UDP_SIZE)
        self._resolver.flags = dns.flags.RD | (dns.flags.AD if self.validating else 0)
        self._resolver.cache = dns.resolver.LRUCache(settings.cache)

    async def mx(self, domain: str) -> Answer[Mx]:
        """The mail exchangers of `domain`."""
        return await self._ask(domain, "MX", lambda r: Mx(r.preference, _text(r.exchange)))

    async def ipv4(self, host: str) -> Answer[str]:
        """A records as text."""
        return await self._ask(host, "A", lambda r: str(r.address))

    async def ipv6(self, host: str) -> Answer[str]:
        """AAAA records as text."""
        return await self._ask(host, "AAAA", lambda r: str(r.address))

    async def cname(self, name: str) -> Answer[str]:
        """The name that `name` itself is an alias of, however its chain goes on."""
        return await self._ask(name, "CNAME", lambda r: _text(r.target))

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        """TLSA records, of `_25._tcp.mx.example.org` for example."""
        return await self._ask(
            name, "TLSA", lambda r: Tlsa(r.usage, r.selector, r.mtype, bytes(r.cert))
        )

    async def txt(self, name: str) -> Answer[str]:
        """TXT records, each as one text (RFC 7208 §3.3); what is not ASCII becomes U+FFFD."""
        return await self._ask(
            name, "TXT", lambda r: b"".join(r.strings).decode("ascii", "replace")
        )

    async def _ask(self, name: str, kind: str, read: Callable[[Any], T]) -> Answer[T]:
        """Raises DnsFailure; ValueError for a name that can't be one."""
        try:
            question = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError) as error:
            raise ValueError(f"not a domain name: {name}") from error
        try:
            found = await self._resolver.resolve(
                question, kind, raise_on_no_answer=False, lifetime=self._settings.timeout
            )
        except dns.resolver.NXDOMAIN as error:
            response = error.kwargs["responses"].get(question)
            return Answer((), False, self._secure(response), _text(question))
        except dns.resolver.LifetimeTimeout as error:
            raise DnsFailure(f"no answer from the DNS about {name} ({kind})") from error
        except dns.exception.DNSException as error:
            log.debug("dns failed", name=name, kind=kind, why=str(error))
            raise DnsFailure(f"the DNS can't answer about {name} ({kind})") from error
        except OSError as error:
            raise DnsFailure(f"no resolver can be reached about {name} ({kind})") from error
        records = tuple(read(each) for each in found.rrset or ())
        return Answer(records, True, self._secure(found.response), _text(found.canonical_name))

    def _secure(self, response: Any) -> bool:
        return bool(self.validating and response is not None and response.flags & dns.flags.AD)


def _made(settings: Settings) -> dns.asyncresolver.Resolver:
    if settings.nameservers:
        found = dns.asyncresolver.Resolver(configure=False)
        found.nameservers = [
            dns.nameserver.Do53Nameserver(each.address, each.port) for each in settings.nameservers
        ]
        return found
    try:
        return dns.asyncresolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        # As the C library does it (resolv.conf(5)).
        found = dns.asyncresolver.Resolver(configure=False)
        found.nameservers = ["127.0.0.1"]
        return found


def _address_of(nameserver: object) -> str:
    return str(getattr(nameserver, "address", nameserver))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if len(name) > 1 else ""

"""Which hosts take the mail of a domain, in the order to try them (RFC 5321 §5.1).

Promises: never ourselves, nor a host that is no better a choice than ourselves; "no such domain" is
told apart from "not to be found out now".
"""

import asyncio
import contextlib
import ipaddress
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from mailsuite.dns import Answer, DnsFailure, Resolver
from mailsuite.relay.settings import Settings


class NoRoute(Exception):
    """There is no host to try. `status` says by its class whether for now or for good."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Host:
    """One host to try.

    name       as the MX record or the settings have it; "" for an address literal
    addresses  IP addresses, in the order to try them
    secure     that this is a host of the domain was validated by DNSSEC, and so was where it is,
               or at least that its name is an alias (RFC 7672 §2.2.2): TLSA records may be there
    base       name to look for TLSA records under first: the end of a chain of CNAMEs, where all
               of it was validated
    """

    name: str
    addresses: tuple[str, ...]
    port: int
    secure: bool = False
    base: str = ""


@dataclass(frozen=True, slots=True)
class Hops:
    """The hosts of a destination.

    secure  that these are the ones was validated by DNSSEC
    name    the end of the domain's chain of CNAMEs; "" where MX records were not asked for
    """

    hosts: tuple[Host, ...]
    secure: bool = False
    name: str = ""


async def by_mx(resolver: Resolver, domain: str, settings: Settings) -> Hops:
    """The hosts for `domain`, a name in A-labels or an address literal. Raises NoRoute."""
    if domain.startswith("["):
        return Hops((_literal(domain, settings),))
    try:
        found = await resolver.mx(domain)
    except DnsFailure as error:
        raise NoRoute("4.4.3", str(error)) from error
    except ValueError as error:
        raise NoRoute("5.1.2", f"{domain} can't be a domain") from error
    if not found.exists:
        raise NoRoute("5.1.2", f"there is no domain {domain}")
    ranked = [(mx.preference, mx.host) for mx in found.records]
    if ranked and not any(host for _, host in ranked):
        raise NoRoute("5.1.10", f"{domain} takes no mail: it says so in the DNS (null MX)")
    # Of hosts that are equal, each gets its share (RFC 5321 §5.1). Without MX: the domain itself.
    ranked = [each for each in ranked if each[1]] or [(0, domain)]
    random.shuffle(ranked)
    ranked.sort(key=lambda each: each[0])
    hosts = await _without_ourselves(resolver, domain, ranked, found.secure, settings)
    return Hops(tuple(hosts[: settings.hosts]), found.secure, found.name)


async def of_host(resolver: Resolver, name: str, port: int) -> Hops:
    """The one host that the settings name. Raises NoRoute."""
    with contextlib.suppress(ValueError):
        return Hops((Host(name, (str(ipaddress.ip_address(name)),), port),))
    try:
        host = await _host(resolver, name, port, secure=True)
    except DnsFailure as error:
        raise NoRoute("4.4.3", str(error)) from error
    except ValueError as error:
        raise NoRoute("4.3.5", f"{name} can't be a host; see the settings of the relay") from error
    if not host.addresses:
        # The operator's mistake, or the DNS's: not a reason to give mail up.
        raise NoRoute("4.3.5", f"the smarthost {name} has no address in the DNS")
    return Hops((host,), host.secure)


async def _without_ourselves(
    resolver: Resolver,
    domain: str,
    ranked: Sequence[tuple[int, str]],
    secure: bool,
    settings: Settings,
) -> list[Host]:
    ranked = ranked[: 2 * settings.hosts]
    looked_up = await asyncio.gather(
        *(_host(resolver, name, settings.port, secure=secure) for _, name in ranked),
        return_exceptions=True,
    )
    best = min(
        (
            preference
            for (preference, name), host in zip(ranked, looked_up, strict=True)
            if name == settings.hostname.lower()
            or (isinstance(host, Host) and _is_own(host, settings))
        ),
        default=None,
    )
    hosts: list[Host] = []
    failure: BaseException | None = None
    for (preference, _), host in zip(ranked, looked_up, strict=True):
        if best is not None and preference >= best:
            break
        if isinstance(host, DnsFailure):
            failure = host
        elif isinstance(host, Host) and host.addresses:
            hosts.append(host)
        elif isinstance(host, BaseException) and not isinstance(host, ValueError):
            raise host
    if hosts:
        return hosts
    if failure is not None:
        raise NoRoute("4.4.3", str(failure))
    if best is not None:
        raise NoRoute(
            "5.4.6", f"mail for {domain} leads back to this server, which does not serve the domain"
        )
    raise NoRoute("5.4.4", f"{domain} has no host that could take mail (no MX or address)")


async def _host(resolver: Resolver, name: str, port: int, *, secure: bool) -> Host:
    """Raises DnsFailure where nothing could be found out; ValueError."""
    found = await asyncio.gather(resolver.ipv6(name), resolver.ipv4(name), return_exceptions=True)
    answers: list[Answer[str]] = []
    for one in found:
        if isinstance(one, BaseException):
            if not isinstance(one, DnsFailure):
                raise one
        else:
            answers.append(one)
    addresses = tuple(
        address
        for address in chain.from_iterable(zip_longest(*(each.records for each in answers)))
        if address is not None
    )
    known = secure and all(each.secure for each in answers)
    if len(answers) < 2 and (known or not addresses):
        # What is missing could be the forged half of a signed zone (RFC 7672 §2.1.2).
        raise next(each for each in found if isinstance(each, DnsFailure))
    base = next((each.name for each in answers if each.records), name)
    if secure and not known and addresses and base != name and resolver.validating:
        # The alias itself may be signed: records for its own name count then (§2.2.2).
        return Host(name, addresses, port, (await resolver.cname(name)).secure, name)
    return Host(name, addresses, port, known, base)


def _literal(domain: str, settings: Settings) -> Host:
    text = domain.strip("[]")
    if text.lower().startswith("ipv6:"):
        text = text[5:]
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError as error:
        raise NoRoute("5.1.3", f"{domain} is not an IP address") from error
    host = Host("", (address,), settings.port)
    if _is_own(host, settings):
        raise NoRoute("5.4.6", f"{domain} is this server, which does not serve the domain")
    return host


def _is_own(host: Host, settings: Settings) -> bool:
    """Whether one of its addresses is one where this server itself takes mail."""
    for address in host.addresses:
        if (address, host.port) in settings.own:
            return True
        wildcard = "::" if ":" in address else "0.0.0.0"
        if (wildcard, host.port) in settings.own and is_here(address):
            return True
    return False


def is_here(address: str) -> bool:
    """Whether the IP address is one of this machine: only those can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True

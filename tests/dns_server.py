"""A DNS server on loopback for tests: answers from a table over UDP, with AD where told.

For what a real server can't be made to do at will: say that it has validated, fail, stay silent.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset


@dataclass
class Zone:
    """What is answered.

    records  (name, type) -> texts of records
    secure   names whose answers, and whose missing records, have AD
    broken   (name, type) that get SERVFAIL
    silent   (name, type) that get no answer
    asked    questions that came
    """

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    secure: set[str] = field(default_factory=set)
    broken: set[tuple[str, str]] = field(default_factory=set)
    silent: set[tuple[str, str]] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    ttl: int = 300
    port: int = 0

    def answer(self, wire: bytes) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, kind))
        self.heard.set()
        if (name, kind) in self.silent:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if (name, kind) in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        secure = name in self.secure
        for _ in range(10):
            alias = self.records.get((name, "CNAME"))
            if not alias or kind == "CNAME":
                break
            response.answer.append(self._rrset(name, "CNAME", alias))
            name = alias[0].rstrip(".")
            secure = secure and name in self.secure
        if found := self.records.get((name, kind)):
            response.answer.append(self._rrset(name, kind, found))
        elif not any(known == name or known.endswith("." + name) for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        if secure:
            response.flags |= dns.flags.AD
        return response.to_wire(max_size=65535)

    def _rrset(self, name: str, kind: str, texts: list[str]) -> dns.rrset.RRset:
        return dns.rrset.from_text_list(name + ".", self.ttl, dns.rdataclass.IN, kind, texts)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self.zone.answer(data)
        if answer is not None:
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def serving(zone: Zone) -> AsyncIterator[Zone]:
    """`zone.port` is where it answers, on 127.0.0.1."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Udp(zone), local_addr=("127.0.0.1", 0)
    )
    zone.port = transport.get_extra_info("sockname")[1]
    try:
        yield zone
    finally:
        transport.close()

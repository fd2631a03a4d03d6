"""The resolver against a DNS server on loopback."""

import asyncio

import pytest

from mailsuite.dns import Answer, DnsFailure, Mx, Nameserver, Resolver, Settings, Tlsa
from tests.dns_server import Zone, serving

RECORDS = {
    ("example.test", "MX"): ["10 MX1.example.test.", "20 mx2.example.test."],
    ("null.test", "MX"): ["0 ."],
    ("mx1.example.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("mx1.example.test", "AAAA"): ["2001:db8::1"],
    ("alias.test", "CNAME"): ["example.test."],
    ("_25._tcp.mx1.example.test", "TLSA"): ["3 1 1 " + "ab" * 32],
    ("_mta-sts.example.test", "TXT"): ['"v=STSv1; " "id=1;"'],
}


def resolver(zone: Zone, **more: object) -> Resolver:
    return Resolver(Settings(nameservers=(Nameserver("127.0.0.1", zone.port),), **more))  # type: ignore[arg-type]


async def test_records_are_read() -> None:
    async with serving(Zone(RECORDS)) as zone:
        ask = resolver(zone)
        found = await ask.mx("Example.test")
        assert sorted(found.records, key=lambda mx: mx.preference) == [
            Mx(10, "mx1.example.test"),
            Mx(20, "mx2.example.test"),
        ]
        assert (await ask.mx("null.test")).records == (Mx(0, ""),)
        assert set((await ask.ipv4("mx1.example.test")).records) == {"192.0.2.1", "192.0.2.2"}
        assert (await ask.ipv6("mx1.example.test")).records == ("2001:db8::1",)
        tlsa = await ask.tlsa("_25._tcp.mx1.example.test")
        assert tlsa.records == (Tlsa(3, 1, 1, b"\xab" * 32),)
        assert (await ask.txt("_mta-sts.example.test")).records == ("v=STSv1; id=1;",)


async def test_what_is_not_there_is_told_apart() -> None:
    async with serving(Zone(RECORDS)) as zone:
        ask = resolver(zone)
        nothing = await ask.mx("mx1.example.test")
        assert (nothing.records, nothing.exists) == ((), True)
        nobody = await ask.mx("nobody.test")
        assert (nobody.records, nobody.exists) == ((), False)


async def test_an_alias_is_followed_and_its_end_is_told() -> None:
    async with serving(Zone(RECORDS)) as zone:
        found = await resolver(zone).mx("alias.test")
        assert len(found.records) == 2 and found.name == "example.test"


async def test_no_answer_now_is_a_failure() -> None:
    zone = Zone(RECORDS, broken={("a.test", "MX")}, silent={("b.test", "MX")})
    async with serving(zone):
        ask = resolver(zone, timeout=0.5)
        for name in ("a.test", "b.test"):
            with pytest.raises(DnsFailure, match=name):
                await ask.mx(name)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test", ".".join(["abcdefg"] * 40)])
async def test_what_can_be_no_name(name: str) -> None:
    async with serving(Zone()) as zone:
        with pytest.raises(ValueError, match="not a domain name"):
            await resolver(zone).mx(name)


async def test_answers_are_kept_as_long_as_they_live() -> None:
    async with serving(Zone(RECORDS)) as zone:
        ask = resolver(zone)
        first: Answer[Mx] = await ask.mx("example.test")
        assert await ask.mx("example.test") == first
        assert zone.asked == [("example.test", "MX")]
        await ask.mx("nobody.test")
        await ask.mx("nobody.test")
    async with serving(Zone(RECORDS, ttl=0)) as zone:
        ask = resolver(zone)
        await ask.mx("example.test")
        await ask.mx("example.test")
        assert len(zone.asked) == 2


@pytest.mark.parametrize(("validating", "believed"), [(None, True), (True, True), (False, False)])
async def test_whose_word_counts(validating: bool | None, believed: bool) -> None:
    zone = Zone(RECORDS, secure={"example.test", "nobody.test"})
    async with serving(zone):
        ask = resolver(zone, validating=validating)
        assert (await ask.mx("example.test")).secure is believed
        assert (await ask.mx("nobody.test")).secure is believed
        assert (await ask.mx("null.test")).secure is False


def test_a_resolver_elsewhere_is_believed_only_when_the_operator_says_so() -> None:
    elsewhere = (Nameserver("192.0.2.53"),)
    assert not Resolver(Settings(elsewhere)).validating
    assert Resolver(Settings(elsewhere, validating=True)).validating
    mixed = (Nameserver("127.0.0.1"), *elsewhere)
    assert not Resolver(Settings(mixed)).validating
    assert Resolver(Settings((Nameserver("::1"),))).validating


async def test_a_question_can_be_cancelled() -> None:
    zone = Zone(silent={("a.test", "MX")})
    async with serving(zone):
        asking = asyncio.create_task(resolver(zone).mx("a.test"))
        await zone.heard.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

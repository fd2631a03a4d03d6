"""The courier against hosts on loopback that behave as told."""

import asyncio
import contextlib
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from relay_support import MESSAGE, relaying

from mailsuite.mail import Bounced, Deferred, DeliverBy, Outcome, Recipient, Sent
from mailsuite.relay import Rule, Smarthost
from mailsuite.relay.hops import is_here
from mailsuite.relay.offers import Offers
from tests.dns_server import Zone
from tests.next_hop import OFFERS, NextHop, listening


def zone(**domains: str) -> Zone:
    """Each domain with its hosts: far="10 mx1, 20 mx2" stands for far.test."""
    found = Zone()
    for domain, hosts in domains.items():
        names = [each.split() for each in hosts.split(",")]
        found.records[(f"{domain}.test", "MX")] = [f"{rank} {name}.test." for rank, name in names]
    for name in ("mx1", "mx2", "mx3", "here"):
        found.records[(f"{name}.test", "A")] = ["127.0.0.1"]
    return found


def kinds(outcomes: list[Outcome]) -> list[tuple[type[Outcome], str]]:
    return [(type(each), each.status) for each in outcomes]


async def test_one_transaction_for_the_recipients_of_a_domain(tmp_path: Path) -> None:
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(far="10 mx1", other="10 mx2"), port=hop.port) as relay,
    ):
        outcomes = await relay.send("a@far.test", "b@other.test", "c@FAR.test.")
        assert kinds(outcomes) == [(Sent, "2.0.0")] * 3
        assert sorted(each[1] for each in hop.messages) == [
            ["TO:<a@far.test>", "TO:<c@FAR.test.>"],
            ["TO:<b@other.test>"],
        ]
        assert hop.octets == [MESSAGE, MESSAGE]
    (first, *_) = outcomes
    assert isinstance(first, Sent) and first.contact is not None
    assert (first.contact.host, first.contact.address) == ("mx1.test", "127.0.0.1")
    assert first.contact.reply == "250 2.0.0 taken" and first.contact.tls == "none"
    assert first.contact.why == "opportunistic; STARTTLS is not offered"
    assert first.action == "", "the next host speaks DSN"


@pytest.mark.parametrize("in_file", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("offers", [OFFERS, ("PIPELINING",), ()], ids=["bdat", "data", "none"])
async def test_octets_arrive_as_they_are(
    tmp_path: Path, offers: tuple[str, ...], in_file: bool
) -> None:
    message = b"Subject: x\r\n\r\n.\r\n..a\r\n" + b"y" * 900 + b"\r\n.z\r\n" * 50_000 + b".\r\n"
    async with (
        listening(NextHop(offers)) as hop,
        relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
    ):
        (outcome,) = await relay.send("a@far.test", message=message, in_file=in_file)
        assert isinstance(outcome, Sent), outcome
        assert hop.octets == [message]
        assert outcome.action == ("" if "DSN" in offers else "relayed")


async def test_a_connection_is_kept_for_the_next_message(tmp_path: Path) -> None:
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
    ):
        for _ in range(3):
            assert kinds(await relay.send("a@far.test")) == [(Sent, "2.0.0")]
        assert hop.connections == 1 and len(hop.messages) == 3


async def test_a_kept_connection_that_was_closed_is_made_anew(tmp_path: Path) -> None:
    hop = NextHop(replies={"FINAL": ["250 2.0.0 taken"], "MAIL": ["250 ok", "(drop)", "250 ok"]})
    async with listening(hop), relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay:
        for _ in range(2):
            assert kinds(await relay.send("a@far.test")) == [(Sent, "2.0.0")]
        assert hop.connections == 2 and len(hop.messages) == 2


async def test_limits_of_the_server_are_kept(tmp_path: Path) -> None:
    offers = (*OFFERS, "LIMITS RCPTMAX=2 MAILMAX=2")
    async with (
        listening(NextHop(offers)) as hop,
        relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
    ):
        outcomes = await relay.send(*(f"{number}@far.test" for number in range(5)))
        assert kinds(outcomes) == [(Sent, "2.0.0")] * 5
        assert [len(each[1]) for each in hop.messages] == [2, 2, 1]
        assert hop.connections == 2


async def test_domains_of_a_session_are_bounded(tmp_path: Path) -> None:
    """RFC 9422 §4.3: a connection for each further domain, also one message after another."""
    async with listening(NextHop((*OFFERS, "LIMITS RCPTDOMAINMAX=1"))) as hop:
        rule = Rule(Smarthost("127.0.0.1", hop.port, tls="opportunistic"))
        async with relaying(tmp_path, default=rule) as relay:
            outcomes = await relay.send("a@x.test", "b@X.test", "c@y.test")
            assert kinds(outcomes) == [(Sent, "2.0.0")] * 3
            assert kinds(await relay.send("d@y.test")) == [(Sent, "2.0.0")]
            assert hop.connections == 2
            assert kinds(await relay.send("e@x.test")) == [(Sent, "2.0.0")]
        assert [len(each[1]) for each in hop.messages] == [2, 1, 1, 1] and hop.connections == 3
        assert hop.commands.count("QUIT") == 3, "no session is left without one"


@pytest.mark.parametrize(
    "told", ["RCPTMAX=0", "RCPTMAX=01", "RCPTMAX=1000000", "RCPTMAX=", "RCPTMAX=1 A;=2", "RCPTMAX"]
)
def test_limits_that_are_none(told: str) -> None:
    """RFC 9422 §3.7."""
    assert Offers({"LIMITS": told}).limit("RCPTMAX") is None
    assert Offers({"LIMITS": "OTHER=x MAILMAX=no rcptmax=7"}).limit("RCPTMAX") == 7


async def test_too_many_recipients_go_in_a_further_transaction(tmp_path: Path) -> None:
    hop = NextHop(replies={"RCPT": ["250 ok", "250 ok", "452 4.5.3 too many", "250 ok"]})
    async with listening(hop), relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay:
        outcomes = await relay.send("a@far.test", "b@far.test", "c@far.test")
        assert kinds(outcomes) == [(Sent, "2.0.0")] * 3
        assert [len(each[1]) for each in hop.messages] == [2, 1] and hop.connections == 1


async def test_each_recipient_has_its_own_outcome(tmp_path: Path) -> None:
    replies = ["250 ok", "550 5.1.1 nobody", "450 4.2.0 greylisted"]
    async with (
        listening(NextHop(replies={"RCPT": replies})) as hop,
        relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
    ):
        outcomes = await relay.send("a@far.test", "b@far.test", "c@far.test")
    assert kinds(outcomes) == [(Sent, "2.0.0"), (Bounced, "5.1.1"), (Deferred, "4.2.0")]
    assert outcomes[1].text == "mx1.test answered: 550 5.1.1 nobody"
    assert outcomes[1].contact is not None and outcomes[1].contact.reply == "550 5.1.1 nobody"


async def test_lost_after_the_message_may_mean_twice_and_says_so(tmp_path: Path) -> None:
    hop = NextHop(("PIPELINING",), replies={"FINAL": ["(drop)"]})
    async with listening(hop), relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay:
        (outcome,) = await relay.send("a@far.test")
    assert kinds([outcome]) == [(Deferred, "4.4.2")]
    assert "may have arrived already" in outcome.text and len(hop.messages) == 1


class TestHosts:
    """Which host is asked, and when another one is."""

    @pytest.mark.parametrize(
        "replies",
        [
            {"GREETING": ["421 4.3.2 busy"]},
            {"GREETING": ["554 5.3.2 no"]},
            {"GREETING": ["(drop)"]},
            {"GREETING": ["junk"]},
            {"EHLO": ["421 4.3.2 busy"]},
            {"MAIL": ["452 4.3.1 full"]},
            {"MAIL": ["421 4.3.1 bye"]},
            {"RCPT": ["(drop)"]},
            {"RCPT": ["421 4.3.2 bye"]},
            {"FINAL": ["421 4.3.2 bye"]},
        ],
        ids=str,
    )
    async def test_the_next_one_is_asked(
        self, tmp_path: Path, replies: dict[str, list[str]]
    ) -> None:
        first = NextHop(("PIPELINING",), replies=replies)
        second = NextHop(host="127.0.0.2")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(listening(first))
            second.port = first.port
            await stack.enter_async_context(listening(second))
            where = zone(far="10 mx1,20 mx2")
            where.records[("mx2.test", "A")] = ["127.0.0.2"]
            relay = await stack.enter_async_context(relaying(tmp_path, where, port=first.port))
            (outcome,) = await relay.send("a@far.test")
            assert isinstance(outcome, Sent), outcome
            assert outcome.contact is not None and outcome.contact.host == "mx2.test"
            assert first.connections == 1 and len(second.messages) == 1 and not first.messages

    async def test_no_answer_in_time(self, tmp_path: Path) -> None:
        async with (
            listening(NextHop(replies={"GREETING": ["(silence)"]})) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port, timeout=0.2) as relay,
        ):
            (outcome,) = await relay.send("a@far.test")
            assert kinds([outcome]) == [(Deferred, "4.4.2")]
            assert outcome.text == "mx1.test: no answer to greeting within 0.2 seconds"

    async def test_a_reply_that_has_no_end(self, tmp_path: Path) -> None:
        """RFC 5321 §4.5.3.2: the time is for the reply, and not for its next octet."""

        gone = asyncio.Event()

        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(b"2")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            gone.set()

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with relaying(tmp_path, zone(far="10 mx1"), port=port, timeout=0.1) as relay:
            (outcome,) = await relay.send("a@far.test")
        assert kinds([outcome]) == [(Deferred, "4.4.2")] and "no answer to greeting" in outcome.text
        await gone.wait()
        server.close()

    async def test_several_addresses(self, tmp_path: Path) -> None:
        where = zone(far="10 mx1")
        where.records[("mx1.test", "AAAA")] = ["::1"]  # nobody there
        where.records[("mx1.test", "A")] = ["127.0.0.3", "127.0.0.2"]
        async with (
            listening(NextHop(host="127.0.0.2")) as hop,
            relaying(tmp_path, where, port=hop.port) as relay,
        ):
            assert kinds(await relay.send("a@far.test")) == [(Sent, "2.0.0")]

    @pytest.mark.skipif(not is_here("::1"), reason="no IPv6 on this machine")
    async def test_ipv6_first(self, tmp_path: Path) -> None:
        where = zone(far="10 mx1")
        where.records[("mx1.test", "AAAA")] = ["::1"]
        async with AsyncExitStack() as stack:
            six = await stack.enter_async_context(listening(NextHop(host="::1")))
            four = await stack.enter_async_context(listening(NextHop(port=six.port)))
            relay = await stack.enter_async_context(relaying(tmp_path, where, port=six.port))
            (outcome,) = await relay.send("a@far.test")
            assert isinstance(outcome, Sent) and outcome.contact is not None
            assert outcome.contact.address == "::1" and not four.connections

    async def test_all_refuse_for_good(self, tmp_path: Path) -> None:
        async with (
            listening(NextHop(replies={"GREETING": ["554 5.7.1 blocked"]})) as hop,
            relaying(tmp_path, zone(far="10 mx1,20 mx2"), port=hop.port) as relay,
        ):
            (outcome,) = await relay.send("a@far.test")
            assert kinds([outcome]) == [(Bounced, "5.7.1")]
            assert outcome.text == "mx1.test answered: 554 5.7.1 blocked"
            assert hop.commands == ["QUIT", "QUIT"], "also after an error (RFC 5321 §4.1.1.10)"

    async def test_without_mx_the_domain_itself(self, tmp_path: Path) -> None:
        where = zone()
        where.records[("far.test", "A")] = ["127.0.0.1"]
        async with listening(NextHop()) as hop, relaying(tmp_path, where, port=hop.port) as relay:
            assert kinds(await relay.send("a@far.test")) == [(Sent, "2.0.0")]

    async def test_an_alias_in_the_dns(self, tmp_path: Path) -> None:
        where = zone(far="10 mx1")
        where.records[("www.test", "CNAME")] = ["far.test."]
        async with listening(NextHop()) as hop, relaying(tmp_path, where, port=hop.port) as relay:
            assert kinds(await relay.send("a@www.test")) == [(Sent, "2.0.0")]

    async def test_address_literals(self, tmp_path: Path) -> None:
        async with listening(NextHop()) as hop, relaying(tmp_path, port=hop.port) as relay:
            assert kinds(await relay.send("a@[127.0.0.1]", "b@[IPv6:::ffff:7f00:1]", "c@[x]")) == [
                (Sent, "2.0.0"),
                (Sent, "2.0.0"),
                (Bounced, "5.1.3"),
            ]

    @pytest.mark.parametrize(
        ("records", "kind", "status", "words"),
        [
            ({}, Bounced, "5.1.2", "no domain far.test"),
            ({("far.test", "TXT"): ["x"]}, Bounced, "5.4.4", "no host"),
            ({("far.test", "MX"): ["0 ."]}, Bounced, "5.1.10", "null MX"),
            ({("far.test", "MX"): ["10 nobody.test."]}, Bounced, "5.4.4", "no host"),
            ({("far.test", "MX"): ["10 here.test."]}, Bounced, "5.4.6", "leads back"),
            (
                {
                    ("far.test", "MX"): ["10 here.test.", "10 mx1.test.", "20 mx1.test."],
                    ("mx1.test", "A"): ["127.0.0.1"],
                },
                Bounced,
                "5.4.6",
                "leads back",
            ),
        ],
    )
    async def test_no_host(
        self,
        tmp_path: Path,
        records: dict[tuple[str, str], list[str]],
        kind: type[Outcome],
        status: str,
        words: str,
    ) -> None:
        async with relaying(tmp_path, Zone(records)) as relay:
            (outcome,) = await relay.send("a@far.test")
            assert kinds([outcome]) == [(kind, status)] and words in outcome.text

    async def test_better_hosts_than_ourselves(self, tmp_path: Path) -> None:
        async with (
            listening(NextHop()) as hop,
            relaying(tmp_path, zone(far="10 mx1,20 here"), port=hop.port) as relay,
        ):
            assert kinds(await relay.send("a@far.test")) == [(Sent, "2.0.0")]

    async def test_ourselves_by_address(self, tmp_path: Path) -> None:
        async with listening(NextHop()) as hop:
            for own in ("127.0.0.1", "0.0.0.0"):
                async with relaying(
                    tmp_path, zone(far="10 mx1"), port=hop.port, own=frozenset({(own, hop.port)})
                ) as relay:
                    (outcome,) = await relay.send("a@far.test")
                    assert kinds([outcome]) == [(Bounced, "5.4.6")]
            assert not hop.connections

    async def test_the_dns_fails(self, tmp_path: Path) -> None:
        where = zone(far="10 mx1")
        where.broken.add(("far.test", "MX"))
        where.broken.add(("mx2.test", "A"))
        where.records[("other.test", "MX")] = ["10 mx2.test."]
        async with relaying(tmp_path, where) as relay:
            outcomes = await relay.send("a@far.test", "a@other.test")
            assert kinds(outcomes) == [(Deferred, "4.4.3")] * 2


@pytest.mark.parametrize("in_file", [False, True])
async def test_a_reply_too_many_is_taken_for_no_answer(tmp_path: Path, in_file: bool) -> None:
    """Else the message would count as taken before it was there, and be lost."""
    replies = {"RCPT": ["250 ok\r\n354 go on\r\n250 2.0.0 taken"], "FINAL": ["550 5.6.0 no"]}
    for offers in ((), ("PIPELINING",)):
        async with (
            listening(NextHop(offers, replies=dict(replies))) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
        ):
            (outcome,) = await relay.send("a@far.test", in_file=in_file)
            assert isinstance(outcome, Deferred), outcome
            assert "a reply that nobody asked for" in outcome.text


class TestBackOff:
    async def test_a_destination_that_is_not_there_is_left_alone(self, tmp_path: Path) -> None:
        hop = NextHop()
        async with listening(hop):
            pass
        async with relaying(tmp_path, zone(far="10 mx1"), port=hop.port, backoff=30.0) as relay:
            (outcome,) = await relay.send("a@far.test")
            assert kinds([outcome]) == [(Deferred, "4.4.1")]
            assert outcome.text.startswith("mx1.test [127.0.0.1]:") and "refuses" in outcome.text
            async with listening(hop):
                (outcome,) = await relay.send("a@far.test")
                assert kinds([outcome]) == [(Deferred, "4.4.1")]
                assert outcome.text.startswith("not tried again yet") and not hop.connections
                relay.clock.later += 31
                assert kinds(await relay.send("a@far.test")) == [(Sent, "2.0.0")]

    async def test_until_the_operator_wants_it_tried(self, tmp_path: Path) -> None:
        hop = NextHop()
        async with listening(hop):
            pass
        async with relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay:
            assert kinds(await relay.send("a@far.test")) == [(Deferred, "4.4.1")]
            async with listening(hop):
                relay.courier.retry_now()
                assert kinds(await relay.send("a@far.test")) == [(Sent, "2.0.0")]

    async def test_until_one_of_its_hosts_asks(self, tmp_path: Path) -> None:
        hop = NextHop()
        async with listening(hop):
            pass
        records = zone(far="10 mx1", near="10 mx1")
        async with relaying(tmp_path, records, port=hop.port) as relay:
            for name in ("far", "near"):
                assert kinds(await relay.send(f"a@{name}.test")) == [(Deferred, "4.4.1")]
            async with listening(hop):
                relay.courier.retry_now({"far.test"})
                assert kinds(await relay.send("a@near.test")) == [(Deferred, "4.4.1")]
                assert kinds(await relay.send("a@far.test")) == [(Sent, "2.0.0")]
                relay.courier.retry_now({".test"})
                assert kinds(await relay.send("a@near.test")) == [(Sent, "2.0.0")]

    async def test_what_the_operator_is_shown(self, tmp_path: Path) -> None:
        hop = NextHop()
        async with listening(hop), relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay:
            assert relay.courier.destinations() == []
            await relay.send("a@far.test")
            (state,) = relay.courier.destinations()
            assert (state.name, state.attempts, state.idle, state.why) == ("far.test", 0, 1, "")
        async with relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay:
            await relay.send("a@far.test")
            (state,) = relay.courier.destinations()
            assert 0 < state.left_alone <= 30 and "refuses" in state.why

    async def test_each_failure_doubles_the_wait(self, tmp_path: Path) -> None:
        hop = NextHop()
        async with listening(hop):
            pass
        async with relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay:
            for wait in (30, 60, 120):
                (outcome,) = await relay.send("a@far.test")
                assert "refuses" in outcome.text and "again yet" not in outcome.text
                relay.clock.later += wait - 5
                (outcome,) = await relay.send("a@far.test")
                assert outcome.text.startswith("not tried again yet")
                relay.clock.later += 6

    async def test_no_more_sessions_at_once_than_allowed(self, tmp_path: Path) -> None:
        async with (
            listening(NextHop()) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port, per_destination=3) as relay,
        ):
            await asyncio.gather(*(relay.send("a@far.test") for _ in range(30)))
            assert len(hop.messages) == 30 and hop.most <= 3

    async def test_unused_connections_are_closed(self, tmp_path: Path) -> None:
        async with (
            listening(NextHop()) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port, idle=0.01) as relay,
        ):
            await relay.send("a@far.test")
            async with asyncio.timeout(10):
                while hop.open:  # noqa: ASYNC110 - the other side of a socket
                    await asyncio.sleep(0.005)
            assert hop.commands[-1] == "QUIT"


class TestContent:
    eight_bit = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    eight_bit += "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"

    @pytest.mark.parametrize("in_file", [False, True])
    async def test_converted_where_8_bit_is_not_taken(self, tmp_path: Path, in_file: bool) -> None:
        message = self.eight_bit.encode()
        async with (
            listening(NextHop(("PIPELINING", "SIZE"))) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
        ):
            (outcome,) = await relay.send(
                "a@far.test", message=message, in_file=in_file, body="8BITMIME"
            )
            assert isinstance(outcome, Sent), outcome
            ((mail, _, octets),) = hop.messages
            assert octets.isascii() and b"\r\n\r\nR3LDvMOfZQ0K\r\n" in octets
            assert octets.startswith(b"Subject: x\r\nMIME-Version: 1.0\r\n")
            assert mail == f"FROM:<s@here.test> SIZE={len(octets)}"

    async def test_sent_as_it_is_where_8_bit_is_taken(self, tmp_path: Path) -> None:
        message = self.eight_bit.encode()
        async with (
            listening(NextHop(("8BITMIME",))) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
        ):
            await relay.send("a@far.test", message=message, body="8BITMIME")
            assert hop.octets == [message]
            assert hop.messages[0][0] == "FROM:<s@here.test> BODY=8BITMIME"

    async def test_signed_mail_is_not_converted(self, tmp_path: Path) -> None:
        message = (
            "Content-Type: multipart/signed; boundary=b; protocol=x/y; micalg=z\r\n\r\n--b\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n--b\r\n\r\nx\r\n--b--\r\n"
        ).encode()
        async with (
            listening(NextHop(())) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
        ):
            (outcome,) = await relay.send("a@far.test", message=message, body="8BITMIME")
            assert kinds([outcome]) == [(Bounced, "5.6.3")] and not hop.messages

    async def test_addresses_beyond_ascii(self, tmp_path: Path) -> None:
        async with (
            listening(NextHop(("8BITMIME",))) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
        ):
            outcomes = await relay.send("ä@far.test", smtputf8=True)
            assert kinds(outcomes) == [(Bounced, "5.6.7")]
            # Asked for, but not needed.
            assert kinds(await relay.send("a@far.test", smtputf8=True)) == [(Sent, "2.0.0")]
            header = "Subject: ä\r\n\r\n".encode()
            outcomes = await relay.send("a@far.test", message=header, smtputf8=True)
            assert kinds(outcomes) == [(Bounced, "5.6.7")]
        async with (
            listening(NextHop()) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
        ):
            assert kinds(await relay.send("ä@far.test", smtputf8=True)) == [(Sent, "2.0.0")]
            assert " SMTPUTF8" in hop.messages[0][0]

    async def test_long_lines(self, tmp_path: Path) -> None:
        message = b"Subject: x\r\n\r\n" + b"x" * 2000 + b"\r\n"
        async with (
            listening(NextHop(("8BITMIME",))) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
        ):
            assert kinds(await relay.send("a@far.test", message=message)) == [(Sent, "2.0.0")]
            assert max(map(len, hop.octets[0].split(b"\r\n"))) <= 998

    async def test_too_large(self, tmp_path: Path) -> None:
        async with (
            listening(NextHop(("SIZE 20",))) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
        ):
            (outcome,) = await relay.send("a@far.test")
            assert kinds([outcome]) == [(Bounced, "5.3.4")]
            assert outcome.text.startswith("mx1.test: it takes messages up to 20 octets")

    async def test_parameters_are_passed_on(self, tmp_path: Path) -> None:
        offers = (*OFFERS, "DELIVERBY", "MT-PRIORITY")
        async with (
            listening(NextHop(offers)) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
        ):
            await relay.send(
                Recipient("a@far.test", ("NEVER",), "rfc822;x@y"),
                ret="FULL",
                envid="e+3Dx",
                priority=4,
                deliver_by=DeliverBy(relay.clock.now() + 1000.9, "R"),
            )
            ((mail, (rcpt,), _),) = hop.messages
            assert mail == (
                "FROM:<s@here.test> SIZE=45 RET=FULL ENVID=e+3Dx MT-PRIORITY=4 BY=1000;R"
            )
            assert rcpt == "TO:<a@far.test> NOTIFY=NEVER ORCPT=rfc822;x@y"

    async def test_the_time_is_told_or_it_is_known_that_it_is_not(self, tmp_path: Path) -> None:
        for offers, by, timed in (
            ((*OFFERS, "DELIVERBY"), " BY=60;N", True),
            (OFFERS, "", False),
        ):
            async with (
                listening(NextHop(offers)) as hop,
                relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
            ):
                until = DeliverBy(relay.clock.now() + 60.9, "N")
                (outcome,) = await relay.send("a@far.test", deliver_by=until)
                assert isinstance(outcome, Sent) and outcome.timed is timed
                ((mail, _, _),) = hop.messages
                assert mail == f"FROM:<s@here.test> SIZE=45{by}"

    async def test_an_address_that_can_not_be_written(self, tmp_path: Path) -> None:
        async with (
            listening(NextHop()) as hop,
            relaying(tmp_path, zone(far="10 mx1"), port=hop.port) as relay,
        ):
            outcomes = await relay.send("a b@far.test", "c@far.test", "nowhere")
            assert kinds(outcomes) == [(Bounced, "5.1.3"), (Sent, "2.0.0"), (Bounced, "5.1.3")]


class TestSmarthost:
    async def test_all_domains_in_one_transaction_and_some_elsewhere(self, tmp_path: Path) -> None:
        async with listening(NextHop()) as one, listening(NextHop()) as other:
            first = Smarthost("127.0.0.1", one.port, tls="opportunistic")
            second = Smarthost("127.0.0.1", other.port, tls="opportunistic")
            rules = {".branch.test": Rule(second), "mx.test": Rule()}
            async with relaying(tmp_path, default=Rule(first), rules=rules) as relay:
                outcomes = await relay.send("a@x.test", "b@y.test", "c@z.branch.test", "d@mx.test")
                assert kinds(outcomes) == [(Sent, "2.0.0")] * 3 + [(Bounced, "5.1.2")]
            assert one.messages[0][1] == ["TO:<a@x.test>", "TO:<b@y.test>"]
            assert other.messages[0][1] == ["TO:<c@z.branch.test>"]

    async def test_lmtp(self, tmp_path: Path) -> None:
        async with listening(NextHop()) as hop:
            host = Smarthost("127.0.0.1", hop.port, tls="off", lmtp=True)
            async with relaying(tmp_path, default=Rule(host)) as relay:
                (outcome,) = await relay.send("a@x.test")
                assert isinstance(outcome, Sent) and outcome.action == "delivered"
            assert hop.commands[0] == "LHLO here.test"

    async def test_a_smarthost_that_has_no_address_is_the_operators_matter(
        self, tmp_path: Path
    ) -> None:
        async with relaying(tmp_path, default=Rule(Smarthost("nobody.test", 25))) as relay:
            assert kinds(await relay.send("a@x.test")) == [(Deferred, "4.3.5")]

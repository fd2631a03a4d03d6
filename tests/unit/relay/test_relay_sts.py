"""MTA-STS: the record, the policy, the fetch over HTTPS, and what it makes of a delivery."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay_support import CA, relaying, server_tls
from structlog.testing import capture_logs

from mailsuite.mail import Deferred, Sent
from mailsuite.relay.settings import Rule, Smarthost
from mailsuite.relay.sts_policy import MAX_AGE, Policy, parse, record_id
from tests.dns_server import Zone
from tests.next_hop import NextHop, listening

ENFORCE = "version: STSv1\nmode: enforce\nmx: mx1.test\nmx: *.mail.test\nmax_age: 86400\n"
RECORD = ("_mta-sts.far.test", "TXT")


class TestPolicy:
    def test_parse(self) -> None:
        assert parse(ENFORCE) == Policy("enforce", ("mx1.test", "*.mail.test"), 86400)
        assert parse("version:STSv1\r\nmode:none\r\nmax_age:99999999\r\nx-y:z") == Policy(
            "none", (), MAX_AGE
        )

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "<html>",
            ENFORCE.replace("STSv1", "STSv2"),
            ENFORCE.replace("enforce", "always"),
            ENFORCE.replace("86400", "soon"),
            ENFORCE.replace("mx1.test", "mx1 test"),
            "version: STSv1\nmode: enforce\nmax_age: 1",
        ],
    )
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(ValueError):
            parse(text)

    @given(st.text(max_size=200) | st.text("mx:*.STv1 \r\n", max_size=100))
    def test_any_text_is_a_policy_or_a_value_error(self, text: str) -> None:
        try:
            policy = parse(text)
        except ValueError:
            return
        assert policy.mode in ("enforce", "testing", "none") and 0 <= policy.max_age <= MAX_AGE

    @pytest.mark.parametrize(
        ("host", "allowed"),
        [
            ("mx1.test", True),
            ("MX1.test.", True),
            ("a.mail.test", True),
            ("a.b.mail.test", False),
            ("mail.test", False),
            ("xmx1.test", False),
        ],
    )
    def test_hosts(self, host: str, allowed: bool) -> None:
        assert parse(ENFORCE).allows(host) is allowed

    @pytest.mark.parametrize(
        ("texts", "id"),
        [
            (["v=STSv1; id=20190429T010101;"], "20190429T010101"),
            (["v=spf1 -all", "v=STSv1;id=a"], "a"),
            (["v=STSv1; id=a", "v=STSv1; id=b"], None),
            (["v=STSv1; id=a b"], None),
            (["v=STSv12; id=a"], None),
            (["v=STSv1"], None),
            (["v=STSv1", "v=STSv1 ; a=b ;id=c;id=d"], "c"),
            (["v=STSv1; id=a; and more"], None),
            (["v=STSv1; id=a; x=y=z"], None),
            (["v=STSv1;; id=a"], None),
            (["V=STSv1; id=a"], None),
            ([], None),
        ],
    )
    def test_record(self, texts: list[str], id: str | None) -> None:
        assert record_id(texts) == id


@dataclass
class Web:
    """The web server of a domain with a policy."""

    body: str = ENFORCE
    status: str = "200 OK"
    kind: str = "text/plain; charset=utf-8"
    name: str = "mta-sts.far.test"
    requests: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head.decode())
        body = self.body.encode()
        writer.write(
            f"HTTP/1.1 {self.status}\r\nContent-Type: {self.kind}\r\n"
            f"Location: https://mta-sts.far.test/elsewhere\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        writer.close()


@asynccontextmanager
async def serving(web: Web) -> AsyncIterator[Web]:
    server = await asyncio.start_server(web.serve, "127.0.0.1", web.port, ssl=server_tls(web.name))
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()


def zone(host: str = "mx1.test") -> Zone:
    found = Zone(ttl=0)
    found.records[("far.test", "MX")] = [f"10 {host}."]
    found.records[(host, "A")] = ["127.0.0.1"]
    found.records[("mta-sts.far.test", "A")] = ["127.0.0.1"]
    found.records[RECORD] = ['"v=STSv1; id=1;"']
    return found


async def test_enforced(tmp_path: Path) -> None:
    hop = NextHop(tls=server_tls("mx1.test"))
    async with (
        listening(hop),
        serving(Web()) as web,
        relaying(tmp_path, zone(), port=hop.port, sts_port=web.port) as relay,
    ):
        for _ in range(2):
            (outcome,) = await relay.send("a@far.test")
            assert isinstance(outcome, Sent), outcome
        assert outcome.contact is not None
        assert outcome.contact.why == "MTA-STS policy: enforce"
        assert outcome.contact.tls.endswith("certificate valid")
        (request,) = web.requests
        assert request.startswith("GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
        assert "\r\nhost: mta-sts.far.test\r\n" in request.lower()


@pytest.mark.parametrize(
    ("host", "certificate", "words"),
    [
        ("mx1.test", "other.test", "certificate not accepted"),
        ("mx2.test", "mx2.test", "not among the hosts of the MTA-STS policy of far.test"),
        ("mx1.test", "", "STARTTLS is not offered"),
    ],
)
async def test_enforced_and_broken(tmp_path: Path, host: str, certificate: str, words: str) -> None:
    hop = NextHop(tls=server_tls(certificate) if certificate else None)
    async with (
        listening(hop),
        serving(Web()) as web,
        relaying(tmp_path, zone(host), port=hop.port, sts_port=web.port) as relay,
    ):
        (outcome,) = await relay.send("a@far.test")
        assert isinstance(outcome, Deferred) and words in outcome.text, outcome
        assert outcome.status in ("4.7.4", "4.7.5") and not hop.messages


@pytest.mark.parametrize(
    "web",
    [
        Web(status="404 Not Found"),
        Web(status="302 Found"),
        Web(kind="text/html"),
        Web(body="nonsense"),
        Web(body=ENFORCE + "x: y\n" * 20_000),
        Web(name="other.test"),
        Web(body=ENFORCE.replace("enforce", "testing")),
        Web(body="version: STSv1\nmode: none\nmax_age: 86400"),
    ],
    ids=str,
)
async def test_no_policy_to_enforce(tmp_path: Path, web: Web) -> None:
    hop = NextHop()
    async with (
        listening(hop),
        serving(web),
        relaying(tmp_path, zone("mx9.test"), port=hop.port, sts_port=web.port) as relay,
    ):
        (outcome,) = await relay.send("a@far.test")
        assert isinstance(outcome, Sent), outcome
        await relay.send("a@far.test")
        assert len(web.requests) <= 1, "a failed fetch is not repeated at once"


async def test_a_policy_outlives_a_restart_and_its_record_until_its_time_is_over(
    tmp_path: Path,
) -> None:
    hop, web = NextHop(tls=server_tls("other.test")), Web()
    where = zone()
    async with listening(hop):
        async with (
            serving(web),
            relaying(tmp_path, where, port=hop.port, sts_port=web.port) as relay,
        ):
            assert isinstance((await relay.send("a@far.test"))[0], Deferred)
        del where.records[RECORD]
        async with relaying(tmp_path, where, port=hop.port, sts_port=web.port) as relay:
            assert isinstance((await relay.send("a@far.test"))[0], Deferred)
            relay.clock.later = 86_401.0
            assert isinstance((await relay.send("a@far.test"))[0], Sent)


async def test_a_new_id_is_a_new_policy(tmp_path: Path) -> None:
    hop, web = NextHop(tls=server_tls("other.test")), Web()
    where = zone()
    async with (
        listening(hop),
        serving(web),
        relaying(tmp_path, where, port=hop.port, sts_port=web.port) as relay,
    ):
        assert isinstance((await relay.send("a@far.test"))[0], Deferred)
        web.body = ENFORCE.replace("enforce", "testing")
        assert isinstance((await relay.send("a@far.test"))[0], Deferred)
        where.records[RECORD] = ['"v=STSv1; id=2;"']
        (outcome,) = await relay.send("a@far.test")
        assert isinstance(outcome, Sent) and outcome.contact is not None
        assert outcome.contact.why == "opportunistic, MTA-STS policy: testing"
        assert len(web.requests) == 2


async def test_a_policy_is_fetched_again_before_it_runs_out(tmp_path: Path) -> None:
    hop, web = NextHop(tls=server_tls("other.test")), Web(ENFORCE.replace("86400", "864000"))
    async with listening(hop), AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(web))
        relay = await stack.enter_async_context(
            relaying(tmp_path, zone(), port=hop.port, sts_port=first.port)
        )
        for day in (0, 2, 4):
            relay.clock.later = day * 86_400.0
            for _ in range(2):
                assert isinstance((await relay.send("a@far.test"))[0], Deferred)
            assert len(web.requests) == day // 2 + 1
    # And when it can't be, what is known goes on until its end, ten days after the last fetch.
    async with (
        listening(hop),
        relaying(tmp_path, zone(), port=hop.port, sts_port=web.port) as relay,
    ):
        relay.clock.later = 13 * 86_400.0
        assert isinstance((await relay.send("a@far.test"))[0], Deferred)
        relay.clock.later = 15 * 86_400.0
        assert isinstance((await relay.send("a@far.test"))[0], Sent)


async def test_a_damaged_file_is_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / "sts").mkdir()
    (tmp_path / "sts" / "far.test.json").write_text("{")
    hop = NextHop(tls=server_tls("mx1.test"))
    async with (
        listening(hop),
        serving(Web()) as web,
        relaying(tmp_path, zone(), port=hop.port, sts_port=web.port) as relay,
    ):
        (outcome,) = await relay.send("a@far.test")
        assert outcome.contact is not None
        assert outcome.contact.why == "MTA-STS policy: enforce"


@pytest.mark.parametrize(
    ("host", "certified", "sent"),
    [("far.test", "far.test", True), ("far.test", "mx1.test", False), ("127.0.0.1", "", True)],
)
async def test_of_a_smarthost_its_own_policy_counts(
    tmp_path: Path, host: str, certified: str, sent: bool
) -> None:
    """RFC 8461 §3.4; not for an address, which has none. It need not be among the MX hosts."""
    hop = NextHop(tls=server_tls(certified or "mx1.test"))
    where = zone()
    where.records[("far.test", "A")] = ["127.0.0.1"]
    async with listening(hop), serving(Web()) as web:
        rule = Rule(Smarthost(host, hop.port, "opportunistic"))
        async with relaying(tmp_path, where, sts_port=web.port, default=rule) as relay:
            (outcome,) = await relay.send("a@other.test")
            assert isinstance(outcome, Sent if sent else Deferred), outcome
            assert sent or "certificate not accepted" in outcome.text
            assert outcome.contact is not None
            assert ("MTA-STS policy: enforce" in outcome.contact.why) == bool(certified)
        assert not [name for name, kind in where.asked if kind == "TXT" and name != RECORD[0]]


async def test_a_failed_fetch_is_not_repeated_for_the_same_id(tmp_path: Path) -> None:
    """RFC 8461 §3.3: per version ID."""
    hop = NextHop(tls=server_tls("mx1.test"))
    async with (
        listening(hop),
        serving(Web(status="404 Gone")) as web,
        relaying(tmp_path, zone(), sts_port=web.port, port=hop.port, transactions=1) as relay,
    ):
        for id in (1, 1, 2, 2):
            relay.zone.records[RECORD] = [f'"v=STSv1; id={id};"']
            assert isinstance((await relay.send("a@far.test"))[0], Sent)
        assert len(web.requests) == 2


async def test_a_name_in_the_subject_is_none(tmp_path: Path) -> None:
    """RFC 8461 §4.2: a DNS-ID is wanted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("other@mx1.test", common_name="mx1.test").configure_cert(context)
    hop = NextHop(tls=context)
    async with (
        listening(hop),
        serving(Web()) as web,
        relaying(tmp_path, zone(), sts_port=web.port, port=hop.port) as relay,
    ):
        (outcome,) = await relay.send("a@far.test")
        assert isinstance(outcome, Deferred) and "certificate not accepted" in outcome.text


@pytest.mark.parametrize(("mode", "told"), [("testing", 2), ("none", 0)])
async def test_the_operator_is_told_of_a_policy_that_is_not_refreshed(
    tmp_path: Path, mode: str, told: int
) -> None:
    """RFC 8461 §3.3: but not of one of mode "none"; and not for each message."""
    web = Web(ENFORCE.replace("enforce", mode).replace("86400", "864000"))
    hop, where = NextHop(), zone()
    async with (
        listening(hop),
        serving(web),
        relaying(tmp_path, where, sts_port=web.port, port=hop.port, transactions=1) as relay,
    ):
        await relay.send("a@far.test")
        relay.clock.later = 2 * 86_400.0
        web.status = "404 Gone"
        with capture_logs() as logs:
            await relay.send("a@far.test")
            del where.records[RECORD]
            await relay.send("a@far.test")
            await relay.send("a@far.test")
        events = [each for each in logs if each["log_level"] == "warning"]
        assert [each["event"] for each in events] == ["mta-sts policy not fetched"] * told

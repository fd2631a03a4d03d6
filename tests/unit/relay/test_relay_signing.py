"""DKIM signatures of what the relay sends.

- What arrives at the next host verifies, also what was converted for it, from memory or a file.
- Nothing that came from outside is signed, whoever it says it is from.
- A message is signed once, however many hosts it goes to; SIZE tells its size with the signature.
- Mail does not wait for a key that can't be used.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from relay_support import Clock, relaying
from structlog.testing import capture_logs

from mailsuite.base.clock import SystemClock
from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Threads
from mailsuite.dkim import Key, Keys
from mailsuite.mail import Bounced, Envelope, Job, QueuedMessage, Recipient, Sent
from mailsuite.net import connect
from mailsuite.relay import Contexts, Rule, Settings, Signer, Smarthost
from mailsuite.relay.turned import take_over
from tests.dkim_checks import signatures, verified
from tests.dns_server import Zone
from tests.next_hop import OFFERS, NextHop, listening

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ALICE = {"submitter": "alice@here.test"}


class OneKey(Keys):
    """Counts what is signed, and makes no key for each test."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.used = 0

    def signing(self, domain: str) -> Key:
        self.used += 1
        return Key(domain, "sel", PRIVATE)


def domain_of(envelope: Envelope, authors: Sequence[str]) -> str:
    found = {author.rpartition("@")[2] for author in authors}
    return "here.test" if found == {"here.test"} else ""


def signer(keys: Keys) -> Signer:
    return Signer(keys, domain_of, SystemClock())


ZONE = {"sel._domainkey.here.test": Key("here.test", "sel", PRIVATE).record}


def zone() -> Zone:
    names = {(f"{name}.test", "MX"): [f"10 mx.{name}.test."] for name in ("far", "other")}
    hosts = {(f"mx.{name}.test", "A"): ["127.0.0.1"] for name in ("far", "other")}
    return Zone(names | hosts)


def split(octets: bytes, message: bytes) -> bytes:
    """The signature in front of the message as it was handed in."""
    assert octets.endswith(message)
    field = octets[: len(octets) - len(message)]
    assert field.startswith(b"DKIM-Signature: ") and field.endswith(b"\r\n")
    return field


HEAD = b"From: alice@here.test\r\nTo: ben@far.test\r\nSubject: test\r\n"
PLAIN = HEAD + b"\r\n.Hello.\r\n..\r\n\r\n\r\n"


@pytest.mark.parametrize("in_file", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize(
    "offers", [OFFERS, ("PIPELINING", "SIZE"), ()], ids=["bdat", "data", "none"]
)
async def test_what_arrives_verifies(
    tmp_path: Path, offers: tuple[str, ...], in_file: bool
) -> None:
    message = PLAIN + b"text  and more \t\r\n" * (50_000 if in_file else 1)
    keys = OneKey(tmp_path)
    async with (
        listening(NextHop(offers=offers)) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=signer(keys)) as relay,
    ):
        (outcome,) = await relay.send("a@far.test", message=message, in_file=in_file, **ALICE)
    assert isinstance(outcome, Sent)
    ((mail, _, octets),) = hop.messages
    split(octets, message)
    assert verified(octets, ZONE)
    if offers:
        told = re.search(r"SIZE=(\d+)", mail)
        assert told and int(told[1]) == len(octets)


@pytest.mark.parametrize("in_file", [False, True], ids=["memory", "file"])
async def test_what_is_signed_is_what_was_converted(tmp_path: Path, in_file: bool) -> None:
    message = HEAD + "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".encode()
    async with (
        listening(NextHop(offers=("PIPELINING", "SIZE"))) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=signer(OneKey(tmp_path))) as relay,
    ):
        await relay.send("a@far.test", message=message, in_file=in_file, **ALICE)
    ((mail, _, octets),) = hop.messages
    assert octets.isascii() and b"Content-Transfer-Encoding: base64" in octets
    assert f"SIZE={len(octets)}" in mail
    assert verified(octets, ZONE)


async def test_a_header_with_utf_8(tmp_path: Path) -> None:
    message = "From: Änne <alice@here.test>\r\nSubject: Grüße\r\n\r\nGrüße\r\n".encode()
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=signer(OneKey(tmp_path))) as relay,
    ):
        await relay.send("a@far.test", message=message, smtputf8=True, **ALICE)
    assert "SMTPUTF8" in hop.messages[0][0]
    split(hop.octets[0], message)
    assert verified(hop.octets[0], ZONE)


@pytest.mark.parametrize(
    ("envelope", "message", "is_signed"),
    [
        (ALICE, PLAIN, True),
        ({"internal": True, "sender": ""}, PLAIN, True),
        ({}, PLAIN, False),
        ({"sender": ""}, PLAIN, False),
        ({"collected": "1.2.3"}, PLAIN, False),
        (ALICE, PLAIN.replace(b"alice@here", b"alice@else"), False),
        (ALICE, PLAIN.replace(b"alice@here.test", b"alice@here.test, eve@else.test"), False),
        (ALICE, b"From: eve@else.test\r\n" + PLAIN, False),
        (ALICE, b"Subject: no author\r\n\r\nx\r\n", False),
    ],
)
async def test_only_what_was_written_here_is_signed(
    tmp_path: Path, envelope: dict[str, Any], message: bytes, is_signed: bool
) -> None:
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=signer(OneKey(tmp_path))) as relay,
    ):
        await relay.send("a@far.test", message=message, **envelope)
    (octets,) = hop.octets
    if is_signed:
        split(octets, message)
        assert verified(octets, ZONE)
    else:
        assert octets == message


async def test_it_is_signed_once_for_all_hosts(tmp_path: Path) -> None:
    keys = OneKey(tmp_path)
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=signer(keys)) as relay,
    ):
        await relay.send("a@far.test", "b@other.test", "c@far.test", message=PLAIN, **ALICE)
    assert len(hop.messages) == 2 and len(set(hop.octets)) == 1
    assert verified(hop.octets[0], ZONE)
    assert keys.used == 1


async def test_what_goes_by_a_smarthost_is_signed(tmp_path: Path) -> None:
    async with listening(NextHop()) as hop:
        rule = Rule(Smarthost("127.0.0.1", hop.port, tls="off"))
        keys = OneKey(tmp_path)
        async with relaying(tmp_path, zone(), default=rule, signer=signer(keys)) as relay:
            await relay.send("a@far.test", message=PLAIN, **ALICE)
    assert verified(hop.octets[0], ZONE)


async def test_the_setting_turns_it_off_and_on(tmp_path: Path) -> None:
    async with (
        listening(NextHop()) as hop,
        relaying(
            tmp_path, zone(), port=hop.port, dkim=False, signer=signer(OneKey(tmp_path))
        ) as relay,
    ):
        await relay.send("a@far.test", message=PLAIN, **ALICE)
        house = relay.courier._house
        on = replace(house.settings, dkim=True)
        relay.courier.apply(on, house.contexts, None)
        await relay.send("a@far.test", message=PLAIN, **ALICE)
    assert [len(signatures(octets)) for octets in hop.octets] == [0, 1]


async def test_what_a_host_fetches_is_signed(tmp_path: Path) -> None:
    to = (Recipient("a@far.test"),)
    queued = QueuedMessage("", 0, len(PLAIN), False, PLAIN)
    envelope = Envelope("alice@here.test", to, **ALICE)
    job = Job("0123456789ABC", envelope, to, (0,), queued, 1, False, 1.7e9)
    threads = Threads("signing-test", 1)
    async with listening(NextHop()) as hop:
        courier = await take_over(
            await connect("127.0.0.1", hop.port, timeout=10.0),
            name="far.test",
            why="ATRN by far",
            account="far",
            settings=Settings("here.test"),
            contexts=Contexts(""),
            clock=SystemClock(),
            threads=threads,
            signer=signer(OneKey(tmp_path)),
        )
        (outcome,) = await courier.deliver(job)
        await courier.quit()
    threads.close()
    assert isinstance(outcome, Sent)
    assert verified(hop.octets[0], ZONE)


async def test_an_error_of_ours_stops_no_mail(tmp_path: Path) -> None:
    def fails(envelope: Envelope, authors: Sequence[str]) -> str:
        raise LookupError("ours")

    wrong = Signer(OneKey(tmp_path), fails, SystemClock())
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=wrong) as relay,
    ):
        with capture_logs() as logs:
            await relay.send("a@far.test", message=PLAIN, **ALICE)
    assert hop.octets == [PLAIN]
    (told,) = [line for line in logs if line["event"] == "not signed"]
    assert told["log_level"] == "error" and isinstance(told["exc_info"], LookupError)


async def test_a_key_that_can_not_be_used_stops_no_mail(tmp_path: Path) -> None:
    folder = tmp_path / "dkim" / "here.test"
    folder.mkdir(parents=True)
    (folder / "mailsuite.pem").write_bytes(b"broken")
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=signer(Keys(tmp_path / "dkim"))) as relay,
    ):
        with capture_logs() as logs:
            (outcome,) = await relay.send("a@far.test", message=PLAIN, **ALICE)
    assert isinstance(outcome, Sent)
    assert hop.octets == [PLAIN]
    (told,) = [line for line in logs if line["event"] == "not signed"]
    assert told["log_level"] == "warning" and f"{folder}/mailsuite.pem" in told["why"]


async def test_a_key_that_fails_is_not_asked_for_with_each_message(tmp_path: Path) -> None:
    class Failing(OneKey):
        def signing(self, domain: str) -> Key:
            super().signing(domain)
            raise UserError("no room on the disk")

    keys, clock = Failing(tmp_path), Clock()
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=Signer(keys, domain_of, clock)) as relay,
    ):
        with capture_logs() as logs:
            await relay.send("a@far.test", message=PLAIN, **ALICE)
            await relay.send("a@far.test", message=PLAIN, **ALICE)
        assert [line["why"] for line in logs if line["event"] == "not signed"] == [
            "no room on the disk"
        ] * 2
        assert keys.used == 1
        clock.later = 1.0
        await relay.send("a@far.test", message=PLAIN, **ALICE)
    assert keys.used == 2 and hop.octets == [PLAIN] * 3


async def test_messages_at_once_make_one_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, generate = [], rsa.generate_private_key

    def counting(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        made.append(key_size)
        return generate(public_exponent, key_size)

    monkeypatch.setattr(rsa, "generate_private_key", counting)
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=signer(Keys(tmp_path / "dkim"))) as relay,
    ):
        await asyncio.gather(*(relay.send("a@far.test", message=PLAIN, **ALICE) for _ in range(6)))
    assert [len(signatures(octets)) for octets in hop.octets] == [1] * 6
    assert made == [2048]


@pytest.mark.parametrize("in_file", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize(("most", "is_signed"), [(400, False), (4000, True)])
async def test_a_signature_makes_no_message_too_large(
    tmp_path: Path, most: int, is_signed: bool, in_file: bool
) -> None:
    async with (
        listening(NextHop(offers=("PIPELINING", f"SIZE {most}"))) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=signer(OneKey(tmp_path))) as relay,
    ):
        (outcome,) = await relay.send("a@far.test", message=PLAIN, in_file=in_file, **ALICE)
    assert isinstance(outcome, Sent)
    assert f"SIZE={len(hop.octets[0])}" in hop.messages[0][0]
    if is_signed:
        split(hop.octets[0], PLAIN)
    else:
        assert hop.octets == [PLAIN]


async def test_the_outcome_tells_the_key(tmp_path: Path) -> None:
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=signer(OneKey(tmp_path))) as relay,
    ):
        hop.replies["FINAL"] = ["550 5.7.1 no", "250 2.0.0 taken"]
        refused, sent = [
            (await relay.send("a@far.test", message=PLAIN, **ALICE))[0] for _ in range(2)
        ]
        (other,) = await relay.send("a@far.test", message=PLAIN)
    assert isinstance(refused, Bounced) and refused.contact is not None
    assert isinstance(sent, Sent) and sent.contact is not None
    assert refused.contact.dkim == sent.contact.dkim == "sel._domainkey.here.test"
    assert isinstance(other, Sent) and other.contact is not None and not other.contact.dkim


async def test_the_files_are_looked_at_once_a_second(tmp_path: Path) -> None:
    keys = OneKey(tmp_path)
    clock = Clock()
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(), port=hop.port, signer=Signer(keys, domain_of, clock)) as relay,
    ):
        await relay.send("a@far.test", message=PLAIN, **ALICE)
        clock.later = 1.0
        await relay.send("a@far.test", message=PLAIN, **ALICE)
        assert keys.used == 2

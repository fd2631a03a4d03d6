"""Notices as octets: read again by the standard library's parser, and by the RFCs' rules."""

from binascii import a2b_base64, a2b_qp
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import SMTP
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.base.tasks import Threads
from mailsuite.dsn import DeliveryNotifier
from mailsuite.dsn.report import Notice, compose
from mailsuite.dsn.words import explain
from mailsuite.mail import (
    Contact,
    DeliverBy,
    Envelope,
    FollowUp,
    Job,
    QueuedMessage,
    Recipient,
    Report,
)
from mailsuite.message import format_date
from mailsuite.message.downgrade import NextHop, downgrade

NOW = 1_700_000_000.0
MESSAGE = (
    b"From: alice@example.test\r\nTo: bob@far.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <1@example.test>\r\n\r\nHello.\r\n"
)
REPLY = Contact("mx.far.test", "127.0.0.9", "550 5.1.1 <bob@far.test>: no such user\nbye")


def report(address: str = "bob@far.test", action: str = "failed", status: str = "5.1.1") -> Report:
    return Report(Recipient(address, orcpt="rfc822;bob+40far.test"), action, status, "no", REPLY)


def job(sender: str = "alice@example.test", message: bytes = MESSAGE, **more: object) -> Job:
    envelope = Envelope(sender, (Recipient("bob@far.test"),), **more)  # type: ignore[arg-type]
    data = QueuedMessage("/nowhere", 0, len(message), False, message)
    return Job("0123456789ABC", envelope, envelope.recipients, (0,), data, 1, False, NOW)


async def told(given: Job, *reports: Report, hostname: str = "mail.example.test") -> list[FollowUp]:
    threads = Threads("dsn-test", 1)
    try:
        notifier = DeliveryNotifier(hostname, threads)
        return list((await notifier.notices(given, reports, NOW + 60)).follow_ups)
    finally:
        threads.close()


def octets(follow_up: FollowUp, message: bytes = MESSAGE) -> bytes:
    body = message if follow_up.body is None else follow_up.body
    return follow_up.head + body + follow_up.tail


def parsed(data: bytes) -> EmailMessage:
    found = cast(EmailMessage, message_from_bytes(data, policy=SMTP))
    assert not [defect for part in found.walk() for defect in part.defects]
    return found


def blocks(found: EmailMessage) -> list[Message]:
    part = list(found.iter_parts())[1]
    return cast("list[Message]", part.get_payload())


async def test_a_failure() -> None:
    (follow_up,) = await told(job(envid="id+3D1"), report())
    assert follow_up.envelope.sender == ""
    assert [each.address for each in follow_up.envelope.recipients] == ["alice@example.test"]
    found = parsed(octets(follow_up))
    assert found["To"] == "alice@example.test" and found["Auto-Submitted"] == "auto-replied"
    assert found["Subject"] == "Not delivered: Grüße"
    assert found["In-Reply-To"] == "<1@example.test>"
    assert found.get_content_type() == "multipart/report"
    assert found.get_param("report-type") == "delivery-status"
    text, _, original = found.iter_parts()
    words = " ".join(cast(EmailMessage, text).get_content().split())
    assert "could not be delivered to" in words and "There is no such address at far.test" in words
    assert "550 5.1.1 <bob@far.test>: no such user" in words and "Check how the address" in words
    about, of_bob = blocks(found)
    assert about["Reporting-MTA"] == "dns; mail.example.test"
    assert about["Original-Envelope-Id"] == "id=1"
    assert of_bob["Original-Recipient"] == "rfc822; bob@far.test"
    assert of_bob["Final-Recipient"] == "rfc822; bob@far.test"
    assert (of_bob["Action"], of_bob["Status"]) == ("failed", "5.1.1")
    assert of_bob["Remote-MTA"] == "dns; mx.far.test"
    assert of_bob["Diagnostic-Code"].startswith("smtp; 550 5.1.1")
    assert original.get_content_type() == "message/rfc822"
    assert MESSAGE in octets(follow_up)


@pytest.mark.parametrize(
    ("ret", "size", "whole"),
    [("FULL", 1 << 20, True), ("HDRS", 10, False), ("", 10, True), ("", 1 << 20, False)],
)
async def test_ret(ret: str, size: int, whole: bool) -> None:
    message = MESSAGE + b"x" * 70 + b"\r\n" + b"y" * size
    (follow_up,) = await told(job(ret=ret, message=message), report())
    data = octets(follow_up, message)
    found = parsed(data)
    kind = list(found.iter_parts())[2].get_content_type()
    assert kind == ("message/rfc822" if whole else "text/rfc822-headers")
    assert (message in data) is whole and b"Message-ID: <1@example.test>" in data


async def test_a_message_that_came_with_a_wish_for_tls_is_not_returned_whole() -> None:
    (follow_up,) = await told(job(ret="FULL", require_tls=True), report())
    assert follow_up.envelope.require_tls and b"Hello." not in octets(follow_up)


async def test_delays_and_successes_have_notices_of_their_own() -> None:
    found = await told(
        job(ret="FULL"),
        report("a@far.test"),
        replace(report("b@far.test", "delayed", "4.4.1"), until=NOW + 86_400),
        report("c@far.test", "relayed", "2.0.0"),
        report("d@far.test"),
    )
    assert len(found) == 3
    failed, delayed, passed = (parsed(octets(each)) for each in found)
    assert [block["Action"] for block in blocks(failed)[1:]] == ["failed", "failed"]
    (waiting,) = blocks(delayed)[1:]
    assert waiting["Action"] == "delayed" and waiting["Will-Retry-Until"]
    assert delayed["Subject"] == "Not delivered yet: Grüße"
    assert blocks(passed)[1]["Action"] == "relayed"
    # Only a failure returns more than the header (RFC 3461 §4.3).
    assert b"Hello." not in octets(found[1]) + octets(found[2])


async def test_a_host_without_a_whole_name_says_so() -> None:
    """RFC 3461 §6.3 (b)."""
    (follow_up,) = await told(job(), report(), hostname="laptop")
    assert blocks(parsed(octets(follow_up)))[0]["Reporting-MTA"] == "x-local-hostname; laptop"


async def test_what_has_gone_late_is_not_said_to_wait() -> None:
    late = replace(
        report("b@far.test", "delayed", "4.4.7"), text="too late; then: Ok", contact=None
    )
    (relayed,) = await told(job(), report("b@far.test", "delayed", "4.4.7"))
    # Of what was relayed, the other host's reply has to be there (RFC 3461 §6.3).
    assert blocks(parsed(octets(relayed)))[1]["Diagnostic-Code"].startswith("smtp; ")
    waits = replace(report("c@far.test", "delayed", "4.4.1"), until=NOW + 86_400)
    (alone,) = [parsed(octets(each)) for each in await told(job(), late)]
    assert alone["Subject"] == "Late: Grüße"
    words = " ".join(next(alone.iter_parts()).get_content().split())
    assert "was not delivered in the time that you set" in words and "too late; then: Ok" in words
    assert "tried until" not in words
    (block,) = blocks(alone)[1:]
    assert block["Action"] == "delayed" and not block["Will-Retry-Until"]
    (both,) = [parsed(octets(each)) for each in await told(job(), late, waits)]
    assert both["Subject"] == "Not delivered yet: Grüße"
    words = " ".join(next(both.iter_parts()).get_content().split())
    assert words.index("<c@far.test>") < words.index("tried until") < words.index("<b@far.test>")


async def test_the_null_sender_is_not_told_but_postmaster_once() -> None:
    (follow_up,) = await told(job(sender=""), report())
    assert [each.address for each in follow_up.envelope.recipients] == ["postmaster"]
    assert follow_up.envelope.sender == ""
    threads = Threads("dsn-test", 1)
    try:
        notifier = DeliveryNotifier("mail.example.test", threads)
        kept = await notifier.notices(job(sender=""), [report("postmaster")], NOW)
        late = await notifier.notices(job(sender=""), [report(action="delayed")], NOW)
    finally:
        threads.close()
    assert kept.kept and not kept.follow_ups
    assert not late.kept and not late.follow_ups


async def test_the_header_comes_from_the_file_where_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.write_bytes(b"Return-Path: <>\r\n" + MESSAGE)
    given = job(ret="HDRS")
    given = replace(given, message=QueuedMessage(str(path), 17, len(MESSAGE)))
    (follow_up,) = await told(given, report())
    assert MESSAGE[: MESSAGE.index(b"\r\n\r\n")] in follow_up.head
    assert b"Return-Path" not in follow_up.head


async def test_other_letters_take_the_forms_of_rfc_6533() -> None:
    sender = "jörg@example.test"
    (follow_up,) = await told(job(sender=sender, smtputf8=True), report("用户@far.test"))
    assert follow_up.envelope.smtputf8 and follow_up.envelope.body == "8BITMIME"
    data = octets(follow_up)
    assert b"report-type=global-delivery-status" in data
    assert b"Content-Type: message/global-delivery-status" in data
    assert "Final-Recipient: utf-8; 用户@far.test".encode() in data
    assert b"Content-Type: message/global\r\n" in data


async def test_a_message_with_8_bit_octets_says_so_whatever_its_envelope_said(
    tmp_path: Path,
) -> None:
    high = MESSAGE + b"x" * 70_000 + b"\xe9\r\n"
    path = tmp_path / "spool"
    path.write_bytes(high)
    filed = replace(job(ret="FULL"), message=QueuedMessage(str(path), 0, len(high)))
    for each in (job(message=high, ret="FULL"), filed):
        (follow_up,) = await told(each, report())
        assert follow_up.body is None and follow_up.envelope.body == "8BITMIME"
        head, _, part = octets(follow_up, high).partition(b"\r\n\r\n")
        assert b"\r\nContent-Transfer-Encoding: 8bit" in head
        assert b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n" in part
    # An ASCII one goes to any host as it is, though it was announced as 8BITMIME.
    (follow_up,) = await told(job(body="8BITMIME", ret="FULL"), report())
    assert follow_up.envelope.body == "7BIT" and b": 8bit" not in octets(follow_up)


async def test_a_message_with_other_letters_in_its_header_comes_back_to_any_host() -> None:
    """As message/rfc822 it could not be encoded for a host without 8BITMIME (RFC 2045 §6.4)."""
    message = (
        MESSAGE.replace(b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße".encode()) + "Grüße\r\n".encode()
    )
    (follow_up,) = await told(job(message=message, ret="FULL"), report())
    assert not follow_up.envelope.smtputf8, "no address needs it"
    data = octets(follow_up, message)
    conversion = downgrade(data, NextHop())
    assert conversion is not None and conversion.body == "7BIT"
    made = b"".join(conversion.pieces(data))
    assert made.isascii()
    returned = list(parsed(made).iter_parts())[2]
    assert returned.get_content_type() == "message/global"
    encoded = made.partition(b"Content-Type: message/global\r\n")[2]
    fields, _, body = encoded.partition(b"\r\n\r\n")
    body = body.partition(b"\r\n--report-")[0]
    decode = a2b_base64 if b": base64" in fields else a2b_qp
    assert decode(body) == message


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        (b"=?utf-8?q?a=00b=1B[31m?=", "a b [31m"),
        (b"=?utf-7?q?a+2AA-?=", "a\ufffd"),
        (b"=?utf-8?q?=3D=3Fx=3Fq=3Fy=3F=3D?=", "=?x?q?y?="),
        (b"=?utf-8?q?=0D=0ATo:_x?=", "To: x"),
    ],
)
async def test_a_subject_that_should_not_be(subject: bytes, shown: str) -> None:
    message = MESSAGE.replace(b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", subject)
    (follow_up,) = await told(job(message=message), report())
    assert not {0, 0x1B} & set(follow_up.head)
    found = parsed(octets(follow_up, message))
    assert found["subject"] == f"Not delivered: {shown}"
    assert f'Your message "{shown}" could' in next(found.iter_parts()).get_content()


async def test_by_when_it_was_to_be_delivered() -> None:
    by = DeliverBy(NOW + 600, "R", False)
    (follow_up,) = await told(job(deliver_by=by), report("b@far.test"))
    fields = octets(follow_up).partition(b"Reporting-MTA:")[2].partition(b"\r\n\r\n")[0]
    assert b"\r\nDeliver-By-Date: " + format_date(NOW + 600) in fields
    (follow_up,) = await told(job(), report("b@far.test"))
    assert b"Deliver-By-Date" not in octets(follow_up)


@pytest.mark.parametrize(
    ("address", "literal"), [("192.0.2.7", "[192.0.2.7]"), ("2001:db8::7", "[IPv6:2001:db8::7]")]
)
async def test_of_every_attempt_to_relay_the_host_and_its_words(address: str, literal: str) -> None:
    """RFC 3461 §6.3 (h), (i), also where it was taken over; without a name, by its address."""
    met = Contact("", address, "250 2.0.0 taken")
    done = Report(Recipient("b@far.test", ("SUCCESS",)), "relayed", "2.0.0", "ok", met)
    (follow_up,) = await told(job(priority=4), done)
    _, about = blocks(parsed(octets(follow_up)))
    assert about["Remote-MTA"] == f"dns; {literal}"
    assert about["Diagnostic-Code"] == "smtp; 250 2.0.0 taken"
    # RFC 6710 §4.6
    assert follow_up.envelope.priority == 4


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("b@far.test", "utf-8; j\\x{F6}rg@far.test"),
        ("jürg@far.test", "utf-8; jörg@far.test"),
    ],
)
async def test_an_original_recipient_with_other_letters(address: str, field: str) -> None:
    """RFC 6533 §3: as letters where the fields may have them, else written out."""
    for orcpt in ("utf-8;j\\x{F6}rg@far.test", "utf-8;jörg@far.test"):
        one = Report(Recipient(address, orcpt=orcpt), "failed", "5.1.1", "no", REPLY)
        (follow_up,) = await told(job(), one)
        assert f"\r\nOriginal-Recipient: {field}\r\n".encode() in octets(follow_up)


@pytest.mark.parametrize("asked", ["for;3600", "until;2030-01-31T08:00:00Z"])
async def test_how_long_it_was_to_be_held(asked: str) -> None:
    """RFC 4865 §5.1.2: with Arrival-Date, as it was asked for."""
    (follow_up,) = await told(job(hold_until=NOW + 3600, hold=asked), report("b@far.test"))
    fields = octets(follow_up).partition(b"Reporting-MTA:")[2].partition(b"\r\n\r\n")[0]
    assert f"\r\nFuture-Release-Request: {asked}\r\n".encode() in fields
    assert b"\r\nArrival-Date: " in fields


texts = st.text(max_size=200)


@given(reply=texts, text=texts, subject=texts, header=st.binary(max_size=300), status=texts)
def test_whatever_peers_and_messages_say(
    reply: str, text: str, subject: str, header: bytes, status: str
) -> None:
    """Invariant: lines of at most 998 octets that end in CRLF, three parts, ASCII where 7bit."""
    clean = header.replace(b"\r", b"").replace(b"\n", b"\r\n")
    made = Report(
        Recipient("b@far.test"), "failed", "5.0.0", text, Contact("h", "a", reply.strip())
    )
    notice = Notice(
        hostname="mail.example.test",
        to="a@example.test",
        queue_id="0123456789ABC",
        id="1",
        boundary="report-0123456789abcdef",
        envelope=Envelope("a@example.test", (Recipient("b@far.test"),)),
        received_at=NOW,
        now=NOW,
        reports=[made],
        header=clean,
        subject=subject,
        message_id="",
        full=False,
    )
    data = b"".join(compose(notice))
    own = data.replace(clean.rstrip(b"\r\n"), b"") if clean.strip() else data
    assert b"\n" not in own.replace(b"\r\n", b"") and b"\r" not in own.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in own.split(b"\r\n"))
    assert data.count(b"--report-0123456789abcdef") == 4
    if not notice.eight_bit:
        assert data.isascii()
    control = set(range(0x20)) - set(b"\r\n") | {0x7F}
    assert not control & set(own)  # what a terminal might act on (RFC 5322 §5), and NUL
    head = own.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 76 for line in head.split(b"\r\n") if b"=?" in line)  # RFC 2047 §2
    happened, advice = explain(status, "b@far.test")
    assert happened and advice and "{" not in happened + advice


async def test_the_sender_of_collected_mail_is_told_nothing() -> None:
    """Who wrote to a mailbox elsewhere knows nothing of this server: postmaster is told."""
    assert await told(job(collected="f123"), report(action="delayed")) == []
    (notice,) = await told(job(collected="f123"), report())
    assert [each.address for each in notice.envelope.recipients] == ["postmaster"]
    assert parsed(octets(notice))["to"] == "postmaster@mail.example.test"

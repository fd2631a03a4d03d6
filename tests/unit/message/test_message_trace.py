"""Trace fields, and the repair of what clients submit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import (
    count_received,
    delivered_to,
    fields,
    protocol,
    received,
    repair_submission,
)

NOW = 1795424400.0
DATE = b"Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
ID = b"Message-ID: <unique@mx.test>\r\n"


def repair(block: bytes, unique: str = "unique") -> bytes:
    return repair_submission(block, now=NOW, hostname="mx.test", message_id=lambda: unique)


def test_nothing_missing_nothing_changed() -> None:
    block = b"dAte : x\r\nX-y:\t \r\n z\r\nMESSAGE-ID:<a@b>\r\nBcc-Not: x\r\ngarbage\r\n\r\n"
    assert repair(block) == block


def test_what_is_missing_is_added() -> None:
    assert repair(b"From: a\r\n\r\n") == DATE + b"From: a\r\n" + ID + b"\r\n"
    assert repair(b"From: a\r\n") == DATE + b"From: a\r\n" + ID
    assert repair(b"From: a") == DATE + b"From: a\r\n" + ID
    assert repair(b"Date: x\r\n\r\n") == b"Date: x\r\n" + ID + b"\r\n"
    assert repair(b"Message-Id: x\r\n\r\n") == DATE + b"Message-Id: x\r\n\r\n"
    assert repair(b"\r\nbody") == DATE + ID + b"\r\nbody"
    assert repair(b"") == DATE + ID
    assert repair(b"A: Date: x\r\n Message-ID: y\r\n\r\n").startswith(DATE)
    assert repair(b"Date: x\r\n\r\n", "<own@id>") == b"Date: x\r\nMessage-ID: <own@id>\r\n\r\n"


def test_date_comes_after_trace_fields() -> None:
    trace = b"Return-Path: <a@b>\r\nReceived: x\r\n\ty;\r\n z\r\nReceived: w\r\n"
    assert repair(trace + b"From: a\r\n\r\n") == trace + DATE + b"From: a\r\n" + ID + b"\r\n"


@pytest.mark.parametrize(
    "bcc",
    [
        b"Bcc: a@b\r\n",
        b"BCC : a@b,\r\n c@d,\r\n\te@f\r\n",
        b"bcc:\r\n",
        b"Resent-Bcc: a@b\r\n",
        b"Bcc: a@b\r\nBcc: c@d\r\n",
        b"Bcc: a\r\n \r\n b\r\n",
    ],
)
@pytest.mark.parametrize("before", [b"", b"To: x\r\n", b"To: x\r\n y\r\n", b"garbage\r\nTo: x\r\n"])
@pytest.mark.parametrize("after", [b"", b"Subject: Bcc: y\r\n", b"X: y\r\n Bcc: z\r\n"])
def test_bcc_goes_whole(bcc: bytes, before: bytes, after: bytes) -> None:
    rest = b"Date: x\r\nMessage-ID: <a@b>\r\n"
    found = repair(before + bcc + rest + after + b"\r\n")
    assert found == before + rest + after + b"\r\n"


def test_bcc_in_the_last_place() -> None:
    rest = b"Date: x\r\nMessage-ID: <a@b>\r\n"
    assert repair(rest + b"Bcc: a@b") == rest
    assert repair(b"Bcc: a@b\r\n\r\nBcc: body") == DATE + ID + b"\r\nBcc: body"


def test_a_body_without_header_is_put_below_one() -> None:
    assert repair(b"Hello there\r\n") == DATE + ID + b"\r\nHello there\r\n"
    assert repair(b"Hello\r\n\r\nA: b\r\n") == DATE + ID + b"\r\nHello\r\n\r\nA: b\r\n"


header_pieces = st.lists(
    st.sampled_from(
        [b"Bcc: a\r\n", b"resent-bcc : b\r\n", b" fold\r\n", b"To: c\r\n", b"garbage\r\n",
         b"Date: d\r\n", b"Message-ID: e\r\n", b"Received: f\r\n", b"\tBcc: g\r\n"]
    ),
    max_size=12,
).map(b"".join)  # fmt: skip


@given(header_pieces)
def test_repair_touches_nothing_else(head: bytes) -> None:
    """Fields other than Bcc keep octets and order; there is a Date, a Message-ID and no Bcc."""
    found = fields(repair(head + b"\r\n"))
    names = [field.key for field in found]
    assert "bcc" not in names and "resent-bcc" not in names
    assert "date" in names and "message-id" in names
    before = fields(head)
    if any(field.name for field in before):
        kept = [field.raw for field in before if field.key not in ("bcc", "resent-bcc")]
        assert [field.raw for field in found if field.raw not in (DATE, ID)] == kept


def test_loop_helpers() -> None:
    block = (
        b"Delivered-To: a@b\r\nReceived: x\r\n Received: not\r\nRECEIVED : y\r\n"
        b"delivered-to:\r\n  c@d \r\nX-Received: z\r\n\r\nReceived: body\r\nDelivered-To: body\r\n"
    )
    assert count_received(block) == 2
    assert delivered_to(block) == ["a@b", "c@d"]
    assert count_received(b"") == 0
    assert delivered_to(b"") == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((False, False, False, False, False), "SMTP"),
        ((True, False, False, False, False), "ESMTP"),
        ((True, True, False, False, False), "ESMTPS"),
        ((True, False, True, False, False), "ESMTPA"),
        ((True, True, True, False, False), "ESMTPSA"),
        ((True, True, True, True, False), "UTF8SMTPSA"),
        ((True, False, False, True, False), "UTF8SMTP"),
        ((True, True, False, False, True), "LMTPS"),
        ((True, False, False, True, True), "UTF8LMTP"),
    ],
)
def test_protocol(arguments: tuple[bool, ...], expected: str) -> None:
    extended, tls, authenticated, utf8, lmtp = arguments
    found = protocol(extended=extended, tls=tls, authenticated=authenticated, utf8=utf8, lmtp=lmtp)
    assert found == expected


def test_received() -> None:
    found = received(
        helo="client.test",
        peer="192.0.2.1",
        rdns="host.test",
        by="mx.test",
        protocol="ESMTPS",
        queue_id="Q1",
        recipient="a@b.test",
        cipher="TLS_AES_256_GCM_SHA384",
        epoch=NOW,
    )
    assert b" ".join(found.split()) == (
        b"Received: from client.test (host.test [192.0.2.1]) by mx.test with ESMTPS id Q1 "
        b"for <a@b.test> tls TLS_AES_256_GCM_SHA384; Mon, 23 Nov 2026 09:00:00 +0000"
    )
    assert [field.name for field in fields(found)] == ["Received"]
    assert all(len(line) <= 78 for line in found.split(b"\r\n"))
    assert found.endswith(b"\r\n")


@pytest.mark.parametrize(
    ("helo", "peer", "expected"),
    [
        ("[192.0.2.9]", "192.0.2.1", b"from [192.0.2.9] ([192.0.2.1]) by"),
        ("x", "2001:db8::1", b"from x ([IPv6:2001:db8::1]) by"),
        ("x", "::ffff:192.0.2.1", b"from x ([192.0.2.1]) by"),
        ("x", "fe80::1%eth0", b"from x ([IPv6:fe80::1]) by"),
        ("", "192.0.2.1", b"from [192.0.2.1] ([192.0.2.1]) by"),
        ("a b\r\nX: y", "192.0.2.1", b"from [192.0.2.1] ([192.0.2.1]) by"),
        ("bad_name", "192.0.2.1", b"from [192.0.2.1] ([192.0.2.1]) by"),
        ("x", "", b"from x by"),
        ("", "", b"from localhost by"),
    ],
)
def test_received_from(helo: str, peer: str, expected: bytes) -> None:
    found = received(helo=helo, peer=peer, by="mx.test", protocol="ESMTP", queue_id="Q1", epoch=NOW)
    assert expected in b" ".join(found.split())
    assert b" for " not in found

"""Trace fields, and the repair of what clients submit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import (
    Submitter,
    count_received,
    delivered_to,
    fields,
    protocol,
    received,
    repair_submission,
    without_return_path,
)

NOW = 1795424400.0
DATE = b"Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
ID = b"Message-ID: <unique@mx.test>\r\n"


def repair(block: bytes, unique: str = "unique") -> bytes:
    return repair_submission(block, now=NOW, hostname="mx.test", message_id=lambda: unique)


def test_nothing_missing_nothing_changed() -> None:
    block = (
        b"dAte : 1 Jan 26 00:00 UT\r\nX-y:\t \r\n z\r\nMESSAGE-ID:<a@b>\r\nBcc-Not: x\r\n"
        b"garbage\r\n\r\n"
    )
    assert repair(block) == block


def test_what_is_missing_is_added() -> None:
    assert repair(b"From: a\r\n\r\n") == DATE + b"From: a\r\n" + ID + b"\r\n"
    assert repair(b"From: a\r\n") == DATE + b"From: a\r\n" + ID
    assert repair(b"From: a") == DATE + b"From: a\r\n" + ID
    assert (
        repair(b"Date: 1 Jan 26 00:00 UT\r\n\r\n") == b"Date: 1 Jan 26 00:00 UT\r\n" + ID + b"\r\n"
    )
    assert repair(b"Message-Id: <x@y>\r\n\r\n") == DATE + b"Message-Id: <x@y>\r\n\r\n"
    assert repair(b"\r\nbody") == DATE + ID + b"\r\nbody"
    assert repair(b"") == DATE + ID
    assert repair(b"A: Date: x\r\n Message-ID: y\r\n\r\n").startswith(DATE)
    assert (
        repair(b"Date: 1 Jan 26 00:00 UT\r\n\r\n", "<own@id>")
        == b"Date: 1 Jan 26 00:00 UT\r\nMessage-ID: <own@id>\r\n\r\n"
    )


def test_date_comes_after_trace_fields() -> None:
    trace = b"Received: x\r\n\ty;\r\n z\r\nReceived: w\r\n"
    assert repair(trace + b"From: a\r\n\r\n") == trace + DATE + b"From: a\r\n" + ID + b"\r\n"


def test_the_return_path_is_not_the_senders_to_write() -> None:
    """RFC 5321 §4.4."""
    rest = b"Date: 1 Jan 26 00:00 UT\r\nMessage-ID: <a@b>\r\n"
    assert repair(b"Return-Path: <a@b>\r\n" + rest + b"return-path:\r\n <>\r\n") == rest


@pytest.mark.parametrize(
    ("given", "date"),
    [
        (b"yesterday", DATE),
        (b"", DATE),
        (b"31 Feb 2026 10:00 +0000", DATE),
        (b"2026-01-31T08:00:00+02:30", b"Date: Sat, 31 Jan 2026 08:00:00 +0230\r\n"),
        (b"Sat Jan 31 08:00:00 2026", b"Date: Sat, 31 Jan 2026 08:00:00 +0000\r\n"),
        (b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", None),
        (b"31 Jan 26 08:00 EST", None),
        (b"\r\n Sat, 31 Jan 2026 08:00:00 +0100 (CET)", None),
    ],
)
def test_a_date_that_is_none(given: bytes, date: bytes | None) -> None:
    """RFC 6409 §8.2: the moment is kept where it can be read."""
    block = b"Subject: s\r\nDate:" + given + b"\r\nMessage-ID: <a@b>\r\n"
    wanted = block if date is None else b"Subject: s\r\n" + date + b"Message-ID: <a@b>\r\n"
    assert repair(block) == wanted


@pytest.mark.parametrize("given", [b"none", b"", b" <>", b" <a>", b" <a@>", b" <@b>", b" a@b"])
def test_a_message_id_that_is_none(given: bytes) -> None:
    """RFC 6409 §8.3."""
    rest = b"Date: 1 Jan 26 00:00 UT\r\n"
    assert repair(b"Message-ID:" + given + b"\r\n" + rest) == ID + rest
    good = b"Message-ID: (c)\r\n <a..b@[x:1]>\r\n" + rest
    assert repair(good) == good


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
    rest = b"Date: 1 Jan 26 00:00 UT\r\nMessage-ID: <a@b>\r\n"
    found = repair(before + bcc + rest + after + b"\r\n")
    assert found == before + rest + after + b"\r\n"


def test_bcc_in_the_last_place() -> None:
    rest = b"Date: 1 Jan 26 00:00 UT\r\nMessage-ID: <a@b>\r\n"
    assert repair(rest + b"Bcc: a@b") == rest
    assert repair(b"Bcc: a@b\r\n\r\nBcc: body") == DATE + ID + b"\r\nBcc: body"


def test_a_body_without_header_is_put_below_one() -> None:
    assert repair(b"Hello there\r\n") == DATE + ID + b"\r\nHello there\r\n"
    assert repair(b"Hello\r\n\r\nA: b\r\n") == DATE + ID + b"\r\nHello\r\n\r\nA: b\r\n"


header_pieces = st.lists(
    st.sampled_from(
        [b"Bcc: a\r\n", b"resent-bcc : b\r\n", b" fold\r\n", b"To: c\r\n", b"garbage\r\n",
         b"Date: 1 Jan 26 00:00 UT\r\n",
         b"Message-ID: <e@f>\r\n", b"Received: f\r\n", b"\tBcc: g\r\n"]
    ),
    max_size=12,
).map(b"".join)  # fmt: skip


@given(header_pieces)
def test_repair_touches_nothing_else(head: bytes) -> None:
    """Other fields keep octets and order; there is a Date, a Message-ID and no Bcc."""
    found = fields(repair(head + b"\r\n"))
    names = [field.key for field in found]
    assert "bcc" not in names and "resent-bcc" not in names
    assert "date" in names and "message-id" in names
    before = fields(head)
    if any(field.name for field in before):
        changed = ("bcc", "resent-bcc", "date", "message-id")
        kept = [field.raw for field in before if field.key not in changed]
        assert [field.raw for field in found if field.key not in changed] == kept


@given(header_pieces, st.booleans())
def test_repair_for_a_submitter_touches_nothing_else(head: bytes, apparently: bool) -> None:
    """All other fields keep octets and order; one that is not the author is named as Sender."""
    found = fields(of_alice(head + b"\r\n", apparently=apparently))
    changed = ("bcc", "resent-bcc", "sender", "to", "from", "apparently-from", "apparently-to")
    before = [field.raw for field in fields(head) if field.name and field.key not in changed]
    after = [field.raw for field in found if field.key not in changed]
    assert [raw for raw in after if raw in before] == before
    assert len(after) <= len(before) + 2 + head.count(b"\n")
    keys = [field.key for field in found]
    resent = any(key.startswith("resent-") for key in keys)
    assert resent or {"from", "apparently-from"} & set(keys)
    assert resent or {"to", "cc", "apparently-to"} & set(keys)


# -- who submits it ------------------------------------------------------------------------------


def of_alice(block: bytes, *recipients: str, apparently: bool = False) -> bytes:
    return repair_submission(
        b"Date: 1 Jan 26 00:00 UT\r\nMessage-ID: <x@y>\r\n" + block,
        now=NOW,
        hostname="mx.test",
        message_id=lambda: "unique",
        submitter=Submitter(
            "alice@x.test",
            {"alice@x.test", "sales@x.test"}.__contains__,
            recipients or ("bob@x.test",),
            apparently,
        ),
    ).removeprefix(b"Date: 1 Jan 26 00:00 UT\r\n")


def test_a_sender_is_added_where_from_is_somebody_else() -> None:
    mine = b"Message-ID: <x@y>\r\nFrom: Alice <alice@x.test>\r\nTo: b@x.test\r\n"
    assert of_alice(mine).endswith(mine)
    block = b"From: The Boss <boss@x.test>\r\nTo: b@x.test\r\nSubject: s\r\nX-A: b\r\n"
    assert of_alice(block) == (
        b"Message-ID: <x@y>\r\nFrom: The Boss <boss@x.test>\r\nTo: b@x.test\r\nSubject: s\r\n"
        b"Sender: alice@x.test\r\nX-A: b\r\n"
    )


@pytest.mark.parametrize(
    ("block", "senders"),
    [
        (b"From: sales@x.test\r\n", []),
        (b"From: boss@x.test\r\nSender: Sales <sales@x.test>\r\n", [b"Sales <sales@x.test>"]),
        (b"From: boss@x.test\r\nSender: boss@x.test\r\n", [b"alice@x.test"]),
        (b"From: alice@x.test\r\nSender: boss@x.test\r\n", []),
        # RFC 5322 §3.6.2: several authors need a sender
        (b"From: boss@x.test, sales@x.test\r\n", [b"sales@x.test"]),
        (b"From: boss@x.test, cfo@x.test\r\n", [b"alice@x.test"]),
        (b"From: alice@x.test\r\nFrom: boss@x.test\r\n", [b"alice@x.test"]),
        (b"From: \r\n", [b"alice@x.test"]),
        # A resent message keeps its author
        (b"From: boss@x.test\r\nResent-From: alice@x.test\r\n", []),
    ],
)
def test_from_and_sender_agree(block: bytes, senders: list[bytes]) -> None:
    found = fields(of_alice(block + b"To: b@x.test\r\n"))
    assert [field.unfolded for field in found if field.key == "sender"] == senders


@pytest.mark.parametrize(
    ("resent", "added"),
    [
        (b"Resent-Date: x\r\nResent-From: alice@x.test\r\n", b""),
        (b"Resent-From: alice@x.test\r\n", b"date"),
        (b"Resent-To: b@x.test\r\n", b"from date"),
        (b"Resent-Date: x\r\nResent-From: boss@x.test\r\n", b"sender"),
        (b"Resent-From: boss@x.test\r\nResent-Sender: sales@x.test\r\n", b"date"),
        (b"Resent-From: boss@x.test\r\nResent-Date: x\r\nResent-From: alice@x.test\r\n", b"sender"),
    ],
)
def test_what_is_resent_says_by_whom_and_when(resent: bytes, added: bytes) -> None:
    """RFC 5322 §3.6.6: in front of the other fields of the set."""
    lines = {
        b"date": b"Resent-" + DATE,
        b"from": b"Resent-From: alice@x.test\r\n",
        b"sender": b"Resent-Sender: alice@x.test\r\n",
    }
    head, rest = b"Message-ID: <x@y>\r\n", b"From: boss@x.test\r\n"
    found = of_alice(resent + rest)
    assert found == head + b"".join(lines[word] for word in added.split()) + resent + rest


def test_a_missing_from_and_to() -> None:
    assert of_alice(b"Subject: s\r\n\r\n") == (
        b"From: alice@x.test\r\nMessage-ID: <x@y>\r\nSubject: s\r\n"
        b"To: undisclosed-recipients:;\r\n\r\n"
    )
    for name in (b"To", b"Cc"):
        assert b"undisclosed" not in of_alice(name + b": b@x.test\r\n")


def test_fields_of_old() -> None:
    assert of_alice(b"Subject: s\r\n", "bob@x.test", apparently=True).endswith(
        b"Subject: s\r\nApparently-From: alice@x.test\r\nApparently-To: bob@x.test\r\n"
    )


@pytest.mark.parametrize(
    ("block", "recipients"),
    [(b"", ["a@x.test", "b@x.test"]), (b"Bcc: a@x.test\r\n", ["a@x.test"])],
)
def test_no_bcc_recipient_is_told(block: bytes, recipients: list[str]) -> None:
    found = of_alice(b"From: alice@x.test\r\n" + block, *recipients, apparently=True)
    assert b"To: undisclosed-recipients:;\r\n" in found
    assert b"a@x.test" not in found


def test_overlong_header_lines_are_folded() -> None:
    block = b"From: alice@x.test\r\nTo: " + b"b@x.test, " * 200 + b"b@x.test\r\n"
    found = of_alice(block)
    assert max(map(len, found.split(b"\r\n"))) <= 998
    assert found.replace(b"\r\n ", b" ").endswith(block)


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


def received_for(recipient: str) -> bytes:
    return received(
        helo="c.example",
        peer="192.0.2.1",
        by="mail.example.org",
        protocol="ESMTPSA",
        queue_id="0123456789ABC",
        recipient=recipient,
        cipher="TLS_AES_256_GCM_SHA384",
        priority=3,
        epoch=NOW,
    )


@pytest.mark.parametrize("name", range(1, 40))
def test_lines_of_received_are_short(name: int) -> None:
    """78 characters with their indent (RFC 5322 §2.1.1), whatever falls into one line."""
    field = received_for("b" * name + "@example.org")
    assert max(map(len, field.split(b"\r\n"))) <= 78


def test_the_for_clause_is_a_path() -> None:
    assert b" for " not in received_for("postmaster")


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


@pytest.mark.parametrize(
    ("block", "left"),
    [
        (
            b"Return-Path: <a@b>\r\nA: 1\r\n\r\nReturn-Path: stays\r\n",
            b"A: 1\r\n\r\nReturn-Path: stays\r\n",
        ),
        (
            b"A: 1\r\nRETURN-path :\r\n <a@b>\r\n\t\r\nB: 2\r\nreturn-path:\r\n\r\n",
            b"A: 1\r\nB: 2\r\n\r\n",
        ),
        (b"X-Return-Path: <a@b>\r\nA: Return-Path: x\r\n return-path: y\r\n", None),
        (b"Return-Path: <a@b>\r\n", b""),
        (b"", None),
        (b"\r\nReturn-Path: <a@b>\r\n", None),
    ],
)
def test_without_return_path(block: bytes, left: bytes | None) -> None:
    assert without_return_path(block) == (block if left is None else left)


def test_a_zone_is_told_by_its_offset() -> None:
    """RFC 5321 §4.4, RFC 5322 §3.3: local time."""
    block = repair_submission(b"", now=NOW, hostname="mx.test", message_id=lambda: "i", zone=330)
    assert block.startswith(b"Date: Mon, 23 Nov 2026 14:30:00 +0530\r\n")
    field = received(
        helo="c.test",
        peer="192.0.2.1",
        by="mx.test",
        protocol="SMTP",
        queue_id="Q",
        epoch=NOW,
        zone=-210,
    )
    assert field.endswith(b"Mon, 23 Nov 2026 05:30:00 -0330\r\n")

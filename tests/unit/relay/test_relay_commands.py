"""MAIL and RCPT lines: only what is offered, nothing that could be another command."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.mail import DeliverBy, Envelope, Recipient
from mailsuite.message.traits import Traits
from mailsuite.relay.commands import Unfit, mail_line, rcpt_line, watches_for_us
from mailsuite.relay.offers import NOTHING, Offers

KEYWORDS = "SIZE 8BITMIME SMTPUTF8 DSN CHUNKING BINARYMIME REQUIRETLS MT-PRIORITY DELIVERBY"
ALL = Offers(dict.fromkeys(KEYWORDS.split(), ""))
FULL = Envelope(
    "s@x.test",
    (Recipient("r@y.test", ("SUCCESS", "DELAY"), "rfc822;R@y.test"),),
    ret="HDRS",
    envid="id+2Bx",
    require_tls=True,
    deliver_by=DeliverBy(1100.5, "N", True),
    priority=-3,
)
PLAIN = Traits(100)


def mail(envelope: Envelope, offers: Offers, traits: Traits = PLAIN, utf8: bool = False) -> str:
    return mail_line(envelope, offers, traits, utf8=utf8, now=1000.0).decode()


def test_all_that_is_offered() -> None:
    assert mail(FULL, ALL) == (
        "MAIL FROM:<s@x.test> SIZE=100 RET=HDRS ENVID=id+2Bx REQUIRETLS MT-PRIORITY=-3"
        " BY=100;NT\r\n"
    )
    assert rcpt_line(FULL.recipients[0], ALL) == (
        b"RCPT TO:<r@y.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;R@y.test\r\n"
    )


def test_nobody_says_who_has_written_it() -> None:
    """RFC 4954 §5: AUTH=<> to whom we have signed in to."""
    line = mail_line(Envelope("s@x", ()), NOTHING, PLAIN, utf8=False, now=0.0, signed_in=True)
    assert line == b"MAIL FROM:<s@x> AUTH=<>\r\n"


def test_letters_of_orcpt_for_who_knows_none() -> None:
    """RFC 6533 §3; RFC 3461 §5.2.1 (d) wants it there."""
    one = Recipient("r@y.test", (), "utf-8;jörg\\x{20}@y.test")
    old = Offers({"DSN": ""})
    assert rcpt_line(one, old) == b"RCPT TO:<r@y.test> ORCPT=utf-8;j\\x{F6}rg\\x{20}@y.test\r\n"
    assert "ORCPT=utf-8;jörg\\x{20}@y.test" in rcpt_line(one, ALL).decode()


@pytest.mark.parametrize(
    ("notify", "asked"),
    [
        ((), "FAILURE,DELAY"),
        (("SUCCESS",), "SUCCESS,DELAY"),
        (("DELAY", "FAILURE"), "DELAY,FAILURE"),
        (("NEVER",), "NEVER"),
    ],
)
def test_who_knows_no_by_tells_of_delays(notify: tuple[str, ...], asked: str) -> None:
    """RFC 2852 §4.1.4.2."""
    line = rcpt_line(Recipient("r@y.test", notify), ALL, delays=True)
    assert line == f"RCPT TO:<r@y.test> NOTIFY={asked}\r\n".encode()
    assert rcpt_line(Recipient("r@y.test"), NOTHING, delays=True) == b"RCPT TO:<r@y.test>\r\n"


def test_when_delays_are_to_be_told_there() -> None:
    late = replace(FULL, deliver_by=DeliverBy(1000.0, "N"))
    back = replace(FULL, deliver_by=DeliverBy(1100.0, "R"))
    assert watches_for_us(FULL, NOTHING, 1000.0)
    assert not watches_for_us(FULL, ALL, 1000.0)
    assert not watches_for_us(late, NOTHING, 1000.0)
    assert not watches_for_us(back, NOTHING, 1000.0)


def test_nothing_that_is_not_offered() -> None:
    envelope = replace(FULL, require_tls=False)
    assert mail(envelope, NOTHING) == "MAIL FROM:<s@x.test>\r\n"
    assert rcpt_line(FULL.recipients[0], NOTHING) == b"RCPT TO:<r@y.test>\r\n"
    assert mail(Envelope("", ()), NOTHING) == "MAIL FROM:<>\r\n"


@pytest.mark.parametrize(
    ("traits", "body"),
    [
        (Traits(9, high=1), "8BITMIME"),
        (Traits(9, odd=1), "BINARYMIME"),
        (Traits(9, long_line=True), "BINARYMIME"),
    ],
)
def test_body(traits: Traits, body: str) -> None:
    assert f" BODY={body} " in mail(Envelope("s@x", ()), ALL, traits)
    assert "BODY" not in mail(Envelope("s@x", ()), NOTHING, traits)


def test_smtputf8() -> None:
    assert mail(Envelope("ä@x", ()), ALL, utf8=True).endswith(
        " SIZE=100 SMTPUTF8 MT-PRIORITY=0\r\n"
    )
    with pytest.raises(Unfit) as error:
        mail(Envelope("ä@x", ()), NOTHING, utf8=True)
    assert error.value.status == "5.6.7"


@pytest.mark.parametrize(
    ("envelope", "offers", "status"),
    [
        (Envelope("s@x", ()), Offers({"SIZE": "99"}), "5.3.4"),
        (Envelope("s@x", (), require_tls=True), NOTHING, "5.7.30"),
        (Envelope("s@x", (), deliver_by=DeliverBy(1200.0, "R")), NOTHING, "5.3.3"),
        (Envelope("s@x", (), deliver_by=DeliverBy(999.0, "R")), ALL, "5.4.7"),
        (
            Envelope("s@x", (), deliver_by=DeliverBy(1010.0, "R")),
            Offers({"DELIVERBY": "60"}),
            "5.4.7",
        ),
        (
            Envelope("s@x", (), deliver_by=DeliverBy(1010.0, "R")),
            Offers({"DELIVERBY": "60,other"}),
            "5.4.7",
        ),
    ],
)
def test_what_the_server_can_not_have(envelope: Envelope, offers: Offers, status: str) -> None:
    with pytest.raises(Unfit) as error:
        mail(envelope, offers)
    assert error.value.status == status


def test_a_bound_that_is_no_number_is_none() -> None:
    assert " SIZE=100" in mail(Envelope("s@x", ()), Offers({"SIZE": "0"}))
    assert " SIZE=100" in mail(Envelope("s@x", ()), Offers({"SIZE": "a lot"}))


texts = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["a@b>\r\nRCPT TO:<c@d", "a b@c", '"a b"@c', '"a\\"> b"@c', "a@b> X=Y", "\udc80@x", "a\0@b"]
)


@given(texts, texts, texts)
def test_a_line_is_one_command(sender: str, recipient: str, orcpt: str) -> None:
    envelope = Envelope(sender, (), envid=orcpt)
    for make in (
        lambda: mail_line(envelope, ALL, PLAIN, utf8=True, now=0.0),
        lambda: rcpt_line(Recipient(recipient, (), orcpt), ALL),
    ):
        try:
            line = make()
        except Unfit as error:
            assert error.status in ("5.1.3", "5.5.4")
            continue
        text = line.decode()
        assert text.endswith("\r\n") and "\r" not in text[:-2] and "\n" not in text[:-2]
        assert "\0" not in text

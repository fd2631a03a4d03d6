"""IMAP URLs: the forms of RFC 5092 and RFC 4467, and anything else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.imapd.syntax.model import Section
from mailsuite.imapd.syntax.url import Access, MessageUrl, parse_url

END = (1 << 63) - 1


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("/INBOX/;UID=20", MessageUrl(20, "INBOX")),
        ("/inbox/;uid=20/;section=1.2", MessageUrl(20, "INBOX", section=Section((1, 2)))),
        (";UID=20/;PARTIAL=5.9", MessageUrl(20, None, partial=(5, 9))),
        ("/a/b;UIDVALIDITY=7/;UID=1", MessageUrl(1, "a/b", uidvalidity=7)),
        ("Work/;UID=1/;PARTIAL=5", MessageUrl(1, "Work", partial=(5, END))),
        ("/%E2%82%AC%20x/;UID=1", MessageUrl(1, "€ x")),
        (
            "/x/;UID=1/;SECTION=HEADER.FIELDS%20(To%20Cc)/;PARTIAL=0.1",
            MessageUrl(1, "x", section=Section((), "HEADER.FIELDS", ("To", "Cc")), partial=(0, 1)),
        ),
        (
            "imap://joe@example.com/INBOX/;uid=20",
            MessageUrl(20, "INBOX", user="joe", host="example.com"),
        ),
        (
            "imap://joe%40x;AUTH=*@[::1]:143/INBOX/;uid=20",
            MessageUrl(20, "INBOX", user="joe@x", host="[::1]"),
        ),
        (
            "imap://;AUTH=*@m%61il.example.com:65535/a@b:c;UIDVALIDITY=3/;uid=20",
            MessageUrl(20, "a@b:c", host="mail.example.com", uidvalidity=3),
        ),
    ],
)
def test_urls(text: str, url: MessageUrl) -> None:
    found = parse_url(text)
    assert found.rump == text
    assert found == MessageUrl(
        url.uid,
        url.mailbox,
        url.user,
        url.host,
        url.uidvalidity,
        url.section,
        url.partial,
        rump=text,
    )


def test_authorized() -> None:
    rump = "imap://joe@example.com/INBOX/;uid=20/;section=1.2;expire=2006-12-31T23:59:59Z;urlauth="
    url = parse_url(rump + "submit+fred:internal:91354A473744909de610943775f92038")
    assert url.access == Access("submit", "fred")
    assert url.expire == 1167609599
    assert url.mechanism == "INTERNAL"
    assert url.token == "91354a473744909de610943775f92038"
    assert url.rump == rump + "submit+fred"
    assert parse_url(rump + "anonymous").access == Access("anonymous")
    assert parse_url(rump + "user+a%40b").access == Access("user", "a@b")
    assert parse_url(rump + "user+a+c%40b").access == Access("user", "a+c@b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/INBOX",
        "/INBOX/;UID=0",
        "/INBOX/;UID=01",
        "/INBOX;UIDVALIDITY=07/;UID=1",
        "/INBOX/;UID=1/;PARTIAL=1.01",
        "/INBOX/;UID=99999999999",
        "/INBOX/;UID=1/;SECTION=",
        "/INBOX/;UID=1/;SECTION=MIME",
        "/INBOX/;UID=1/;PARTIAL=1.0",
        "/INBOX/;UID=1/;PARTIAL=a",
        "/IN%GGBOX/;UID=1",
        "/%FF/;UID=1",
        "/INBOX;UIDVALIDITY=0/;UID=1",
        "/INBOX/;UID=1 ",
        "/INBOX/;UID=1:INTERNAL:abcd",
        "/INBOX/;UID=1;URLAUTH=nobody",
        "/INBOX/;UID=1;EXPIRE=tomorrow;URLAUTH=anonymous",
        "/INBOX/;UID=1;EXPIRE=2006-12-31T23:59:59;URLAUTH=anonymous",
        "http://x/INBOX/;UID=1",
        "imap://x",
        "imap://a@b@c/INBOX/;UID=1",
        "imap://@b/INBOX/;UID=1",
        "imap://a:secret@b/INBOX/;UID=1",
        "imap://b%/INBOX/;UID=1",
        "imap://b%zz.example/INBOX/;UID=1",
        "imap://b:65536/INBOX/;UID=1",
        "imap://a%00@b/INBOX/;UID=1",
        "/IN%00BOX/;UID=1",
        "/IN[BOX/;UID=1",
        "/INBOX;UID=1",
        "/;UID=1",
        "/INBOX/;UID=1/;SECTION=1;URLAUTH=anonymous:INTERNAL:" + 31 * "a",
        "/INBOX/;UID=1;EXPIRE=20061231T235959Z;URLAUTH=anonymous",
        "/" + "x" * 9000 + "/;UID=1",
    ],
)
def test_no_urls(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_url(text)


WORDS = ["imap://", "a@", "b", "/", "INBOX", ";UID=", "1", ";SECTION=", "1.2", ";PARTIAL=", "."]
WORDS += [";UIDVALIDITY=", ";EXPIRE=", "2006-12-31T23:59:59Z", ";URLAUTH=", "user+x", "%", "%41"]
WORDS += [":INTERNAL:", "abcd", "[", "]", "HEADER.FIELDS%20(", ")", "é", "\0"]


@given(st.lists(st.sampled_from(WORDS)).map("".join) | st.text())
def test_anything(text: str) -> None:
    """A URL within its bounds, or ValueError."""
    try:
        url = parse_url(text)
    except ValueError:
        return
    assert 0 < url.uid < 1 << 32
    assert text.startswith(url.rump)


def test_long_ones_cost_little() -> None:
    for piece in (";UID=", "/;UID=1", ":a", "[", "@", ";SECTION=1", "%41"):
        with pytest.raises(ValueError, match=r"."):
            parse_url("/" + piece * (8000 // len(piece)) + "\x7f")
        with pytest.raises(ValueError, match=r"."):
            parse_url("/" + piece * (8000 // len(piece)) + "!")

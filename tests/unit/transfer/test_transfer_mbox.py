"""mbox: every dialect as programs have written it, and our own there and back."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.transfer import mbox

FROM = b"From alice@example.org Fri Jul  8 12:08:34 2011\n"
DATE = 1310126914.0


def read(octets: bytes) -> list[mbox.Mail]:
    return list(mbox.read(BytesIO(octets)))


def test_two_messages():
    first, second = read(FROM + b"Subject: 1\n\none\n\n" + FROM + b"Subject: 2\n\ntwo\n\n")
    assert first.octets == b"Subject: 1\r\n\r\none\r\n"
    assert second.octets == b"Subject: 2\r\n\r\ntwo\r\n"
    assert (first.date, first.flags) == (DATE, frozenset())


@pytest.mark.parametrize(
    "line",
    [
        b"From - Mon Jan 10 11:12:13 2022\n",
        b"From MAILER-DAEMON Mon Jan 10 11:12:13 2022 +0100\n",
        b"From   Mon Jan 10 11:12:13 2022\n",
        b'From "odd name"@example.org  Mon Jan 10 11:12 2022\n',
        b"From \nX: 1\n",
    ],
)
def test_forms_of_the_from_line(line):
    found = read(line + b"Subject: x\r\n\r\nhi\r\n")
    assert [mail.octets for mail in found] == (
        [] if line.startswith(b"From \n") else [b"Subject: x\r\n\r\nhi\r\n"]
    )


def test_from_at_the_start_of_a_line_of_text_is_text():
    (mail,) = read(FROM + b"\nFrom here on all is well at 12:30.\n")
    assert mail.octets == b"\r\nFrom here on all is well at 12:30.\r\n"


def test_quoting_is_taken_away_once():
    (mail,) = read(FROM + b"\n>From me\n>>From you\n> From\n")
    assert mail.octets == b"\r\nFrom me\r\n>From you\r\n> From\r\n"


def test_content_length_is_believed_where_a_message_ends():
    body = b"one\n\n" + FROM + b"not a message\n"
    octets = (
        FROM + b"Content-Length: %d\nSubject: 1\n\n" % len(body) + body + b"\n" + FROM + b"A: 2\n\n"
    )
    first, second = read(octets)
    assert first.octets == b"Subject: 1\r\n\r\n" + body.replace(b"\n", b"\r\n")
    assert second.octets == b"A: 2\r\n"


def test_content_length_that_is_wrong_is_not_believed():
    first, second = read(FROM + b"Content-Length: 3\n\none two\n\n" + FROM + b"A: 2\n\nx\n")
    assert first.octets == b"Content-Length: 3\r\n\r\none two\r\n"
    assert second.octets == b"A: 2\r\n\r\nx\r\n"


def test_flags():
    (mail,) = read(
        FROM
        + b"Status: RO\nX-Status: AFTD\nX-Keywords: $Forwarded work\n again\nX-UID: 7\nA: b\n\nx\n"
    )
    assert mail.flags == {
        *(
            "\\Seen",
            "\\Answered",
            "\\Flagged",
            "\\Draft",
            "\\Deleted",
            "$Forwarded",
            "work",
            "again",
        )
    }
    assert mail.octets == b"A: b\r\n\r\nx\r\n"


def test_thunderbirds_flags():
    head = b"X-Mozilla-Status: %s\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: $label1   \n\n"
    kept, removed = head % b"1005", head % b"0009"
    (mail,) = read(FROM + kept + b"x\n\n" + FROM + removed + b"y\n")
    assert mail.flags == {"\\Seen", "\\Flagged", "$Forwarded", "$label1"}


def test_the_file_of_a_uw_server_says_something_of_itself():
    assert read(FROM + b"Subject: DON'T DELETE\nX-IMAP: 1 2\n\ntext\n") == []


def test_the_date_field_where_the_line_tells_none():
    (mail,) = read(b"From - Mon Xyz 99 12:00 2011\nDate: Fri, 8 Jul 2011 12:08:34 +0000\n\n")
    assert mail.date == DATE


LINE = st.sampled_from(
    [b"", b"x", b">", b"From ", b">From ", b">>From me", b"From a@b Fri Jul  8 12:08:34 2011", b"."]
)
HEADER = st.lists(
    st.sampled_from([b"A: b", b"Subject: From x", b"From: me", b"X: 1\r\n y"]), min_size=1
)
FLAGS = st.frozensets(st.sampled_from(["\\Seen", "\\Flagged", "\\Draft", "work", "$Forwarded"]))


@given(
    st.lists(
        st.tuples(
            HEADER, st.none() | st.lists(LINE), st.booleans(), FLAGS, st.integers(0, 4 * 10**9)
        ),
        min_size=1,
        max_size=4,
    ),
    st.data(),
)
def test_what_is_written_is_read(mails, data):
    written, expected = b"", []
    for header, body, ended, flags, date in mails:
        octets = b"\r\n".join(header) + b"\r\n"
        if body is not None:
            octets += b"\r\n" + b"\r\n".join(body) + (b"\r\n" if ended or not body else b"")
        quoting = mbox.Quoting()
        cut = data.draw(st.integers(0, len(octets)))
        written += mbox.head("alice@example.org", date, flags)
        written += quoting.feed(octets[:cut]) + quoting.feed(octets[cut:]) + quoting.end()
        whole = octets if octets.endswith(b"\r\n") else octets + b"\r\n"
        expected.append((whole, flags, float(date)))
    assert [(mail.octets, mail.flags, mail.date) for mail in read(written)] == expected


@given(st.binary() | st.binary().map(lambda rest: FROM + rest))
def test_nothing_raises(octets):
    for mail in read(octets):
        assert mail.end <= len(octets)


def test_a_very_long_line_is_given_out_in_pieces():
    quoting = mbox.Quoting()
    out = b"".join(quoting.feed(b"a" * 10_000) for _ in range(20))
    assert len(out) > 100_000
    assert out + quoting.feed(b"\r") + quoting.feed(b"\nFrom ") + quoting.end() == (
        b"a" * 200_000 + b"\n>From \n\n"
    )

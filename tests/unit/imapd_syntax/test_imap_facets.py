"""ENVELOPE, BODYSTRUCTURE and the parts table: the RFCs' examples, ugly mail, and any octets."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsuite.imapd import facets, structures
from mailsuite.imapd.syntax.model import Section


def computed(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Envelope, body structure and parts."""
    values = dict(zip(facets.NAMES, facets.compute(data), strict=True))
    return values["envelope"], values["bodystructure"], values["parts"]


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def envelope(text: str | bytes) -> bytes:
    return computed(text if isinstance(text, bytes) else crlf(text))[0]


def structure(text: str | bytes) -> bytes:
    return computed(text if isinstance(text, bytes) else crlf(text))[1]


# -- ENVELOPE ------------------------------------------------------------------------------------


def test_envelope_of_the_rfc() -> None:
    """RFC 3501 §8."""
    text = """\
Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev1 WG mtg summary and minutes
To: imap@cac.washington.edu
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

body
"""
    assert envelope(text) == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" '
        b'"IMAP4rev1 WG mtg summary and minutes" '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
        b'((NIL NIL "imap" "cac.washington.edu")) '
        b'((NIL NIL "minutes" "CNRI.Reston.VA.US")'
        b'("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
        b'"<B27397-0100000@cac.washington.edu>")'
    )


FIELDS = [b"date", b"subject", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"]
FIELDS += [b"in-reply-to", b"message-id"]
A = b'((NIL NIL "a" "x.test"))'
B = b'((NIL NIL "b" "x.test"))'

ENVELOPES: list[tuple[bytes, dict[bytes, bytes]]] = [
    (b"", {}),
    (b"\r\n", {}),
    (b"\r\nFrom: a@x.test\r\n", {}),
    (b"From: a@x.test", {b"from": A, b"sender": A, b"reply-to": A}),
    (b"From: a@x.test\nTo: b@x.test\n\nCc: c@x.test", {
        b"from": A, b"sender": A, b"reply-to": A, b"to": B}),
    (b"FROM : a@x.test\r\nSender:\r\nReply-To: \t\r\n\r\n", {
        b"from": A, b"sender": A, b"reply-to": A}),
    (b"From: a@x.test\r\nSender: b@x.test\r\n\r\n", {
        b"from": A, b"sender": B, b"reply-to": A}),
    (b"Reply-To: b@x.test\r\n\r\n", {b"reply-to": B}),
    # There, but empty: "" for texts, NIL for address lists (RFC 9051 §7.5.2).
    (b"Date:\r\nSubject: \r\nTo:\r\nCc: ,\r\nBcc: \r\nIn-Reply-To:\r\nMessage-ID: \r\n\r\n", {
        b"date": b'""', b"subject": b'""', b"in-reply-to": b'""', b"message-id": b'""'}),
    (b"Subject: a\r\n  b\r\n\tc\r\n\r\n", {b"subject": b'"a  b\tc"'}),
    (b"Subject:\r\n folded\r\n\r\n", {b"subject": b'"folded"'}),
    (b"Subject: first\r\nSubject: second\r\n\r\n", {b"subject": b'"first"'}),
    (b"Subject: =?utf-8?q?=C3=A4?=\r\n\r\n", {b"subject": b'"=?utf-8?q?=C3=A4?="'}),
    (b'Subject: a "b" \\c\r\n\r\n', {b"subject": b'"a \\"b\\" \\\\c"'}),
    (b"Subject: \xc3\xa4\r\n\r\n", {b"subject": b"{2}\r\n\xc3\xa4"}),
    (b"Subject: \xe4\0b\r\n\r\n", {b"subject": b"{2}\r\n\xe4b"}),
    (b"Subject: a\rb\r\n\r\n", {b"subject": b"{3}\r\na\rb"}),
    (b"X-Subject: no\r\nNot a field\r\nSubject: yes\r\n\r\n", {b"subject": b'"yes"'}),
    (b"X: a\r\n subject: no\r\n\r\n", {}),
    (b"To: a@x.test\r\nTo: b@x.test\r\n\r\n", {
        b"to": b'((NIL NIL "a" "x.test")(NIL NIL "b" "x.test"))'}),
    # Each is read by itself: what is left open in one does not hide the next.
    (b"To: a@x.test (open\r\nTo: b@x.test\r\n\r\n", {
        b"to": b'(("open" NIL "a" "x.test")(NIL NIL "b" "x.test"))'}),
    (b"To: a\\\r\nTo: b@x.test\r\n\r\n", {
        b"to": b'((NIL NIL "a\\\\" "")(NIL NIL "b" "x.test"))'}),
    (b"To: Undisclosed recipients:;\r\n\r\n", {
        b"to": b'((NIL NIL "Undisclosed recipients" NIL)(NIL NIL NIL NIL))'}),
    (b"To: A Group: Ed <joe@where.test>, b@x.test; c@x.test\r\n\r\n", {
        b"to": b'((NIL NIL "A Group" NIL)("Ed" NIL "joe" "where.test")(NIL NIL "b" "x.test")'
               b'(NIL NIL NIL NIL)(NIL NIL "c" "x.test"))'}),
    (b"To: <@a.test,@b.test:joe@x.test>\r\n\r\n", {
        b"to": b'((NIL "@a.test,@b.test" "joe" "x.test"))'}),
    (b'To: "Joe \\"Q.\\" Public" <"john smith"@x.test>\r\n\r\n', {
        b"to": b'(("Joe \\"Q.\\" Public" NIL "john smith" "x.test"))'}),
    (b"To: joe@x.test (Joe)\r\n\r\n", {b"to": b'(("Joe" NIL "joe" "x.test"))'}),
    (b'To: "" <a@x.test>\r\n\r\n', {b"to": A}),
    (b"To: joe\r\n\r\n", {b"to": b'((NIL NIL "joe" ""))'}),
    (b"To: j\xf6 <j@x.test>\r\n\r\n", {b"to": b'(({2}\r\nj\xf6 NIL "j" "x.test"))'}),
    (b"To: j@[192.0.2.1]\r\n\r\n", {b"to": b'((NIL NIL "j" "[192.0.2.1]"))'}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), ENVELOPES)
def test_envelopes(message: bytes, expected: dict[bytes, bytes]) -> None:
    values = [expected.get(name, b"NIL") for name in FIELDS]
    assert envelope(message) == b"(" + b" ".join(values) + b")"


@pytest.mark.parametrize("field", [b"To", b"X-To"])
def test_what_stands_behind_a_list_of_very_many(field: bytes) -> None:
    """Of the list as many as fit, and no half one; the fields behind it as ever."""
    people = b",\r\n ".join(b"p%d@x.test" % number for number in range(60_000))
    data = (
        field + b": " + people + b"\r\nSubject: s\r\nTo: b@x.test\r\nCc: a@x.test\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
    )
    found, shape, _ = computed(data)
    assert found.startswith(b'(NIL "s" NIL NIL NIL ((')
    assert found.endswith(b")) " + A + b" NIL NIL NIL)")
    hosts = found.count(b'"x.test")')
    assert found.count(b"(NIL NIL") == hosts
    assert hosts == 2 if field == b"X-To" else 10_000 < hosts < 60_000
    assert shape.startswith(b'(("text" "plain"')


# -- BODYSTRUCTURE -------------------------------------------------------------------------------

NO_EXTENSION = b" NIL NIL NIL NIL"


def test_text() -> None:
    text = "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\n" + "x" * 10 + "\n" + "y\n"
    assert structure(text) == (
        b'("text" "plain" ("CHARSET" "US-ASCII") NIL NIL "7bit" 15 2' + NO_EXTENSION + b")"
    )


def test_no_content_type() -> None:
    expected = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1' + NO_EXTENSION + b")"
    assert structure("Subject: x\n\na\n") == expected
    assert structure("Content-Type: nonsense\n\na\n") == expected


def test_all_fields_of_a_part() -> None:
    text = """\
Content-Type: image/png; name="a \\"b\\".png"; x=1
Content-ID: <1@x>
Content-Description: a
  picture
Content-Transfer-Encoding: BASE64
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
Content-Disposition: attachment; filename=a.png; size=3
Content-Language: de, en-GB
Content-Location: http://x.test/a.png

AAAA
"""
    assert structure(text) == (
        b'("image" "png" ("name" "a \\"b\\".png" "x" "1") "<1@x>" "a  picture" "base64" 6 '
        b'"Q2hlY2sgSW50ZWdyaXR5IQ==" ("attachment" ("filename" "a.png" "size" "3")) '
        b'("de" "en-GB") "http://x.test/a.png")'
    )


def test_disposition_without_parameters() -> None:
    found = structure("Content-Type: text/plain\nContent-Disposition: INLINE\n\n")
    kind = b'"text" "plain" ("charset" "us-ascii")'
    assert found == b'(%b NIL NIL "7bit" 0 0 NIL ("inline" NIL) NIL NIL)' % kind


@pytest.mark.parametrize(
    ("content_type", "params"),
    [
        # Defaulted (RFC 3501 §7.4.2, RFC 2045 §5.2).
        ("text/plain", b'("charset" "us-ascii")'),
        ("text/html; a=b", b'("a" "b" "charset" "us-ascii")'),
        ("text/plain; Charset=utf-8", b'("Charset" "utf-8")'),
        ("text/plain; charset*=us-ascii'en'utf-8", b'("charset*" "us-ascii\'en\'utf-8")'),
        ("application/pdf", b"NIL"),
        # Put together (RFC 2231 §6).
        ('image/png; name*0=ab; x=y; name*1="c d"', b'("name" "abc d" "x" "y")'),
        (
            "image/png; name*1=%c; name*2*=%c3%a4; name*0*=utf-8''%61",
            b'("name*" "utf-8\'\'%61%25c%c3%a4")',
        ),
        # What is extended has its two quotes, though it did not begin so (§4.1).
        ("image/png; n*0=a%; n*1*=b%25", b'("n*" "\'\'a%25b%25")'),
        ("image/png; n*0=a; n*2=c; n*0=x; N*1=b; n*4=e", b'("n" "abc")'),
        ("image/png; n*1=b; m*=x; o*0=1", b'("n*1" "b" "m*" "x" "o" "1")'),
    ],
)
def test_parameters(content_type: str, params: bytes) -> None:
    found = structure(f"Content-Type: {content_type}\n\n")
    assert found.startswith(
        b'("%b" "%b" %b NIL NIL' % (*content_type.split(";")[0].encode().split(b"/"), params)
    )


MIXED = crlf("""\
From: a@x.test
Content-Type: multipart/mixed; boundary=outer

preamble
--outer

first
--outer
Content-Type: multipart/alternative; boundary="in ner"
Content-Language: en

--in ner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>
</p>
--in ner--
--outer
Content-Type: message/rfc822
Content-Description: nested

Subject: inside
To: g:;
Content-Type: multipart/mixed; boundary=deep

--deep
Content-Type: application/octet-stream

x
--deep
Content-Type: message/rfc822

Subject: plain

deepest
--deep--

--outer--
epilogue
""")
DEEPEST = (
    b'("message" "rfc822" NIL NIL NIL "7bit" 25 '
    b'(NIL "plain" NIL NIL NIL NIL NIL NIL NIL NIL) '
    b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 7 0%b) 2%b)'
)


def test_multipart() -> None:
    envelope, bodystructure, _ = computed(MIXED)
    assert envelope.count(A) == 3
    end = NO_EXTENSION
    inner = (
        b'(("application" "octet-stream" NIL NIL NIL "7bit" 1'
        + end
        + b")"
        + DEEPEST % (end, end)
        + b' "mixed" ("boundary" "deep") NIL NIL NIL)'
    )
    size = MIXED.index(b"\r\n--outer--") - MIXED.index(b"Subject: inside")
    lines = MIXED[MIXED.index(b"Subject: inside") :][:size].count(b"\n")
    assert bodystructure == (
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0' + end + b")"
        b'(("text" "html" ("charset" "utf-8") NIL NIL "quoted-printable" 9 1' + end + b")"
        b' "alternative" ("boundary" "in ner") NIL ("en") NIL)'
        b'("message" "rfc822" NIL NIL "nested" "7bit" %d '
        b'(NIL "inside" NIL NIL NIL ((NIL NIL "g" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL) '
        b"%b %d%b)"
        b' "mixed" ("boundary" "outer") NIL NIL NIL)' % (size, inner, lines, end)
    )


def test_body_has_no_extension_data() -> None:
    _, bodystructure, _ = computed(MIXED)
    size = MIXED.index(b"\r\n--outer--") - MIXED.index(b"Subject: inside")
    lines = MIXED[MIXED.index(b"Subject: inside") :][:size].count(b"\n")
    assert structures.body(bodystructure) == (
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0)'
        b'(("text" "html" ("charset" "utf-8") NIL NIL "quoted-printable" 9 1) "alternative")'
        b'("message" "rfc822" NIL NIL "nested" "7bit" %d '
        b'(NIL "inside" NIL NIL NIL ((NIL NIL "g" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL) '
        b'(("application" "octet-stream" NIL NIL NIL "7bit" 1)%b "mixed") %d)'
        b' "mixed")' % (size, DEEPEST % (b"", b""), lines)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Content-Type: image/png; name=ä\n\n",
            b'("image" "png" ("name" {2}\r\n\xc3\xa4) NIL NIL "7bit" 0)',
        ),
        (
            'Content-Type: text/plain; a=")("\nContent-Description: (" ä\n\n',
            b'("text" "plain" ("a" ")(" "charset" "us-ascii") NIL {5}\r\n(" \xc3\xa4 "7bit" 0 0)',
        ),
        (
            "Content-Type: text/plain\nContent-Description: ä)\nContent-Location: (ä\n\n",
            b'("text" "plain" ("charset" "us-ascii") NIL {3}\r\n\xc3\xa4) "7bit" 0 0)',
        ),
    ],
)
def test_body_with_literals(text: str, expected: bytes) -> None:
    assert structures.body(structure(text)) == expected


def test_multipart_without_any_part() -> None:
    """A multipart must have a part (RFC 9051 §9), whatever the message looks like."""
    for text in ("Content-Type: multipart/mixed\n\nx\n", "Content-Type: multipart/x; boundary=b\n"):
        found = structure(text)
        assert found.startswith(b'(("text" "plain" ')
        assert structures.body(found).startswith(b'(("text" "plain" ')


def test_encoded_message_is_shown_as_octets() -> None:
    text = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nAAAA\n"
    assert structure(text) == (
        b'("application" "octet-stream" NIL NIL NIL "base64" 6' + NO_EXTENSION + b")"
    )


def test_message_global_as_a_part_like_any_other() -> None:
    text = (
        "Content-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: message/global\n\nSubject: Grüße ()\n\nx\n"
        "--b\nContent-Type: message/rfc822\n\n"
        "Content-Type: message/global\n\nSubject: within\n\nx\n--b--\n"
    )
    found = structures.as_basic(structure(text))
    head = b'("message" "global" NIL NIL NIL "7bit" '
    assert found.startswith(b"(" + head + b"24" + NO_EXTENSION + b')("message" "rfc822" ')
    assert b" " + head + b"20" + NO_EXTENSION + b") 4 " in found
    assert structures.body(found).startswith(b"(" + head + b'24)("message" "rfc822" ')
    plain = structure("Subject: x\n\n")
    assert structures.as_basic(plain) is plain


def test_part_of_a_message_has_no_structure_in_it() -> None:
    """Its Content-Disposition, a list, stands where that of a whole message would be."""
    text = (
        "Content-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: message/partial\nContent-Disposition: inline\n\nx\n"
        "--b\nContent-Type: message/global\n\nSubject: x\n\nx\n--b--\n"
    )
    part = b'("message" "partial" NIL NIL NIL "7bit" 1'
    found = structures.as_basic(structure(text))
    assert found.startswith(b"(" + part + b' NIL ("inline" NIL) NIL NIL)("message" "global" NIL')
    assert structures.body(found).startswith(b"(" + part + b')("message" "global" NIL')
    assert structures.part_structure(structure(text), (1, 1)) is None


def test_digest_holds_messages() -> None:
    text = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\n1\n--b--\n"
    assert structure(text).startswith(b'(("message" "rfc822" NIL NIL NIL "7bit" ')
    assert b'(NIL "one" NIL' in structure(text)


def test_depth_is_bounded() -> None:
    text = "Content-Type: message/rfc822\n\n" * 5000
    _, bodystructure, parts = computed(crlf(text))
    assert bodystructure.count(b'"rfc822"') <= 60
    assert structures.body(bodystructure).startswith(b'("message" "rfc822" ')
    assert facets.locate(parts, Section((1,) * 40)) is not None
    assert facets.locate(parts, Section((1,) * 200)) is None


# -- where the parts are -------------------------------------------------------------------------


def at(message: bytes, part: tuple[int, ...], text: str = "") -> bytes | None:
    parts = computed(message)[2]
    found = facets.locate(parts, Section(part, text))
    return None if found is None else message[slice(*found)]


PLAIN = b"Subject: x\r\n\r\nbody\r\n"


@pytest.mark.parametrize(
    ("part", "text", "expected"),
    [
        ((), "", PLAIN),
        ((), "HEADER", b"Subject: x\r\n\r\n"),
        ((), "HEADER.FIELDS", b"Subject: x\r\n\r\n"),
        ((), "TEXT", b"body\r\n"),
        ((1,), "", b"body\r\n"),
        ((1,), "MIME", b"Subject: x\r\n\r\n"),
        ((1,), "HEADER", None),
        ((1,), "TEXT", None),
        ((2,), "", None),
        ((1, 1), "", None),
    ],
)
def test_parts_of_a_plain_message(part: tuple[int, ...], text: str, expected: bytes) -> None:
    assert at(PLAIN, part, text) == expected


@pytest.mark.parametrize(
    ("part", "text", "expected"),
    [
        ((1,), "", b"first"),
        ((1,), "MIME", b"\r\n"),
        ((1,), "TEXT", None),
        ((1, 1), "", None),
        ((2, 1), "", b"<p>\r\n</p>"),
        ((2,), "HEADER", None),
        ((2, 2), "", None),
        ((3,), "MIME", b"Content-Type: message/rfc822\r\nContent-Description: nested\r\n\r\n"),
        ((3, 1), "", b"x"),
        ((3, 1), "MIME", b"Content-Type: application/octet-stream\r\n\r\n"),
        ((3, 2), "", b"Subject: plain\r\n\r\ndeepest"),
        ((3, 2), "HEADER", b"Subject: plain\r\n\r\n"),
        ((3, 2), "HEADER.FIELDS.NOT", b"Subject: plain\r\n\r\n"),
        ((3, 2), "TEXT", b"deepest"),
        ((3, 2, 1), "", b"deepest"),
        ((3, 2, 1), "MIME", b"Subject: plain\r\n\r\n"),
        ((3, 2, 1, 1), "", None),
        ((3, 3), "", None),
        ((4,), "", None),
        ((4294967295,), "", None),
    ],
)
def test_parts_of_a_multipart(part: tuple[int, ...], text: str, expected: bytes | None) -> None:
    assert at(MIXED, part, text) == expected


def test_parts_with_parts() -> None:
    whole = at(MIXED, (2,))
    assert whole is not None
    assert whole.startswith(b"--in ner\r\n")
    assert whole.endswith(b"--in ner--")
    nested = at(MIXED, (3,))
    header, text = at(MIXED, (3,), "HEADER"), at(MIXED, (3,), "TEXT")
    assert nested is not None
    assert header is not None
    assert text is not None
    assert header.startswith(b"Subject: inside\r\n")
    assert header.endswith(b"boundary=deep\r\n\r\n")
    assert header + text == nested


def test_message_whose_own_type_is_message() -> None:
    message = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx"
    assert at(message, (1,)) == b"Subject: in\r\n\r\nx"
    assert at(message, (1,), "HEADER") == b"Subject: in\r\n\r\n"
    assert at(message, (1,), "TEXT") == b"x"
    assert at(message, (1, 1)) == b"x"
    assert at(message, (), "HEADER") == b"Content-Type: message/rfc822\r\n\r\n"
    assert at(message, (1, 1), "TEXT") is None


def test_part_at() -> None:
    parts = computed(MIXED)[2]
    found = facets.part_at(parts, (2, 1))
    assert found is not None
    assert (found.content_type, found.encoding) == ("text/html", "quoted-printable")
    assert MIXED[found.body : found.end] == b"<p>\r\n</p>"
    assert MIXED[found.start :].startswith(b"Content-Type: text/html")
    whole = facets.part_at(parts, ())
    assert whole is not None
    assert (whole.start, whole.end, whole.content_type) == (0, len(MIXED), "multipart/mixed")
    assert facets.part_at(parts, (7,)) is None


def test_table_is_small() -> None:
    assert len(computed(PLAIN)[2]) < 50
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 1000
    assert len(computed(many)[2]) < 25_000


# -- HEADER.FIELDS -------------------------------------------------------------------------------

BLOCK = (
    b"Received: a\r\n\tb\r\nFrom: a@x\r\nTO : b@x\r\nX-From: no\r\nno field\r\n"
    b"Subject: s\r\n from: t\r\nfrom: again\r\n\r\n"
)


@pytest.mark.parametrize(
    ("names", "invert", "expected"),
    [
        (("FROM",), False, b"From: a@x\r\nfrom: again\r\n\r\n"),
        (("subject", "received"), False,
         b"Received: a\r\n\tb\r\nSubject: s\r\n from: t\r\n\r\n"),
        (("To",), False, b"TO : b@x\r\n\r\n"),
        (("Nope",), False, b"\r\n"),
        (("F.*",), False, b"\r\n"),
        (("[^",), False, b"\r\n"),
        (("\xe4", "ss"), False, b"\r\n"),
        (("from", "received", "to"), True,
         b"X-From: no\r\nno field\r\nSubject: s\r\n from: t\r\n\r\n"),
        (("nope",), True, BLOCK),
    ],
)  # fmt: skip
def test_header_fields(names: tuple[str, ...], invert: bool, expected: bytes) -> None:
    assert facets.header_fields(BLOCK, names, invert=invert) == expected


def test_header_fields_of_a_cut_off_header() -> None:
    # The blank line, except where a message has neither body nor blank line (RFC 9051 §6.4.5.1).
    assert facets.header_fields(b"", ("a",)) == b""
    assert facets.header_fields(b"A: 1", ("a",)) == b"A: 1"
    assert facets.header_fields(b"A: 1\r\n", ("a",)) == b"A: 1\r\n"
    assert facets.header_fields(b"A: 1\r\n\r\n", ("b",)) == b"\r\n"
    assert facets.header_fields(b"A: 1\n\n", ("a",)) == b"A: 1\n\r\n"
    assert facets.header_fields(b"B: 1\r\nA: 1", ("b",), invert=True) == b"A: 1"
    assert facets.header_fields(b"\r\n", ("b",), invert=True) == b"\r\n"


# -- any octets ----------------------------------------------------------------------------------

PIECES = [
    b"From: ", b"To: ", b"Subject: ", b"Sender:", b"a@b", b"<", b">", b":", b";", b",", b"(", b")",
    b'"', b"\\", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"\xc3\xa4", b"\xff", b"x",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n", b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Type: text/html; charset=", b"Content-Type: a/b\r\n", b"\r\n--b\r\n", b"\r\n--b--",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Disposition: attachment; filename=",
    b"Content-Type: message/global\r\n\r\n", b"Content-Language: de\r\n", b"Content-Location: (",
]  # fmt: skip
MESSAGES = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=30).map(b"".join)

_VALUE = re.compile(rb'[()]|"((?:[^"\\\r\n\0\x80-\xff]|\\["\\])*)"|\{(\d+)\}\r\n|NIL|\d+| ')


def read(octets: bytes) -> list[object]:
    """Read a parenthesised list the way a strict client does."""
    stack: list[list[object]] = [[]]
    place = 0
    while place < len(octets):
        found = _VALUE.match(octets, place)
        assert found is not None, octets[place:]
        place = found.end()
        token = found[0]
        if token == b"(":
            stack.append([])
        elif token == b")":
            done = stack.pop()
            stack[-1].append(done)
        elif found[2] is not None:
            data = octets[place : place + int(found[2])]
            assert len(data) == int(found[2])
            assert 0 not in data
            stack[-1].append(data)
            place += len(data)
        elif found[1] is not None:
            stack[-1].append(found[1])
        elif token == b"NIL":
            stack[-1].append(None)
        elif token != b" ":
            stack[-1].append(int(token))
    assert len(stack) == 1
    return stack[0]


def check_envelope(value: object) -> None:
    assert isinstance(value, list)
    assert len(value) == 10
    for place in (0, 1, 8, 9):
        assert value[place] is None or isinstance(value[place], bytes)
    for place in range(2, 8):
        addresses = value[place]
        assert addresses is None or (isinstance(addresses, list) and addresses)
        for address in addresses or ():
            assert len(address) == 4
            assert all(each is None or isinstance(each, bytes) for each in address)


def check_structure(value: object, *, extended: bool) -> None:
    assert isinstance(value, list)
    if isinstance(value[0], list):
        count = next(i for i, each in enumerate(value) if not isinstance(each, list))
        for each in value[:count]:
            check_structure(each, extended=extended)
        assert isinstance(value[count], bytes)
        assert len(value) == count + (5 if extended else 1)
        return
    kind = (value[0], value[1])
    assert isinstance(value[6], int)
    size = 7
    if kind[0] == b"text":
        assert isinstance(value[7], int)
        size = 8
    elif kind in ((b"message", b"rfc822"), (b"message", b"global")):
        check_envelope(value[7])
        check_structure(value[8], extended=extended)
        assert isinstance(value[9], int)
        size = 10
    assert len(value) == size + (4 if extended else 0)


@settings(max_examples=400)
@given(MESSAGES)
def test_any_octets(message: bytes) -> None:
    envelope, bodystructure, parts = computed(message)
    values = dict(zip(facets.NAMES, facets.compute(message), strict=True))
    assert len(values["preview"].decode()) <= 200
    assert re.fullmatch(rb"T[a-f0-9]{16}", values["thread"])
    (value,) = read(envelope)
    check_envelope(value)
    (value,) = read(bodystructure)
    check_structure(value, extended=True)
    (value,) = read(structures.body(bodystructure))
    check_structure(value, extended=False)
    for numbers in ((), (1,), (2,), (1, 1), (1, 2), (1, 1, 1)):
        for text in ("", "HEADER", "TEXT", "MIME"):
            found = facets.locate(parts, Section(numbers, text))
            if found is not None:
                assert 0 <= found[0] <= found[1] <= len(message)
    whole = facets.locate(parts, Section())
    assert whole == (0, len(message))


@given(MESSAGES, st.lists(st.sampled_from(["From", "to", "X"]), min_size=1), st.booleans())
def test_header_fields_of_any_octets(block: bytes, names: list[str], invert: bool) -> None:
    found = facets.header_fields(block, tuple(names), invert=invert)
    ends = block in (b"\n", b"\r\n") or block.endswith((b"\n\n", b"\n\r\n"))
    assert len(found) <= len(block) + ends
    assert found.endswith(b"\r\n") or not ends


@pytest.mark.parametrize(
    "header",
    [
        "Message-ID: <a@b>\nReferences: <root@b>\n <c@b>\nIn-Reply-To: <c@b>\n\n",
        "Message-ID: <d@b>\nIn-Reply-To: your mail <root@b>\n\n",
        "Message-ID: <root@b>\nReferences: none\n\n",
    ],
)
def test_thread(header: str) -> None:
    at = facets.NAMES.index("thread")
    root = facets.compute(crlf("Message-ID: <root@b>\n\n"))[at]
    assert facets.compute(crlf(header))[at] == root
    assert facets.compute(b"Subject: root\r\n\r\n")[at] != root


def test_structure_of_a_part() -> None:
    _, whole, _ = computed(MIXED)
    assert structures.part_structure(whole, ()) == whole
    for numbers in ((1,), (2,), (1, 1), (2, 1), (2, 2)):
        found = structures.part_structure(whole, numbers)
        located = facets.part_at(computed(MIXED)[2], numbers)
        assert (found is None) is (located is None)
        if found is not None and located is not None:
            assert found in whole
            kind = located.content_type.partition("/")[2].encode()
            assert b'"%b"' % kind in found.lower()
    assert structures.part_structure(whole, (99,)) is None


@given(MESSAGES, st.lists(st.integers(1, 3), max_size=4))
def test_any_structure_of_a_part(message: bytes, numbers: list[int]) -> None:
    """There is a structure where there is a part; an enclosed message may be shown as octets."""
    _, whole, parts = computed(message)
    found = structures.part_structure(whole, numbers)
    if found is not None:
        (value,) = read(found)
        check_structure(value, extended=True)
        if structures.is_leaf(parts, Section(tuple(numbers))):
            (value,) = read(structures.as_sent(found, b"7BIT", 1, 0))
            check_structure(value, extended=True)
    assert (found is None) is (facets.part_at(parts, numbers) is None)


@given(MESSAGES)
def test_basic_and_plain_in_any_order(message: bytes) -> None:
    _, whole, _ = computed(message)
    basic = structures.as_basic(whole)
    assert len(read(basic)) == 1
    assert structures.body(basic) == structures.as_basic(structures.body(whole))

"""Composing (rows X1, X2, X4, X5): what was put in is what a reader takes out.

- Our scanner and the standard library find the same parts with the same octets.
- Nothing that goes out needs more than the way takes; a boundary begins no line of a part.
"""

import email
import email.policy
import tracemalloc
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import Part, decode_body, decode_text, decode_words, examine, fields, scan
from mailsuite.message.compose import (
    About,
    Entity,
    Heading,
    attachment,
    compose,
    measure,
    message,
    multipart,
    text,
)
from mailsuite.message.flowed import flow
from mailsuite.message.transfer import (
    QuotedPrintable,
    choose_encoding,
    encode,
    encode_body,
)
from mailsuite.message.writing import Mailbox, MailboxGroup

ALICE = Mailbox("Alice", "alice@example.test")
HEADING = Heading(
    from_=[ALICE],
    to=[Mailbox("Bob", "bob@example.test")],
    subject="Grüße",
    date=1_700_000_000,
    message_id="<1@example.test>",
)


def written(body: Entity, heading: Heading = HEADING) -> bytes:
    return b"".join(compose(heading, body))


def read(octets: bytes) -> EmailMessage:
    found = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


def content(data: bytes, part: Part) -> bytes:
    return decode_body(data[part.body_start : part.body_end], part.encoding)


# -- encodings -----------------------------------------------------------------------------------


def test_known_answers() -> None:
    assert encode_body("가나 다".encode("euc-kr"), "quoted-printable") == b"=B0=A1=B3=AA =B4=D9"
    assert encode_body("가나다".encode("euc-kr"), "base64") == b"sKGzqrTZ"


@pytest.mark.parametrize(
    ("octets", "is_text", "encoding"),
    [
        (b"plain\r\n", True, "7bit"),
        (b"plain\r\n", False, "7bit"),
        ("Viele Grüße aus dem Norden\r\n".encode(), True, "quoted-printable"),
        ("가나다 라마바사\r\n".encode("euc-kr"), True, "base64"),
        (b"\x89PNG\r\n\x1a\n", False, "base64"),
        ("nearly all ASCII, but no text: ä".encode(), False, "base64"),
        (b"unix\nlines\nin\na\nfile that is long enough\n", True, "quoted-printable"),
        (b"x" * 999 + b"\r\n", True, "quoted-printable"),
    ],
)
def test_encodings_are_chosen_by_content(octets: bytes, is_text: bool, encoding: str) -> None:
    assert choose_encoding(examine(octets), text=is_text) == encoding


def test_eight_bit_text_stays_where_the_way_takes_it() -> None:
    assert choose_encoding(examine("ä\r\n".encode()), text=True, eight_bit=True) == "8bit"
    assert choose_encoding(examine("ä\r\n".encode()), text=False, eight_bit=True) == "base64"


cuts = st.lists(
    st.binary(max_size=100) | st.sampled_from([b"\r\n", b"--", b"ab " * 90]), max_size=20
)


@given(cuts, st.sampled_from(["quoted-printable", "base64"]))
def test_encoders_round_trip_however_the_octets_are_cut(pieces: list[bytes], encoding: str) -> None:
    whole = b"".join(pieces)
    encoded = b"".join(encode(pieces, encoding))
    assert encoded == encode_body(whole, encoding) or encoding == "quoted-printable"
    assert decode_body(encoded, encoding) == whole
    assert encoded.isascii()
    lines = encoded.split(b"\r\n")
    assert not any(len(line) > 76 or b"\r" in line or b"\n" in line for line in lines)
    assert not any(line.startswith((b"--", b"From ")) or line == b"." for line in lines)
    assert not any(line.endswith((b" ", b"\t")) for line in lines)


def test_a_line_of_any_length_takes_no_memory() -> None:
    made = QuotedPrintable()
    out = [made.feed("ä=x".encode() * 5000) for _ in range(200)]
    assert max(map(len, out)) < 1 << 18
    assert (
        decode_body(b"".join(out) + made.close(), "quoted-printable") == "ä=x".encode() * 1_000_000
    )


# -- messages ------------------------------------------------------------------------------------


def test_the_fields_stand_in_their_order() -> None:
    heading = Heading(
        from_=[ALICE],
        sender=Mailbox("", "robot@example.test"),
        to=[MailboxGroup("undisclosed-recipients")],
        cc=[ALICE],
        reply_to=[ALICE],
        subject="x",
        date=0,
        offset=60,
        message_id="<1@x.test>",
        in_reply_to="<0@x.test>",
        references="<0@x.test>",
        others=[("X-Mine", "ä")],
    )
    octets = written(text("Hello"), heading)
    assert [field.name for field in fields(octets)] == [
        "Date", "From", "Subject", "Sender", "To", "Cc", "Reply-To", "Message-ID", "In-Reply-To",
        "References", "X-Mine", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
    ]  # fmt: skip
    assert octets.startswith(b"Date: Thu, 01 Jan 1970 01:00:00 +0100\r\n")
    assert octets.endswith(b"\r\n\r\nHello\r\n")


def test_attachments_in_messages_in_messages() -> None:
    pdf = bytes(range(256)) * 10
    html = multipart(
        "related",
        [
            text('<img src="cid:logo@x"> ä', "html"),
            attachment(
                lambda: [pdf],
                "image/png",
                about=About(
                    "inline", "Logo.png", content_id="logo@x", description="Das Logo, schön"
                ),
            ),
        ],
        params={"type": "text/html"},
    )
    inner = written(multipart("alternative", [text("plain ä " * 20), html]))
    octets = written(
        multipart(
            "mixed",
            [
                text("See below."),
                message(lambda: [inner], about=About("attachment", "Grüße.eml")),
                attachment(
                    lambda: [pdf[:100], pdf[100:]], "application/pdf", about=About("", "a.pdf")
                ),
            ],
        )
    )
    assert examine(octets).plain
    root = scan(octets)
    assert [part.content_type for part in root.walk()] == [
        "multipart/mixed", "text/plain", "message/rfc822", "multipart/alternative", "text/plain",
        "multipart/related", "text/html", "image/png", "application/pdf",
    ]  # fmt: skip
    found = list(root.walk())
    assert found[-1].disposition == "attachment"
    assert content(octets, found[-1]) == pdf
    assert found[2].filename == "Grüße.eml"
    assert octets[found[2].body_start : found[2].body_end] == inner
    assert found[7].content_id == b"<logo@x>"
    assert decode_words(found[7].description or b"") == "Das Logo, schön"
    # and the standard library
    peer = read(octets)
    assert [part.get_content_type() for part in peer.walk()] == [p.content_type for p in found]
    assert list(peer.walk())[-1].get_content() == pdf


def test_a_boundary_that_is_in_a_part_is_not_taken() -> None:
    parts = [text("a")]
    first = multipart("mixed", parts)
    boundary = next(b"".join(first.fields).decode().split('"')[i] for i in (1,))
    hostile = text(f"--{boundary}\n\nforged\n--{boundary}--")
    assert hostile.fields == parts[0].fields
    octets = written(multipart("mixed", [hostile]))
    root = scan(octets)
    assert len(root.parts) == 1
    assert f"--{boundary}".encode() in content(octets, root.parts[0])


def test_a_message_that_is_8_bit_says_so_all_the_way_up() -> None:
    inner = "Subject: x\r\n\r\nä\r\n".encode()
    octets = written(multipart("mixed", [multipart("mixed", [message(lambda: [inner])])]))
    assert [part.encoding for part in scan(octets).walk()][:3] == ["8bit"] * 3


def test_a_message_with_overlong_lines_is_binary() -> None:
    """RFC 2045 §2.8"""
    inner = b"Subject: x\r\n\r\n" + b"x" * 999
    octets = written(multipart("mixed", [message(lambda: [inner])]))
    assert [part.encoding for part in scan(octets).walk()][:2] == ["binary"] * 2


def test_other_charsets() -> None:
    octets = written(text("가나다", charset="euc-kr"))
    assert b"charset=euc-kr\r\n" in octets
    assert octets.endswith(b"\r\n\r\nsKGzqrTZDQo=\r\n")
    assert b"charset=utf-8\r\n" in written(text("가나다", charset="iso-8859-1"))
    assert b"charset=us-ascii\r\n" in written(text("abc", charset="euc-kr"))


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=120)
leaves = st.one_of(
    texts | st.sampled_from(["long " * 300, "x" * 1200, "From me", "."]),
    st.binary(max_size=300) | st.sampled_from([b"a,b\r\nc\r\n", b"unix\n", b"--=_", b""]),
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 2) -> tuple[Entity, list[bytes]]:
    """An entity and what its leaves hold."""
    if depth and draw(st.booleans()):
        children = draw(st.lists(trees(depth - 1), min_size=1, max_size=3))
        made = multipart(draw(st.sampled_from(["mixed", "alternative"])), [c[0] for c in children])
        return made, [leaf for child in children for leaf in child[1]]
    value = draw(leaves)
    if isinstance(value, str):
        octets = (value.replace("\n", "\r\n") + ("\r\n" if value else "")).encode()
        return text(value), [octets]
    content_type = draw(st.sampled_from(["application/octet-stream", "text/csv"]))
    return attachment(lambda: [value], content_type, about=About("", draw(texts))), [value]


@given(trees())
def test_what_was_put_in_comes_out(tree: tuple[Entity, list[bytes]]) -> None:
    body, wanted = tree
    octets = written(body)
    assert examine(octets).plain
    root = scan(octets)
    found = [content(octets, part) for part in root.walk() if not part.parts]
    if not root.parts:  # what ends the message ends with a line end
        found = [found[0] if found[0] == wanted[0] else found[0].removesuffix(b"\r\n")]
    assert found == wanted
    peer = [part for part in read(octets).walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in peer] == [
        part.content_type for part in root.walk() if not part.parts
    ]
    for part, ours in zip(peer, (p for p in root.walk() if not p.parts), strict=True):
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert payload.replace(b"\r\n", b"\n") == content(octets, ours).replace(b"\r\n", b"\n")


@given(st.lists(st.binary(max_size=50) | st.sampled_from([b"\r\n", b"\r", b"x" * 1200])))
def test_measuring_in_pieces_finds_the_same(pieces: list[bytes]) -> None:
    found, whole = measure(pieces), examine(b"".join(pieces))
    assert (found.size, found.high, found.odd) == (whole.size, whole.high, whole.odd)
    assert found.long_line == whole.long_line or whole.odd


def test_a_large_attachment_is_never_held() -> None:
    piece = bytes(range(256)) * 256

    def octets() -> Iterator[bytes]:
        return (piece for _ in range(400))

    body = multipart("mixed", [text("x"), attachment(octets, "video/mp4")])
    tracemalloc.start()
    try:
        size = sum(len(written) for written in compose(HEADING, body))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert size > 400 * len(piece) * 4 / 3


def joined(flowed: str) -> list[str]:
    """The paragraphs of flowed text, read by RFC 3676 §4.4."""
    found: list[str] = []
    soft = False
    for line in flowed.split("\n"):
        plain = line.removeprefix(" ")
        if soft and not line.startswith(">") and line != "-- ":
            found[-1] += plain
        else:
            found.append(plain)
        soft = line.endswith(" ") and line != "-- " and not line.startswith(">")
    return found


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                ["word", "", "From", ">", "--", "-- ", "x" * 80, "가나다라", "longer word"]
            )
        ).map(" ".join)
    )
)
def test_flowed_text_is_joined_again(lines: list[str]) -> None:
    flowed = flow("\n".join(lines))
    wanted = [line if line == "-- " else line.rstrip(" ") for line in lines or [""]]
    assert joined(flowed) == wanted


def test_two_dashes_before_a_long_word_do_not_keep_a_paragraph_whole() -> None:
    flowed = flow(f"-- {'x' * 80} " + "word " * 100)
    assert flowed.split("\n")[0] == f"-- {'x' * 80} "
    assert max(map(len, flowed.split("\n")[1:])) <= 72


def test_flowed_text() -> None:
    octets = written(text("A paragraph. " * 10 + "\n> quoted\n-- \nme", flowed=True))
    assert b"Content-Type: text/plain; charset=us-ascii; format=flowed\r\n" in octets
    assert octets.endswith(
        b"\r\n\r\n" + b"A paragraph. " * 5 + b"A \r\nparagraph. " + b"A paragraph. " * 3
        + b"A paragraph.\r\n> quoted\r\n-- \r\nme\r\n"
    )  # fmt: skip


def test_text_comes_out_as_text() -> None:
    octets = written(text("zwölf\rBoxkämpfer\n"))
    part = scan(octets)
    assert decode_text(content(octets, part), part.charset) == "zwölf\r\nBoxkämpfer\r\n"

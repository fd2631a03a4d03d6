"""Conversion for a next hop that takes less (row X3, RFC 6152 §3).

- Every part decodes to the same octets as before, and the tree keeps its shape.
- What comes out fits the hop: no 8-bit octet, no lone CR or LF, no NUL, no line over 998 octets.
- Parts that fit, and everything under a signature, keep every octet.
- Time grows in step with size.
"""

import mmap
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsuite.message import Part, decode_body, scan
from mailsuite.message.downgrade import Conversion, Inconvertible, NextHop, downgrade
from mailsuite.message.traits import LineWatch, Traits, examine

SEVEN = NextHop()
EIGHT = NextHop(eight_bit=True)


def crlf(text: str, charset: str = "utf-8") -> bytes:
    return text.replace("\n", "\r\n").encode(charset)


def converted(data: bytes, hop: NextHop = SEVEN, *, smtputf8: bool = False) -> bytes:
    conversion = downgrade(data, hop, smtputf8=smtputf8)
    assert conversion is not None
    octets = b"".join(conversion.pieces(data))
    assert conversion.size(data) == len(octets)
    return octets


HEAD = "MIME-Version: 1.0\nFrom: a@example.test\n"


def test_ascii_goes_as_it_is() -> None:
    data = crlf(HEAD + "Content-Transfer-Encoding: 8bit\n\nplain\n")
    assert downgrade(data, SEVEN) is None


def test_a_hop_with_8bitmime_gets_the_octets() -> None:
    data = crlf(HEAD + "Content-Transfer-Encoding: 8bit\n\nGrüße\n")
    assert downgrade(data, EIGHT) is None


def test_text_becomes_quoted_printable_and_its_field_is_rewritten_in_place() -> None:
    data = crlf(
        HEAD + "Content-Type: text/plain; charset=utf-8\nContent-transfer-encoding:\n 8bit\n"
        "X-Mine:  kept \n\nViele Grüße aus dem hohen Norden \n"
    )
    assert converted(data) == crlf(
        HEAD + "Content-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: quoted-printable\nX-Mine:  kept \n\n"
        "Viele Gr=C3=BC=C3=9Fe aus dem hohen Norden=20\n"
    )


def test_text_that_is_mostly_other_becomes_base64() -> None:
    data = crlf(HEAD + "Content-Type: text/plain; charset=euc-kr\n\n가나다", "euc-kr")
    assert converted(data) == crlf(
        HEAD + "Content-Type: text/plain; charset=euc-kr\n"
        "Content-Transfer-Encoding: base64\n\nsKGzqrTZ\n"
    )


def test_text_without_mime_is_made_mime() -> None:
    assert converted(crlf("Subject: x\n\nGrüße, lange genug für die Umlaute\n")) == crlf(
        "Subject: x\nContent-Transfer-Encoding: quoted-printable\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\n\n"
        "Gr=C3=BC=C3=9Fe, lange genug f=C3=BCr die Umlaute\n"
    )
    unknown = converted(b"Subject: x\r\n\r\nCaf\xe9 and some more of the text\r\n")
    assert b"charset=unknown-8bit\r\n" in unknown


MIXED = (
    HEAD + "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\n"
    "This is a multi-part message.\n"
    "--b\n\nplain stays\n"
    "--b\nContent-Type: text/plain; charset=utf-8\n\ndas eine äußerste Zeichen im Text\n"
    "--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: 8bit\n\nä\n"
    "--b--\nend\n"
)


def test_only_the_parts_that_need_it_are_converted() -> None:
    assert converted(crlf(MIXED)) == crlf(
        HEAD + "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\n"
        "This is a multi-part message.\n"
        "--b\n\nplain stays\n"
        "--b\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: quoted-printable\n\n"
        "das eine =C3=A4u=C3=9Ferste Zeichen im Text\n"
        "--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\nw6Q=\n"
        "--b--\nend\n"
    )


def test_the_conversion_says_what_it_did() -> None:
    conversion = downgrade(crlf(MIXED), SEVEN)
    assert isinstance(conversion, Conversion)
    assert conversion.body == "7BIT"
    assert conversion.encodings == (
        ("text/plain", "quoted-printable"),
        ("application/octet-stream", "base64"),
    )


def test_text_around_the_parts_that_does_not_fit_goes() -> None:
    data = crlf(
        HEAD + "Content-Type: multipart/mixed; boundary=b\n\nMessage à plusieurs parties\n"
        "--b\n\nplain\n--b--\nfin déjà\n"
    )
    assert converted(data) == crlf(
        HEAD + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nplain\n--b--\n"
    )


def test_nested_messages_are_converted_inside_out() -> None:
    data = crlf(
        HEAD + "Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
        "Subject: inner\nContent-Type: text/plain; charset=utf-8\n\nDer innere Text ist für alle\n"
    )
    assert converted(data) == crlf(
        HEAD + "Content-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\n"
        "Subject: inner\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: quoted-printable\nMIME-Version: 1.0\n\n"
        "Der innere Text ist f=C3=BCr alle\n"
    )


SIGNED = (
    HEAD + 'Content-Type: multipart/signed; boundary=s; micalg=pgp-sha256;\n protocol="x/y"\n\n'
    "--s\nContent-Type: text/plain; charset=utf-8\n\n{}\n--s\nContent-Type: x/y\n\nsig\n--s--\n"
)


def test_a_signed_part_is_never_converted() -> None:
    with pytest.raises(Inconvertible, match="signature") as refused:
        downgrade(crlf(SIGNED.format("für")), SEVEN)
    assert refused.value.status == "5.6.3"


def test_a_signed_part_beside_one_that_is_converted_keeps_its_octets() -> None:
    signed = crlf(SIGNED.format("word " * 300))
    data = (
        crlf(HEAD + "Content-Type: multipart/mixed; boundary=b\n\n--b\n")
        + signed
        + crlf("\n--b\n\nnot plain: ä, but nearly\n--b--\n")
    )
    assert signed in converted(data)


@pytest.mark.parametrize("hop", [SEVEN, EIGHT])
def test_header_fields_in_utf8_need_smtputf8(hop: NextHop) -> None:
    data = crlf("Subject: Grüße\n\ntext\n")
    with pytest.raises(Inconvertible, match="SMTPUTF8") as refused:
        downgrade(data, hop, smtputf8=True)
    assert refused.value.status == "5.6.7"
    assert downgrade(data, NextHop(eight_bit=True, utf8=True), smtputf8=True) is None


def test_eight_bit_header_fields_of_old_programs() -> None:
    data = crlf("Subject: Grüße\n\ntext\n")
    assert downgrade(data, EIGHT) is None
    with pytest.raises(Inconvertible):
        downgrade(data, SEVEN)
    part = HEAD + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Id: <ä>\n\nx\n--b--\n"
    with pytest.raises(Inconvertible):
        downgrade(crlf(part), SEVEN)


def test_an_internationalised_message_inside_is_encoded_whole() -> None:
    inner = "Subject: Grüße an alle, die es lesen\n\ntext\n"
    data = crlf(HEAD + "Content-Type: message/global\nContent-Transfer-Encoding: 8bit\n\n" + inner)
    part = scan(converted(data))
    assert part.encoding == "quoted-printable"


@pytest.mark.parametrize("subtype", ["partial", "external-body"])
def test_types_that_must_be_7bit(subtype: str) -> None:
    data = crlf(HEAD + f"Content-Type: message/{subtype}\n\nä\n")
    with pytest.raises(Inconvertible) as refused:
        downgrade(data, SEVEN)
    assert refused.value.status == "5.6.3"


def test_an_unknown_encoding_can_not_be_changed() -> None:
    with pytest.raises(Inconvertible, match="x-uuencode"):
        downgrade(crlf(HEAD + "Content-Transfer-Encoding: x-uuencode\n\nä\n"), SEVEN)


def test_binary_becomes_base64_for_a_hop_without_binarymime() -> None:
    head = crlf(
        HEAD + "Content-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n\n"
    )
    data = head + b"\x00\n\r\xff"
    assert converted(data, EIGHT) == head.replace(b"binary", b"base64") + b"AAoN/w==\r\n"
    assert downgrade(data, NextHop(eight_bit=True, binary=True)) is None


def test_overlong_lines_are_mended_also_where_8_bit_goes_through() -> None:
    data = crlf(HEAD + "Content-Type: text/plain\n\n" + "word " * 300 + "\nGrüße\n")
    octets = converted(data, EIGHT)
    assert not examine(octets).long_line
    assert (
        decode_body(octets.partition(b"\r\n\r\n")[2], "quoted-printable")
        == (data.partition(b"\r\n\r\n")[2])
    )


def test_overlong_header_lines_are_folded_between_words() -> None:
    references = " ".join(f"<{number}@example.test>" for number in range(200))
    data = crlf(f"References: {references}\nSubject: {'x' * 2000}\n\ntext\n")
    octets = converted(data, EIGHT)
    assert b"x" * 2000 in octets  # nothing to fold at
    assert octets.replace(b"\r\n ", b" ") == data
    assert [len(line) > 998 for line in octets.split(b"\r\n")].count(True) == 1


def test_a_long_line_of_base64_is_wrapped() -> None:
    data = crlf(HEAD + "Content-Transfer-Encoding: base64\n\n" + "QUJD" * 300 + "\n")
    octets = converted(data, EIGHT)
    assert not examine(octets).long_line
    assert decode_body(octets.partition(b"\r\n\r\n")[2], "base64") == b"ABC" * 300


# -- anything ------------------------------------------------------------------------------------


def leaves(data: bytes, part: Part) -> list[bytes]:
    if part.message is not None:
        return leaves(data, part.message)
    if part.parts:
        return [leaf for child in part.parts for leaf in leaves(data, child)]
    return [decode_body(data[part.body_start : part.body_end], part.encoding)]


def shape(part: Part) -> object:
    inner = shape(part.message) if part.message is not None else None
    return (part.content_type, inner, [shape(child) for child in part.parts])


text_lines = st.sampled_from(
    [
        b"plain", b"--b", b"--bc", b"--c--", b"", b" ", b"x " * 600, b"y" * 1200, b"\xc3\xa4" * 40,
        b"a=3D=", b"=", b"From me", b".", b"tail \t", b"=C3=A4=20 ", b"QUJD" * 260, b"QUI=", b"Q",
        b"\xff\xfe", b"\0", b"one \xe9 of many in this line", b"-- ", b"z" * 74 + b"--b", b"=\xe4",
    ]
)  # fmt: skip
line_ends = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r"])
bodies = st.lists(st.tuples(text_lines, line_ends), max_size=6).map(
    lambda rows: b"".join(line + end for line, end in rows)
)
types = st.sampled_from(
    [b"text/plain", b"text/html; charset=utf-8", b"application/pdf", b"message/delivery-status"]
)
encodings = st.sampled_from(
    [None, b"7bit", b"8bit", b"binary", b"quoted-printable", b"BASE64", b"x-own"]
)


@st.composite
def entities(draw: st.DrawFn, depth: int = 2) -> bytes:
    kind = draw(
        st.sampled_from(["leaf", "leaf", "mixed", "rfc822", "signed"] if depth else ["leaf"])
    )
    encoding = draw(encodings)
    head = b"" if encoding is None else b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    if kind == "leaf":
        return head + b"Content-Type: " + draw(types) + b"\r\n\r\n" + draw(bodies)
    if kind == "rfc822":
        return head + b"Content-Type: message/rfc822\r\n\r\n" + draw(entities(depth - 1))
    boundary = draw(st.sampled_from([b"b", b"c", b"b=3Dc"]))
    children = draw(st.lists(entities(depth - 1), min_size=1, max_size=3))
    subtype = b"signed" if kind == "signed" else b"mixed"
    glue = draw(st.sampled_from([b"", b"before\r\n", b"avant: \xe9\r\n"]))
    body = glue + b"".join(b"--" + boundary + b"\r\n" + child + b"\r\n" for child in children)
    close = draw(st.sampled_from([b"", b"--" + boundary + b"--\r\n" + glue]))
    parameter = b'"' + boundary + b'"'
    return (
        head + b"Content-Type: multipart/" + subtype + b"; boundary=" + parameter + b"\r\n\r\n"
        + body + close
    )  # fmt: skip


@given(entities(), st.sampled_from([SEVEN, EIGHT]))
@example(b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 300 + b"Q", SEVEN)
def test_any_message_decodes_to_the_same_and_fits(entity: bytes, hop: NextHop) -> None:
    data = b"MIME-Version: 1.0\r\n" + entity
    before = scan(data)
    # What has no remedy: overlong words in header fields, overlong lines under a signature.
    spared = b"multipart/signed" in data or not all(
        examine(data, part.header_start, part.body_start).plain for part in before.walk()
    )
    try:
        conversion = downgrade(data, hop)
    except Inconvertible:
        return
    if conversion is None:
        assert hop.takes(examine(data)) or spared
        return
    octets = b"".join(conversion.pieces(data))
    after = scan(octets)
    assert shape(after) == shape(before)
    assert_same([*leaves(data, before)], [*leaves(octets, after)])
    traits = examine(octets)
    assert not traits.odd
    assert hop.takes(traits) or spared
    assert downgrade(octets, hop) is None or spared


@pytest.mark.parametrize("hop", [SEVEN, EIGHT])
@pytest.mark.parametrize(
    "data",
    [
        b"Subject: a\0b\r\n\r\nx\r\n",
        b"Subject: a\rb\r\n\r\nx\r\n",
        b"Subject: a\nX: b\r\n\r\nx\r\n",
        b"Subject: a\n.\r\nMAIL FROM:<>\r\n\r\nx\r\n",
        b"Subject: a\r\n\nx\r\n",
        b"Subject: a\n\nx\n",
        b"Content-Type: message/rfc822\r\n\r\nSubject: a\nX: b\r\n\r\nx\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: y\n\r\n\r\nx\r\n--b--\r\n",
    ],
)
def test_header_fields_that_only_a_binary_way_takes_go_no_other(data: bytes, hop: NextHop) -> None:
    """RFC 5321 §2.3.8: no bare CR or LF is sent in lines; a header has no encoding to hide it."""
    with pytest.raises(Inconvertible) as refused:
        downgrade(data, hop)
    assert refused.value.status == "5.6.3"
    assert downgrade(data, NextHop(binary=True)) is None


def assert_same(before: list[bytes], after: list[bytes]) -> None:
    assert [leaf.rstrip(b"\r\n") for leaf in after] == [leaf.rstrip(b"\r\n") for leaf in before]


@given(st.lists(st.tuples(text_lines, line_ends), max_size=30), st.integers(0, 3))
def test_traits_are_what_a_slow_look_finds(rows: list[tuple[bytes, bytes]], offset: int) -> None:
    data = b"".join(line + end for line, end in rows)[offset:]
    without = data.replace(b"\r\n", b"")
    assert examine(data) == Traits(
        len(data),
        sum(octet > 127 for octet in data),
        sum(octet in b"\0\r\n" for octet in without),
        examine(data).long_line,
    )
    if not examine(data).odd:
        assert examine(data).long_line == any(len(row) > 998 for row in data.split(b"\r\n"))


@given(st.lists(st.sampled_from([b"x" * 998, b"y", b"\r", b"\n", b"\r\n", b"z" * 500])))
def test_overlong_lines_are_seen_however_octets_come(pieces: list[bytes]) -> None:
    watch = LineWatch()
    for piece in [*pieces, b"\r\n"]:
        watch.feed(piece)
    data = b"".join([*pieces, b"\r\n"])
    if not examine(data).odd:
        assert watch.long == examine(data).long_line


def test_traits_do_not_depend_on_where_slices_begin() -> None:
    for shift in range(3):
        data = b"x" * shift + b"\r\n" * ((1 << 17) + 5)
        assert examine(data) == Traits(len(data))


def test_a_mapped_file_is_converted_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "message"
    line = "Das ist eine Zeile mit ein paar Umlauten: äöü\n"
    head = HEAD + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n"
    path.write_bytes(crlf(head + line * 40_000 + "\n--b--\n"))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        conversion = downgrade(data, SEVEN)
        assert conversion is not None
        pieces = list(conversion.pieces(data))
        assert max(map(len, pieces)) < 1 << 20
        assert b"".join(pieces) == converted(data[:])


@pytest.mark.parametrize(
    "unit",
    [b"\xe9", b"=", b"= ", b" ", b"--", b"\xc3\xa4 word ", b"x\r\n", b"\r", b"\0\n"],
)
@pytest.mark.parametrize("encoding", [b"8bit", b"quoted-printable", b"base64"])
def test_time_is_linear(unit: bytes, encoding: bytes) -> None:
    def seconds(size: int) -> float:
        data = b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n\xff"
        data += unit * (size // len(unit)) + b"y" * 1000
        best = 9.9
        for _ in range(3):
            start = time.process_time()
            conversion = downgrade(data, SEVEN)
            assert conversion is not None
            conversion.size(data)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(400_000) < 30 * seconds(50_000) + 0.05

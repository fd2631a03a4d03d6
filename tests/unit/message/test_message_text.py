"""What is searched of a message: decoded, folded, in slices that make no difference."""

import base64
import quopri
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import (
    SEPARATOR,
    body_text,
    contains,
    decode_body,
    decoding,
    fold,
    header_text,
    scan,
)
from mailsuite.message import text as text_module
from mailsuite.message.charset import codec_name, decode_text

MIXED = (
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n aus K\xc3\xb6ln\r\nno field\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
    b"--b\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode("Привет".encode("koi8-r"))
    + b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nwithin\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\naGlkZGVu\r\n"
    b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--\r\n"
)


def test_header() -> None:
    root = scan(MIXED)
    assert header_text(MIXED, root).split(SEPARATOR) == [
        fold("Subject: Grüße aus Köln"),
        "NO FIELD",
        "CONTENT-TYPE: MULTIPART/MIXED; BOUNDARY=B",
        "",
    ]


def test_body() -> None:
    texts = "".join(body_text(MIXED, scan(MIXED))).split(SEPARATOR)
    assert fold("Привет") in texts
    assert "SUBJECT: INNER" in texts
    assert "WITHIN" in texts
    assert "{}" in texts
    assert "CONTENT-TYPE: IMAGE/PNG" in texts
    assert "HIDDEN" not in texts
    assert not any("PREAMBLE" in text for text in texts)


def test_contains_across_pieces() -> None:
    assert contains(["AB", "", "CD", "E"], "BCDE")
    assert contains(["AB"], "")
    assert contains([], "")
    assert not contains(["AB", SEPARATOR, "CD"], "BC")
    assert contains(["A"], "A")


@given(st.lists(st.text("AB", max_size=4), max_size=8), st.text("AB", max_size=5))
def test_contains_is_as_on_the_whole(pieces: list[str], needle: str) -> None:
    assert contains(pieces, needle) is (needle in "".join(pieces))


ENCODED = st.one_of(
    st.binary(max_size=200).map(base64.encodebytes),
    st.binary(max_size=200).map(quopri.encodestring),
    st.lists(
        st.sampled_from(
            [b"=", b"==", b"=\r\n", b"=41", b"=4", b"QUJD", b"QU", b" ", b"\t\r\n", b"\r\n", b"x"]
        ),
        max_size=40,
    ).map(b"".join),
    st.binary(max_size=200),
)


@given(ENCODED, st.sampled_from(["base64", "quoted-printable", "7bit"]), st.integers(1, 64))
def test_decoding_in_slices(body: bytes, encoding: str, size: int) -> None:
    data = b"Content-Transfer-Encoding: %b\r\n\r\n%b" % (encoding.encode(), body)
    root = scan(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "SLICE", size)
        patch.setattr(decoding, "HELD", size)
        octets = b"".join(text_module.decoded(data, root))
    if encoding == "quoted-printable" and any(len(line) >= size for line in body.split(b"\n")):
        return  # cut inside a line, where white space and escapes may be told apart differently
    assert octets == decode_body(body, encoding)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize("charset", ["utf-8", "x-unknown", "utf-16", "iso-2022-jp", "us-ascii"])
def test_large_texts(encoding: str, charset: str) -> None:
    text = "".join(f"Zeile {n}: Grüße, 日本語\u0301\r\n" for n in range(20_000))
    codec = codec_name(charset)
    octets = text.encode("utf-8" if codec in (None, "ascii") else codec, "replace")
    body = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(
        encoding, bytes
    )(octets)
    head = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}"
    data = head.encode() + b"\r\n\r\n" + body
    pieces = list(body_text(data, scan(data)))
    assert max(map(len, pieces)) < 3 * text_module.SLICE
    assert len(pieces) > 3
    assert "".join(pieces) == fold(decode_text(decode_body(body, encoding), charset)) + SEPARATOR


def test_large_text_that_is_no_utf8() -> None:
    octets = b"plain text\r\n" * 30_000 + b"\xe9"
    data = b"\r\n" + octets
    assert "".join(body_text(data, scan(data))) == fold(octets.decode("cp1252")) + SEPARATOR


@pytest.mark.parametrize("charset", sorted({*aliases, "koi8-r", "windows-1252"}))
def test_every_charset_can_be_cut(charset: str) -> None:
    data = b"Content-Type: text/plain; charset=%b\r\n\r\n" % charset.encode() + b"text " * 40_000
    assert "".join(body_text(data, scan(data))).endswith(SEPARATOR)


@given(st.binary(max_size=400), st.integers(1, 50))
def test_never_raises(data: bytes, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "SLICE", size)
        patch.setattr(decoding, "HELD", size)
        root = scan(data)
        header_text(data, root)
        list(body_text(data, root))

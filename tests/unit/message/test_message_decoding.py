"""Bodies decoded in pieces are bodies decoded whole; NUL octets go where they can be carried."""

import base64
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsuite.message import Part, decode_body, decoder, scan, without_nul
from mailsuite.message import decoding as decoding_module

ENCODED = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=60).map(base64.encodebytes),
    st.text("=AB4a \t\r\n", max_size=60).map(str.encode),
)


@example(bytes(12) + b"=00\0", "quoted-printable", [])
@given(
    ENCODED,
    st.sampled_from(["base64", "quoted-printable", "8bit"]),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_pieces(octets: bytes, encoding: str, at: list[int]) -> None:
    cuts = sorted(min(cut, len(octets)) for cut in at)
    taken_off = decoder(encoding)
    assert taken_off is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding_module, "HELD", 16)
        pieces = [taken_off.feed(octets[a:b]) for a, b in pairwise([0, *cuts, len(octets)])]
        assert b"".join([*pieces, taken_off.end()]) == decode_body(octets, encoding)


def test_unknown_encoding() -> None:
    assert decoder("x-uuencode") is None


def test_no_nul_no_change() -> None:
    assert without_nul(b"Subject: a\r\n\r\nb\r\n") is None


def test_root() -> None:
    made = b"".join(without_nul(b"Subject: a\r\n\r\nb\0\r\n") or ())
    assert made == (
        b"Subject: a\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\nYgANCg==\r\n"
    )


def test_large() -> None:
    body = bytes(range(256)) * 2000
    head = (
        b"MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    )
    made = b"".join(without_nul(head + body) or ())
    root = scan(made)
    assert root.encoding == "base64"
    assert max(map(len, made.split(b"\r\n"))) <= 76
    assert decode_body(made[root.body_start :], "base64") == body


@pytest.mark.parametrize(
    "message",
    [
        b"Sub\0ject: a\r\n\r\nb",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\0\r\n--b\r\n\r\n\r\n--b--\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n\0",
        b"\0",
    ],
)
def test_nowhere_to_hide(message: bytes) -> None:
    with pytest.raises(ValueError, match="NUL"):
        without_nul(message)


PIECES = [b"--b\r\n", b"--b--", b"\r\n", b"\0", b"a: b\r\n", b"Content-Type: message/rfc822\r\n"]
PIECES += [
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Transfer-Encoding: binary\r\n",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_fuzz(message: bytes) -> None:
    """Either refused, or without a NUL, every leaf with the octets that it had."""
    try:
        pieces = without_nul(message)
    except ValueError:
        return
    made = message if pieces is None else b"".join(pieces)
    assert b"\0" not in made
    before, after = scan(message), scan(made)
    assert [_leaf(message, p) for p in before.walk()] == [_leaf(made, p) for p in after.walk()]


def _leaf(data: bytes, part: Part) -> bytes:
    if part.parts or part.message is not None:
        return part.content_type.encode()
    return decode_body(data[part.body_start : part.body_end], part.encoding)


def test_an_equals_sign_before_a_bare_cr_loses_nothing() -> None:
    assert decode_body(b"a=\rb\r\nc=\r\nd==\re", "quoted-printable") == b"a=\rb\r\ncd=\re"

"""Parameters of content fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import decode_params, scan


def params(text: str | bytes) -> tuple[tuple[bytes, bytes], ...]:
    octets = text if isinstance(text, bytes) else text.encode()
    return scan(b"Content-Type: a/b" + octets + b"\r\n\r\n").params


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("; charset=UTF-8", {"charset": "UTF-8"}),
        (';charset="utf-8";format=flowed', {"charset": "utf-8", "format": "flowed"}),
        ("; CHARSET=x; charset=y", {"charset": "x"}),
        ("; a=b c=d", {"a": "b", "c": "d"}),
        ("; a=b; ; ;;c=d;", {"a": "b", "c": "d"}),
        ("; a; b=c", {"b": "c"}),
        ("; =x; b=c", {"b": "c"}),
        ('; "x"; b=c', {"b": "c"}),
        (" a=b", {"a": "b"}),
        ('; a="b;c=d"', {"a": "b;c=d"}),
        (r'; a="b\"c\\d"', {"a": 'b"c\\d'}),
        ('; a="never closed; b=c', {"a": "never closed; b=c"}),
        ('; a="ends in a backslash\\', {"a": "ends in a backslash"}),
        ('; a="b" c="d"', {"a": "b", "c": "d"}),
        ('; a="b" (comment; x=y); c=d', {"a": "b", "c": "d"}),
        ("; a=b (com(ment)); c=d", {"a": "b", "c": "d"}),
        ("; a=b (never closed; c=d", {"a": "b", "c": "d"}),
        ('; a="(no comment)"', {"a": "(no comment)"}),
        ("; name=file(1).pdf", {"name": "file(1).pdf"}),
        ("; name=my file(1)(2).pdf; a=b(c)", {"name": "my file(1)(2).pdf", "a": "b"}),
        ("; charset=us-ascii(Plain text)", {"charset": "us-ascii"}),
        ("; charset(a)=(b)utf-8(c)(d); a=b", {"charset": "utf-8", "a": "b"}),
        ("; name=a.pdf (comment)(c)", {"name": "a.pdf"}),
        ("; name=my file.pdf", {"name": "my file.pdf"}),
        ("; name=my file.pdf; a=b", {"name": "my file.pdf", "a": "b"}),
        ("; name=file.pdf a=b", {"name": "file.pdf", "a": "b"}),
        ('; name="=?utf-8?q?=C3=BC=2Epdf?="', {"name": "ü.pdf"}),
        ('; name="=?utf-8?b?w7w=?=\r\n =?utf-8?b?w7w=?="', {"name": "üü"}),
        ('; name="a\r\n b"', {"name": "a b"}),
        ("; name=ü", {"name": "ü"}),
        ("; name*=utf-8''%C3%BC%20x", {"name": "ü x"}),
        ("; name*=UTF-8'de'%c3%bc", {"name": "ü"}),
        ("; name*=iso-8859-1''%FC", {"name": "ü"}),
        ("; name*=x-nonsense''%FC", {"name": "ü"}),
        ("; name*=no-quotes", {"name": "no-quotes"}),
        ("; name*=utf-8''%", {"name": "%"}),
        ("; name*=utf-8''%C3", {"name": "\ufffd"}),
        ("; name*=\"utf-8''quoted%20too\"", {"name": "quoted too"}),
        ("; name*0=a; name*1=b; name*2=c", {"name": "abc"}),
        ("; name*2=c; name*0=a; name*1=b", {"name": "abc"}),
        ("; name*0=a; name*2=c", {"name": "a"}),
        ("; name*1=b", {}),
        ("; name*0*=utf-8''%C3; name*1*=%BC; name*2=%41", {"name": "ü%41"}),
        ("; name*0=a; name*0=b", {"name": "a"}),
        ("; name=plain; name*=utf-8''better", {"name": "better"}),
        ("; name*=utf-8''better; name=plain", {"name": "better"}),
        ("; name*x=y", {}),
    ],
)
def test_decoded(text: str, expected: dict[str, str]) -> None:
    assert decode_params(params(text)) == expected


def test_raw_form_is_as_written() -> None:
    assert params('; Name*0*=utf-8\'\'%C3%BC; NAME*1="a\\"b"; x=\xfc'.encode("latin-1")) == (
        (b"Name*0*", b"utf-8''%C3%BC"),
        (b"NAME*1", b'a"b'),
        (b"x", b"\xfc"),
    )


CFWS = st.sampled_from(["", "", " ", "\t", "\r\n ", "(c)", " (a(b\\))c; x=y)\r\n "])
TOKENS = st.text(st.sampled_from("abXY09!#$&+-.^_`{|}~"), min_size=1, max_size=6)


@st.composite
def values(draw: st.DrawFn) -> tuple[str, str]:
    """value of RFC 2045 §5.1: as it is written, and what it means."""
    if draw(st.booleans()):
        token = draw(TOKENS)
        return token, token
    written, meant = "", ""
    for char in draw(st.text(st.sampled_from('ab ;=,()<>@:/[]?"\\\t'), max_size=6)):
        written += "\\" + char if char in '"\\' or draw(st.booleans()) else char
        meant += char
    return f'"{written}"', meant


@given(
    TOKENS,
    TOKENS,
    st.lists(st.tuples(TOKENS.filter(lambda name: "name" not in name), values()), max_size=4),
    st.data(),
)
def test_what_the_grammar_makes_is_read_as_it_is_meant(
    major: str, minor: str, given_: list[tuple[str, tuple[str, str]]], data: st.DataObject
) -> None:
    """RFC 2045 §5.1, with white space and comments between all tokens (RFC 5322 §4)."""
    tokens = [major, "/", minor]
    for name, (written, _) in given_:
        tokens += [";", name, "=", written]
    between = data.draw(st.lists(CFWS, min_size=len(tokens) + 1, max_size=len(tokens) + 1))
    value = between[0] + "".join(map("".join, zip(tokens, between[1:], strict=True)))
    part = scan(f"Content-Type: {value}\r\n\r\n".encode())
    assert (part.type, part.subtype) == (major.lower(), minor.lower())
    assert part.params == tuple((n.encode(), meant.encode()) for n, (_, meant) in given_)

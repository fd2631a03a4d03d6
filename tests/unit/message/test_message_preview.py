"""Previews: the first words, on one line, never too many."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import preview, scan

HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n"


def shown(message: bytes) -> str:
    return preview(message, scan(message))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"Subject: x\r\n\r\n  Hello,\r\n\r\n\tworld!  \r\n", "Hello, world!"),
        (b"\r\n> before\r\nmine\r\n> after\r\n-- \r\nsignature\r\n", "mine"),
        (b"\r\n> only quoted\r\n", "> only quoted"),
        (b"\r\n----------\r\nnews\r\n=====\r\nmore\r\n", "news more"),
        (b"\r\n" + b"word " * 100, ("word " * 40).strip()),
        ("\r\nGrüße an alle".encode(), "Grüße an alle"),
        (b"\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n", ""),
        (
            b"\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nSigned.\r\n"
            b"-----BEGIN PGP SIGNATURE-----\r\nabc\r\n",
            "Signed.",
        ),
        (b"Content-Type: image/png\r\n\r\nabc", ""),
        (b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n", ""),
        (b"Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\nabc\r\n--b--\r\n", ""),
        (
            HTML
            + b"He wrote:<blockquote type=cite>a<blockquote>b</blockquote>c</blockquote>No.<p>",
            "He wrote: No.",
        ),
        (HTML + b'<blockquote class="gmail_quote">all there is<blockquote>', "all there is"),
        (HTML + b"a</blockquote><blockquote>indented</blockquote>b", "a indented b"),
        (HTML + b"a<BLOCKQUOTE TYPE=cite>never closed", "a"),
        (HTML + b"<html><head><title>T</title><style>p {a: b}</style></head>Hi", "Hi"),
        (HTML + b"<!-- a > b --><p>one</p><p>t<b>w</b>o</p><br>three", "one two three"),
        (HTML + b"1 &lt; 2 &amp; &#51; &#x34; &nbsp;&zwnj;&nbsp;&zwnj; &eacute;", "1 < 2 & 3 4 é"),
        (HTML + b"a < b <i", "a < b"),
        (HTML + b"<script>if (a < b) {</script>x<script>y", "x"),
        (HTML + b"&#99999999999; &#xfffffff; &#1114112;", "&#99999999999; &#xfffffff; \ufffd"),
        (HTML + b"<style>" + b"x" * 100_000 + b"</style>found", "found"),
        (
            b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n \r\n"
            b"--b\r\nContent-Type: text/html\r\n\r\n<p>markup\r\n--b--\r\n",
            "markup",
        ),
        (
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\nContent-Disposition: attachment\r\n\r\nattached\r\n"
            b"--b\r\n\r\nbody\r\n--b--\r\n",
            "body",
        ),
    ],
)
def test_preview(message: bytes, text: str) -> None:
    assert shown(message) == text


def test_base64_of_a_long_text_in_utf_8() -> None:
    body = base64.encodebytes(("ü" * 99 + " ").encode() * 1000)
    message = (
        b"Content-Transfer-Encoding: base64\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    assert shown(message + body) == "ü" * 99 + " " + "ü" * 99


MARKUP = ["<p>", "</p>", "<b", ">", "<!--", "-->", "&", "&#1", ";", "<style>", "</style>", "x", " "]
MARKUP += ["\n", "> ", "-- \r\n", "\u200c", "ü", '"', "<script", "&nbsp;", "\x00", "\x1b"]


@given(
    st.sampled_from(["html", "plain"]),
    st.sampled_from(["utf-8", "utf-7", "utf-16", "x"]),
    st.one_of(st.lists(st.sampled_from(MARKUP)).map("".join).map(str.encode), st.binary()),
)
def test_fuzz(subtype: str, charset: str, body: bytes) -> None:
    """One line of at most 200 characters, without controls, whatever the message is."""
    text = shown(f"Content-Type: text/{subtype}; charset={charset}\r\n\r\n".encode() + body)
    assert len(text) <= 200
    assert text == text.strip()
    assert all(character >= " " for character in text)


def test_markup_without_end_is_linear() -> None:
    for piece in (b"<b ", b"<!--", b"<style>", b"<style ", b"&#", b'<b "', b"</"):
        shown(HTML + piece * 40_000)

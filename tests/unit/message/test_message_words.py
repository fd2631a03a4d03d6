"""Encoded words, charsets and transfer encodings."""

from email.header import Header, decode_header, make_header
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import codec_name, decode_body, decode_text, decode_words
from mailsuite.message.charset import _CODECS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 2047 §8
        (b"(=?ISO-8859-1?Q?a?=)", "(a)"),
        (b"(=?ISO-8859-1?Q?a?= b)", "(a b)"),
        (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a?=\r\n       =?ISO-8859-1?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
        (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
        (b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n"
         b" =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
         "If you can read this you understand the example."),
        # languages (RFC 2231 §5), character sets
        (b"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"),
        (b"=?euc-kr?B?sKGzqrTZ?=", "가나다"),
        (b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?gb2312?B?1tDOxA==?=", "中文"),
        (b"=?koi8-r?Q?=ED=C9=D2?=", "Мир"),
        (b"=?x-nonsense?Q?=C3=BC?=", "ü"),
        (b"=?x-nonsense?Q?=FC?=", "ü"),
        # a character cut in two, in either encoding
        (b"=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "ü"),
        (b"=?utf-8?B?ww==?= =?UTF-8?Q?=BC?=", "ü"),
        # careless senders
        (b"=?utf-8?Q?a b?=", "a b"),
        (b"x=?utf-8?Q?a?=y", "xay"),
        (b"=?utf-8?Q?a?==?utf-8?Q?b?=", "ab"),
        (b"=?utf-8?B?w7w?=", "ü"),
        (b"=?utf-8?B?w7w=!?=", "ü"),
        (b"=?utf-8?Q??=", ""),
        (b"=?utf-8?Q?=zz=C3=BC=?=", "=zzü"),
        (b"=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
        (b"=?utf-8?Q?never closed", "=?utf-8?Q?never closed"),
        (b"=?", "=?"),
        (b"=??Q?a?=", "=??Q?a?="),
        (b"a =? b =?utf-8?q?c?=", "a =? b c"),
        (b"caf\xc3\xa9 =?utf-8?q?=C3=A9?=", "café é"),
        (b"caf\xe9", "café"),
        (b" plain\r\n text ", " plain text "),
        (b"", ""),
    ],
)  # fmt: skip
def test_decode_words(value: bytes, text: str) -> None:
    assert decode_words(value) == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=120))
def test_what_the_standard_library_encodes_is_read(text: str) -> None:
    encoded = Header(text, "utf-8").encode()
    expected = str(make_header(decode_header(encoded)))
    if "=?" in encoded:
        assert decode_words(encoded.encode()) == expected


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        (b"\xfc", "iso-8859-1", "ü"),
        (b"\x93x\x94", "ISO-8859-1", "“x”"),
        (b"\xc3\xbc", "us-ascii", "ü"),
        (b"\xfc", "us-ascii", "ü"),
        (b"\xc3\xbc", "utf8", "ü"),
        (b"\xfc", "utf-8", "\ufffd"),
        (b"\xc3\xbc", "", "ü"),
        (b"\xfc", "no such charset", "ü"),
        (b"\xb0\xa1", "ks_c_5601-1987", "가"),
        (b"\x82\xa0", "Shift_JIS", "あ"),
        (b"\x82\xa0", "x-sjis", "あ"),
        (b"\xa4\xa4", "big5", "中"),
        (b"\xb9\xfa", "GB2312", "国"),
        (b"\xe0\xe8", "tis-620", "เ่"),
        (b"+APw-", "unicode-1-1-utf-7", "ü"),
        (b"a+2AA-b", "utf-7", "a\ufffdb"),
        (b"\xff\xfeA\0", "utf-16", "A"),
    ],
)
def test_decode_text(octets: bytes, charset: str, text: str) -> None:
    assert decode_text(octets, charset) == text


@pytest.mark.parametrize(
    "name",
    ["punycode", "idna", "undefined", "unicode_escape", "rot13", "zlib", "hex", "base64", "uu",
     "", "-", "x" * 500, "../../etc", "a\0b", "mbcs", "unicode-escape", "raw-unicode-escape"],
)  # fmt: skip
def test_what_is_no_charset(name: str) -> None:
    assert codec_name(name) is None
    assert decode_text(b"x", name) == "x"


def test_every_charset_decodes_any_octets() -> None:
    octets = bytes(range(256)) * 2
    for name in sorted(_CODECS | set(aliases)):
        assert decode_text(octets, name).encode()
    assert codec_name("utf-8") == "utf_8"


@pytest.mark.parametrize(
    ("octets", "encoding", "expected"),
    [
        (b"SGVsbG8=", "base64", b"Hello"),
        (b"SGVs\r\nbG8=\r\n", "BASE64", b"Hello"),
        (b" S*G\tVs bG8= ", "base64", b"Hello"),
        (b"SGVsbG8", "base64", b"Hello"),
        (b"SGVsbG", "base64", b"Hell"),
        (b"SGVsb", "base64", b"Hel"),
        (b"S", "base64", b""),
        (b"", "base64", b""),
        (b"=", "base64", b""),
        (b"\xff\xfe", "base64", b""),
        (b"a=3Db", "quoted-printable", b"a=b"),
        (b"a=\r\nb=\nc", "Quoted-Printable", b"abc"),
        (b"a= \t\r\nb", "quoted-printable", b"ab"),
        (b"a \t \r\nb ", "quoted-printable", b"a\r\nb"),
        (b"=e4=E4=xx=", "quoted-printable", b"\xe4\xe4=xx"),
        (b"a_b", "quoted-printable", b"a_b"),
        (b"=B0=A1=B3=AA =B4=D9", "quoted-printable", "가나 다".encode("euc-kr")),
        (b"sKGzqrTZ", "base64", "가나다".encode("euc-kr")),
        (b"a=3Db", "7bit", b"a=3Db"),
        (b"a=3Db", "x-unknown", b"a=3Db"),
        (b"a=3Db", "", b"a=3Db"),
    ],
)
def test_decode_body(octets: bytes, encoding: str, expected: bytes) -> None:
    assert decode_body(octets, encoding) == expected

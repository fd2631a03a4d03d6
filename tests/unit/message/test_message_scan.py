"""The MIME scanner on messages written out by hand."""

import mmap
import tempfile

import pytest

from mailsuite.message import Limits, Part, scan, section


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def head(data: bytes, part: Part) -> bytes:
    return data[part.header_start : part.body_start]


def body(data: bytes, part: Part) -> bytes:
    return data[part.body_start : part.body_end]


def bodies(data: bytes) -> list[tuple[str, bytes]]:
    return [
        (part.content_type, body(data, part))
        for part in scan(data).walk()
        if not part.parts and part.message is None
    ]


NESTED = """\
From: user@domain.org
Date: Sat, 24 Mar 2007 23:00:00 +0200
Mime-Version: 1.0
Content-Type: multipart/mixed; boundary="foo
 bar"

Root MIME prologue

--foo bar
Content-Type: text/x-myown; charset=us-ascii

hello

--foo bar
Content-Type: message/rfc822

From: sub@domain.org
Subject: submsg
Content-Type: multipart/alternative; boundary="sub1"

Sub MIME prologue
--sub1
Content-Type: text/html

<p>Hello world</p>

--sub1
Content-Type: text/plain

Hello another world

--sub1--
Sub MIME epilogue

--foo bar--
Root MIME epilogue
"""


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_sections_of_a_nested_message(line_end: str) -> None:
    data = NESTED.replace("\n", line_end).encode()

    def octets(text: str) -> bytes:
        return text.replace("\n", line_end).encode()

    root = scan(data)
    assert root.content_type == "multipart/mixed"
    assert head(data, root) + body(data, root) == data
    first, second = root.parts
    assert head(data, first) == octets("Content-Type: text/x-myown; charset=us-ascii\n\n")
    assert body(data, first) == octets("hello\n")
    assert first.lines == 1
    message = second.message
    assert message is not None
    assert head(data, second) == octets("Content-Type: message/rfc822\n\n")
    assert head(data, message).startswith(b"From: sub@domain.org")
    assert body(data, second) == head(data, message) + body(data, message)
    assert body(data, second).endswith(octets("Sub MIME epilogue\n"))
    html, plain = message.parts
    assert body(data, html) == octets("<p>Hello world</p>\n")
    assert body(data, plain) == octets("Hello another world\n")
    assert section(root, (1,)) is first
    assert section(root, (2, 1)) is html
    assert section(root, (2, 2)) is plain
    for missing in [(3,), (0,), (2, 3), (1, 1), (2, 1, 1), (-1,)]:
        assert section(root, missing) is None


def test_section_numbers_of_single_parts() -> None:
    data = crlf("Content-Type: text/plain\n\nhi\n")
    root = scan(data)
    assert section(root, ()) is root
    assert section(root, (1,)) is root
    assert section(root, (1, 1)) is None
    data = crlf(
        "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nSubject: x\n\ntext\n"
    )
    root = scan(data)
    assert root.message is not None and root.message.message is not None
    assert section(root, (1,)) is root
    assert section(root, (1, 1)) is root.message
    assert section(root, (1, 1, 1)) is root.message.message
    assert body(data, root.message.message) == b"text\r\n"
    assert section(root, (1, 1, 1, 1)) is None


def test_digest_members_are_messages() -> None:
    data = crlf(
        "Content-Type: multipart/digest; boundary=foo\n\nprologue\n"
        "\n--foo \n\nFrom: m1@example.com\n\nm1 body\n"
        "\n--foo \nX-Mime: m2 header\n\nFrom: m2@example.com\n\nm2 body\n"
        "\n--foo\nContent-Type: text/plain\n\nplain\n--foo--\n"
    )
    one, two, three = scan(data).parts
    assert (one.content_type, one.params) == ("message/rfc822", ())
    assert head(data, one) == b"\r\n"
    assert one.message is not None and two.message is not None
    assert body(data, one) == crlf("From: m1@example.com\n\nm1 body\n")
    assert body(data, one.message) == b"m1 body\r\n"
    assert head(data, two) == b"X-Mime: m2 header\r\n\r\n"
    assert three.content_type == "text/plain"


def multipart(text: str, boundary: str = "b") -> bytes:
    return crlf(f'Content-Type: multipart/mixed; boundary="{boundary}"\n\n{text}')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--b\n\none\n--b\n\ntwo\n--b--\n", [b"one", b"two"]),
        ("--b\n\none\n--b\n\ntwo\n", [b"one", b"two\r\n"]),
        ("--b\n\none\n--b\n\ntwo", [b"one", b"two"]),
        ("--b\n\none\n--b--", [b"one"]),
        ("--b\n\none\n--b", [b"one", b""]),
        ("--b\n--b\n--b--\n", [b"", b""]),
        ("--b\n\n--b\n\n\n--b--\n", [b"", b""]),
        ("--b\n\n\n\n--b--\n", [b"\r\n"]),
        ("--b \t \n\none\n--b-- \t\nepilogue\n--b\nno part\n", [b"one"]),
        ("--b\n\n --b\n-b\nx--b\n--b--\n", [b" --b\r\n-b\r\nx--b"]),
        ("--bc\n\none\n--b-x\n\ntwo\n--b--x\n", [b"one", b"two"]),
        ("--b\nContent-Type: text/plain\n--b--\n", [b""]),
        ("preamble --b\n--b\n\none\n--b--", [b"one"]),
        ("--b;junk after the boundary\n\none\n--b--;junk\n", [b"one"]),
        ("", [b""]),
        ("no delimiter line\n", [b"no delimiter line\r\n"]),
        ("--b--\n", [b"--b--\r\n"]),
    ],
)
def test_delimiter_lines(text: str, expected: list[bytes]) -> None:
    data = multipart(text)
    assert bodies(data) == [("text/plain", octets) for octets in expected]
    data = data.replace(b"\r\n", b"\n")
    assert bodies(data) == [("text/plain", octets.replace(b"\r\n", b"\n")) for octets in expected]


def test_the_blank_line_belongs_to_the_header_even_before_a_boundary() -> None:
    data = multipart("--b\nContent-ID: <1>\n\n--b--\n")
    (part,) = scan(data).parts
    assert head(data, part) == b"Content-ID: <1>\r\n\r\n"
    assert body(data, part) == b""


def nest(outer: str, inner: str) -> bytes:
    return multipart(
        f'--{outer}\nContent-Type: multipart/alternative; boundary="{inner}"\n\n'
        f"--{inner}\n\none\n--{inner}\n\ntwo\n--{inner}--\n"
        f"--{outer}\n\nthree\n--{outer}--\n",
        outer,
    )


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("abc", "abcd"),
        ("abcd", "abc"),
        ("a", "a--"),
        ("a", "a-"),
        ("Apple-Mail-1", "Apple-Mail-10"),
        ("same", "same"),
        ("=_x", "=_x.alt"),
        ("x y", "x y z"),
    ],
)
def test_boundaries_that_begin_alike(outer: str, inner: str) -> None:
    data = nest(outer, inner)
    assert [octets for _, octets in bodies(data)] == [b"one", b"two", b"three"]
    root = scan(data)
    assert [part.content_type for part in root.parts] == ["multipart/alternative", "text/plain"]


def test_an_inner_multipart_that_does_not_end_leaves_the_outer_its_end() -> None:
    data = multipart(
        "--a\nContent-Type: multipart/mixed; boundary=a-\n\n--a-\n\none\n--a-- \nepilogue\n", "a"
    )
    assert bodies(data) == [("text/plain", b"one")]


def test_outer_boundary_ends_inner_multiparts() -> None:
    data = multipart(
        "--b\nContent-Type: multipart/mixed; boundary=c\n\n"
        "--c\nContent-Type: message/rfc822\n\n"
        "Content-Type: multipart/mixed; boundary=d\n\n--d\n\ndeep\n"
        "--b\n\nnext\n--c\nnot a delimiter any more\n--b--\n"
    )
    assert [octets for _, octets in bodies(data)] == [
        b"deep",
        b"next\r\n--c\r\nnot a delimiter any more",
    ]
    inner = scan(data).parts[0]
    for part in inner.walk():
        assert part.body_end == inner.body_end


def test_an_inner_boundary_does_not_hide_an_outer_one_used_thrice() -> None:
    """A level between two that share a boundary still finds its own delimiter lines."""
    data = multipart(
        "--x\nContent-Type: multipart/mixed; boundary=y\n\n"
        "--y\nContent-Type: multipart/mixed; boundary=x\n\n"
        "--x\n\none\n--x\n\ntwo\n--x--\n"
        "--y\n\nthree\n--y--\n"
        "--x\n\nfour\n--x--\n",
        "x",
    )
    assert [octets for _, octets in bodies(data)] == [b"one", b"two", b"three", b"four"]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, ("text/plain", ((b"charset", b"us-ascii"),))),
        ("text", ("text/plain", ((b"charset", b"us-ascii"),))),
        ("text; charset=utf-8", ("text/plain", ((b"charset", b"utf-8"),))),
        ("", ("text/plain", ((b"charset", b"us-ascii"),))),
        ("text/", ("text/plain", ((b"charset", b"us-ascii"),))),
        ("/html", ("text/plain", ((b"charset", b"us-ascii"),))),
        ("multipart; boundary=b", ("text/plain", ((b"charset", b"us-ascii"),))),
        ('"text/html"', ("text/plain", ((b"charset", b"us-ascii"),))),
        ("text/pl\0in", ("text/pl", ())),
        ("TEXT/HTML", ("text/html", ())),
        ("text / html ; charset = utf-8", ("text/html", ((b"charset", b"utf-8"),))),
        (
            "(a (b) c) text/(x)html; (y) charset=(z) utf-8 (w)",
            ("text/html", ((b"charset", b"utf-8"),)),
        ),
        ("application/x; a=b", ("application/x", ((b"a", b"b"),))),
    ],
)
def test_content_type(field: str | None, expected: tuple[str, object]) -> None:
    data = b"" if field is None else f"Content-Type: {field}\r\n".encode()
    part = scan(data + b"\r\nx")
    assert (part.content_type, part.params) == expected


def test_the_first_of_several_content_fields_counts() -> None:
    part = scan(b"content-type: text/html\nX: y\nCONTENT-TYPE: text/plain\n\n")
    assert part.content_type == "text/html"


def test_content_fields() -> None:
    part = scan(
        crlf(
            "Content-Type: image/png\n"
            "Content-Transfer-Encoding: (why)\n BASE64 (not)\n"
            "Content-ID:  <a@b>\n"
            "Content-Description: a\n =?utf-8?q?b?=\n"
            "Content-Disposition: Attachment;\n filename=x.png; size=3\n"
            "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\n"
            "Content-Language: de (German), en-GB\n"
            "Content-Location: http://x/y\n"
            "X-Content-Type: text/html\n"
            "Content-Type-Not: text/html\n\n"
        )
    )
    assert part.content_type == "image/png"
    assert part.encoding == "base64"
    assert part.content_id == b"<a@b>"
    assert part.description == b"a =?utf-8?q?b?="
    assert part.disposition == "attachment"
    assert part.disposition_params == ((b"filename", b"x.png"), (b"size", b"3"))
    assert part.filename == "x.png"
    assert part.md5 == b"Q2hlY2sgSW50ZWdyaXR5IQ=="
    assert part.language == (b"de", b"en-GB")
    assert part.location == b"http://x/y"


def test_absent_and_empty_content_fields() -> None:
    part = scan(b"Content-ID:\nContent-Disposition: ;x\nContent-Transfer-Encoding:\n\nx")
    assert part.content_id is None
    assert part.disposition is None
    assert part.encoding == "7bit"
    assert part.language == ()
    assert part.filename is None
    assert part.charset == "us-ascii"


@pytest.mark.parametrize(
    ("value", "kind", "params"),
    [
        (b"attachment(c); filename=a", "attachment", ((b"filename", b"a"),)),
        (b'"inline"; filename=a', "inline", ((b"filename", b"a"),)),
        (b"INLINE filename=a", "inline", ((b"filename", b"a"),)),
        (b'filename="a b"', "attachment", ((b"filename", b"a b"),)),
        (b"; filename=a", "attachment", ((b"filename", b"a"),)),
        (b"a.b", "a.b", ()),
        (b";", None, ()),
    ],
)
def test_dispositions(
    value: bytes, kind: str | None, params: tuple[tuple[bytes, bytes], ...]
) -> None:
    part = scan(b"Content-Disposition: " + value + b"\r\n\r\n")
    assert (part.disposition, part.disposition_params) == (kind, params)


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"base64(c)", "base64"),
        (b'"base64"', "base64"),
        (b"8 Bit", "8bit"),
        (b"7bit;", "7bit"),
        (b"x-own thing", "x-own"),
        (b"(7bit)", "7bit"),
        (b"(base64)", "7bit"),
    ],
)
def test_transfer_encodings(value: bytes, encoding: str) -> None:
    assert scan(b"Content-Transfer-Encoding: " + value + b"\r\n\r\n").encoding == encoding


def test_languages_with_comments() -> None:
    assert scan(b"Content-Language: en,(c) de(d)\r\n\r\n").language == (b"en", b"de")


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "x-unknown"])
def test_encoded_messages_are_leaves(encoding: str) -> None:
    part = scan(
        f"Content-Type: message/rfc822\nContent-Transfer-Encoding: {encoding}\n\nA: b\n\nc".encode()
    )
    assert part.message is None


@pytest.mark.parametrize("encoding", ["7bit", "8BIT", "binary"])
def test_messages_in_identity_encodings_are_read(encoding: str) -> None:
    data = (
        f"Content-Type: message/global\nContent-Transfer-Encoding: {encoding}\n\n"
        "Content-Type: text/html\n\nc"
    ).encode()
    part = scan(data)
    assert part.message is not None
    assert part.message.content_type == "text/html"
    assert body(data, part.message) == b"c"


@pytest.mark.parametrize(
    "parameter",
    ["", "; boundary", "; boundary=", '; boundary=""', '; boundary=" "', "; boundary=" + "x" * 999],
)
def test_a_multipart_without_boundary_has_one_part(parameter: str) -> None:
    data = f"Content-Type: multipart/mixed{parameter}\n\n--\n\ntext\n".encode()
    (part,) = scan(data).parts
    assert part.content_type == "text/plain"
    assert head(data, part) == b""
    assert body(data, part) == b"--\n\ntext\n"
    assert part.lines == 3


def test_boundary_in_the_extended_form() -> None:
    data = b"Content-Type: multipart/mixed; boundary*0=a; boundary*1*=%62\n\n--ab\n\none\n--ab--\n"
    assert bodies(data) == [("text/plain", b"one")]


def test_lines_are_line_ends() -> None:
    assert scan(b"\r\na\r\nb\r\n").lines == 2
    assert scan(b"\r\na\r\nb").lines == 1
    assert scan(b"\r\n").lines == 0
    data = multipart("--b\n\na\nb\n--b--\n")
    root = scan(data)
    assert root.parts[0].lines == 1
    assert root.lines == 5


# -- limits --------------------------------------------------------------------------------------


def test_depth_of_multiparts() -> None:
    data = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%dx\n\n--b%dx\n" % (depth, depth)
        for depth in range(100)
    )
    root = scan(data, limits=Limits(depth=10))
    depth = 0
    part = root
    while part.parts:
        part = part.parts[0]
        depth += 1
    assert depth == 11  # the tenth part is a multipart that is not read: one leaf in it
    assert part.content_type == "text/plain"
    assert part.body_end == len(data)


def test_depth_of_messages() -> None:
    data = b"Content-Type: message/rfc822\n\n" * 100
    root = scan(data, limits=Limits(depth=10))
    assert len(list(root.walk())) == 11


def test_number_of_parts() -> None:
    data = multipart("--b\n\nx\n" * 100 + "--b--\n")
    root = scan(data, limits=Limits(parts=10))
    assert len(root.parts) == 10
    assert root.parts[-1].body_end == len(data)
    assert body(data, root.parts[-1]).count(b"--b") == 91


def test_of_a_field_out_of_all_proportion_the_beginning_counts() -> None:
    data = b"Content-Type: text/html" + b"; a=b" * 100 + b"\r\nContent-ID: <1>\r\n\r\n"
    part = scan(data, limits=Limits(value_octets=40))
    assert part.content_type == "text/html" and len(part.params) < 10
    assert part.content_id == b"<1>"


def test_header_octets_and_params() -> None:
    data = b"X: " + b"y" * 200 + b"\nContent-Type: text/html\n\nbody"
    part = scan(data, limits=Limits(header_octets=100))
    assert part.content_type == "text/plain"
    assert body(data, part) == b"body"
    many = b"Content-Type: a/b" + b"".join(b"; p%d=%d" % (n, n) for n in range(500)) + b"\n\n"
    assert len(scan(many, limits=Limits(params=20)).params) == 20


# -- kinds of octets -----------------------------------------------------------------------------


def test_all_kinds_of_octets_give_the_same_tree() -> None:
    data = crlf(NESTED)
    expected = scan(data)
    assert scan(bytearray(data)) == expected
    assert scan(memoryview(data)) == expected
    assert scan(memoryview(b"xx" + data)[2:]) == expected
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert scan(mapped) == expected  # closing it shows that nothing still holds it

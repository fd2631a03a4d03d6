"""What must hold of every input, and of time.

- No parser of header or body raises, whatever the octets.
- Ranges of parts are ordered, lie inside their parent's and together give the octets again.
- Time grows in step with size, on input made to hurt too.
- On well-formed messages the tree is the one that the standard library's parser finds.
"""

import time
from collections.abc import Callable
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import (
    Limits,
    Part,
    address_key,
    decode_body,
    decode_words,
    fields,
    fold,
    parse_addresses,
    parse_date,
    repair_submission,
    scan,
    section,
)

# -- any octets ----------------------------------------------------------------------------------

lines = st.sampled_from(
    [
        b"--a", b"--a--", b"--ab", b"--ab--", b"--", b"", b" ", b"text", b"--a ", b"--a\0",
        b"Content-Type: multipart/mixed; boundary=a",
        b"Content-Type: multipart/alternative; boundary=ab",
        b"Content-Type: multipart/digest; boundary=\"a\"",
        b"Content-Type: multipart/mixed",
        b"Content-Type: message/rfc822",
        b"Content-Type: text/html; charset=\"utf-8",
        b"Content-Transfer-Encoding: base64",
        b"Content-Disposition: attachment; filename*0*=utf-8''x; filename*1=y",
        b"Subject: =?utf-8?q?x?=", b" folded", b"From: a@b (c", b"\xff\xfe", b"x" * 80,
    ]
)  # fmt: skip
ends = st.sampled_from([b"\r\n", b"\n", b"\r\n", b"\r", b""])
messages = st.lists(st.tuples(lines, ends), max_size=60).map(
    lambda rows: b"".join(line + end for line, end in rows)
)


def check_ranges(data: bytes, part: Part, depth: int = 0) -> None:
    """Offsets are ordered and nested; what is between parts are delimiter lines and remarks."""
    assert 0 <= part.header_start <= part.body_start <= part.body_end <= len(data)
    assert part.lines == data.count(b"\n", part.body_start, part.body_end)
    assert (part.type == "multipart") == bool(part.parts)
    at = part.body_start
    for child in part.parts:
        assert child.header_start >= at
        between = data[at : child.header_start]
        assert not between or b"--" in between or not between.strip()
        check_ranges(data, child, depth + 1)
        at = child.body_end
    assert at <= part.body_end
    if part.message is not None:
        assert not part.parts
        assert part.message.header_start == part.body_start
        assert part.message.body_end == part.body_end
        check_ranges(data, part.message, depth + 1)


@given(messages)
def test_scan_takes_any_octets(data: bytes) -> None:
    root = scan(data)
    assert (root.header_start, root.body_end) == (0, len(data))
    check_ranges(data, root)
    assert scan(memoryview(data)) == root
    for part in root.walk():
        header = data[part.header_start : part.body_start]
        for field in fields(header):
            decode_words(field.value)
            parse_addresses(field.value)
            parse_date(field.value)
        decode_body(data[part.body_start : part.body_end], part.encoding)
        assert part.charset
        assert part.filename is None or isinstance(part.filename, str)


@given(messages, st.integers(0, 3), st.integers(0, 5))
def test_limits_hold(data: bytes, depth: int, parts: int) -> None:
    root = scan(data, limits=Limits(depth=depth, parts=parts))
    check_ranges(data, root)
    read = [part for part in root.walk() if part.parts]
    made_up = sum(
        len(part.parts) == 1 and part.parts[0].header_start == part.parts[0].body_start
        for part in read
    )
    assert sum(len(part.parts) for part in read) <= parts + made_up


@given(messages)
def test_section_numbers_name_every_part(data: bytes) -> None:
    """Every part of a multipart, and no other, is found under its numbers."""

    def walk(part: Part, numbers: tuple[int, ...]) -> None:
        inner = part.message if numbers and part.message is not None else part
        for number, child in enumerate(inner.parts, 1):
            assert section(root, (*numbers, number)) is child
            walk(child, (*numbers, number))
        assert section(root, (*numbers, len(inner.parts) + 2)) is None

    root = scan(data)
    walk(root, ())


address_pieces = st.lists(
    st.sampled_from(
        [b"joe", b"@", b"x.test", b"<", b">", b",", b";", b":", b'"', b"\\", b"(", b")", b"[", b"]",
         b".", b" ", b"\r\n ", b"\xff", b"\xc3\xbc", b"=?utf-8?q?x?=", b"\0"]
    ),
    max_size=30,
).map(b"".join)  # fmt: skip


@given(address_pieces)
def test_addresses_of_any_octets(value: bytes) -> None:
    """Never raises; nothing is made up but the blank that stands for a comment."""
    for entry in parse_addresses(value):
        assert entry.display_name is not None
        for address in getattr(entry, "members", [entry]):
            assert isinstance(address.address, str)
            for octet in address.mailbox + address.host:
                assert octet in value + b" "


@given(st.binary(max_size=200))
def test_small_parsers_take_any_octets(octets: bytes) -> None:
    decode_words(octets)
    parse_date(octets)
    parse_addresses(octets)
    scan(b"Content-Type: " + octets)
    assert isinstance(scan(b"Content-Disposition: " + octets).filename, str | None)
    for encoding in ("base64", "quoted-printable"):
        decode_body(octets, encoding)
    repair_submission(octets, now=0, hostname="h", message_id=lambda: "i")


# -- time ----------------------------------------------------------------------------------------


def content_type(value: bytes) -> Callable[[], object]:
    return lambda: [part.parameters for part in scan(b"Content-Type: " + value + b"\n\n").walk()]


def message(boundary: bytes, body: bytes) -> Callable[[], object]:
    head = b"Content-Type: multipart/mixed; boundary=" + boundary + b"\n\n"
    return lambda: scan(head + body)


nested = b"".join(
    b"Content-Type: multipart/mixed; boundary=n%dn\n\n--n%dn\n" % (depth, depth)
    for depth in range(60)
)

alike = b"".join(
    b"Content-Type: multipart/mixed; boundary=%b\n\n--%b\n" % (b"a" * depth, b"a" * depth)
    for depth in range(1, 40)
)
same = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 40

HURTING: dict[str, Callable[[int], Callable[[], object]]] = {
    "delimiter lines of another": lambda n: message(b"a", b"--ab\n" * n),
    "dashes": lambda n: message(b"-", b"\n---" * n),
    "half a boundary": lambda n: message(b"a" * 70 + b"b", (b"\n--" + b"a" * 70) * (n // 16)),
    "many parts": lambda n: message(b"a", b"--a\n" * n),
    "many parts and headers": lambda n: message(b"a", b"--a\nContent-Type: a/b\n\n" * (n // 4)),
    "nested": lambda n: lambda: scan(nested + b"\n--x" * n),
    "messages": lambda n: lambda: scan(b"Content-Type: message/rfc822\n\n" * n),
    "header of blank folds": lambda n: lambda: fields(b"A: b\n" + b" \n" * n),
    "header of fields": lambda n: lambda: fields(b"A:\n" * n),
    "content fields": lambda n: lambda: scan(b"Content-A: b\n" * n),
    "parameters": lambda n: content_type(b"a/b" + b" x=y" * n),
    "comments that touch": lambda n: content_type(b"a/b; x=" + b"y(z)" * n),
    "file names with comments": lambda n: content_type(b"a/b; name=" + b"y(z)" * n),
    "nested in its like": lambda n: lambda: scan(alike + b"\n--aaaaa" * n),
    "nested in itself": lambda n: lambda: scan(same + b"\n--a" * n),
    "marks": lambda n: lambda: fold("a" + "\u0316\u0301" * n),
    "marks of a local part": lambda n: lambda: address_key("\u0316\u0301" * n + "@x.test"),
    "file names": lambda n: content_type(b"a/b" + b" name=y" * n),
    "file name": lambda n: content_type(b"a/b; name=" + b"y " * n),
    "quotes": lambda n: content_type(b'a/b; "' * n),
    "backslashes": lambda n: content_type(b'a/b; x="' + b"\\" * n),
    "parentheses": lambda n: content_type(b" (" * n),
    "closed parentheses": lambda n: content_type(b" (" * n + b")" * n),
    "equals signs": lambda n: content_type(b"a/b" + b"=" * n),
    "continuations": lambda n: content_type(b"a/b" + b"; x*0=y" * n),
    "slashes": lambda n: content_type(b"a" * n + b" /"),
    "spaces": lambda n: content_type(b" " * n + b"a"),
    "address: commas": lambda n: lambda: parse_addresses(b"a," * n),
    "address: spaces": lambda n: lambda: parse_addresses(b" " * n + b"<"),
    "address: words": lambda n: lambda: parse_addresses(b"a " * n + b"<"),
    "address: quotes": lambda n: lambda: parse_addresses(b'"' * n),
    "address: odd quotes": lambda n: lambda: parse_addresses(b'a,"' + b'\\",' * n),
    "address: open comments": lambda n: lambda: parse_addresses(b"(" * n),
    "address: comments": lambda n: lambda: parse_addresses(b"(a)" * n),
    "address: angles": lambda n: lambda: parse_addresses(b"<" * n),
    "address: brackets": lambda n: lambda: parse_addresses(b"[" * n),
    "address: at": lambda n: lambda: parse_addresses(b"@" * n),
    "address: dots": lambda n: lambda: parse_addresses(b"a." * n + b"@b"),
    "address: groups": lambda n: lambda: parse_addresses(b"a:" * n),
    "address: no route": lambda n: lambda: parse_addresses(b"<, " * n),
    "address: words behind": lambda n: lambda: parse_addresses(b"a@b" + b" c" * n),
    "address: routes": lambda n: lambda: parse_addresses(b"<" + b"@a," * n),
    "words": lambda n: lambda: decode_words(b"=?utf-8?q?x?= " * n),
    "open words": lambda n: lambda: decode_words(b"=?utf-8?q?x " * n),
    "no words": lambda n: lambda: decode_words(b"=?" * n),
    "date": lambda n: lambda: parse_date(b"Mon " + b" " * n),
    "date comments": lambda n: lambda: parse_date(b"(" * n),
    "quoted-printable blanks": lambda n: lambda: decode_body(b" " * n + b"x", "quoted-printable"),
    "base64 garbage": lambda n: lambda: decode_body(b"=x" * n, "base64"),
    "submission": lambda n: (
        lambda: repair_submission(
            b"Bcc: a\r\n b\r\n" * n, now=0, hostname="h", message_id=lambda: "i"
        )
    ),
    "submission ID": lambda n: (
        lambda: repair_submission(
            b"Message-ID: <a" + b"@" * n, now=0, hostname="h", message_id=lambda: "i"
        )
    ),
    "submission folds": lambda n: (
        lambda: repair_submission(b" x\r\n" * n, now=0, hostname="h", message_id=lambda: "i")
    ),
}


def cost(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("name", HURTING)
def test_time_is_linear(name: str) -> None:
    """Eight times the size takes about eight times as long; a quadratic parser takes 64 times."""
    small = cost(HURTING[name](2_500))
    large = cost(HURTING[name](20_000))
    assert large < 24 * small + 0.02, f"{small * 1e3:.2f} ms, then {large * 1e3:.2f} ms"


# -- the standard library's tree -----------------------------------------------------------------

texts = st.lists(
    st.text(st.sampled_from("abc -.=:ü"), max_size=20).filter(lambda text: text[:2] != "--"),
    max_size=4,
).map("\r\n".join)
leaves = st.tuples(
    st.just("leaf"), st.sampled_from(["text/plain", "text/html", "image/png"]), texts
)
trees = st.recursive(
    leaves,
    lambda children: st.one_of(
        st.tuples(
            st.just("multipart"), st.sampled_from(["mixed", "alternative", "digest"]),
            st.lists(children, min_size=1, max_size=4),
        ),
        st.tuples(st.just("message"), st.just("rfc822"), children),
    ),
    max_leaves=8,
)  # fmt: skip


def write(tree: tuple[str, str, object], counter: list[int]) -> str:
    """A well-formed entity, written without any library."""
    kind, subtype, content = tree
    counter[0] += 1
    number = counter[0]
    head = f"Content-Description: entity {number}\r\n"
    if kind == "leaf":
        return f'{head}Content-Type: {subtype}; name="{number}"\r\n\r\n{content}'
    if kind == "message":
        assert isinstance(content, tuple)
        return f"{head}Content-Type: message/rfc822\r\n\r\n{write(content, counter)}"
    assert isinstance(content, list)
    boundary = f"=_{number}_"
    parts = "".join(f"--{boundary}\r\n{write(child, counter)}\r\n" for child in content)
    return (
        f'{head}Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n\r\n'
        f"preamble\r\n{parts}--{boundary}--\r\nepilogue"
    )


def compare(data: bytes, part: Part, theirs: Message) -> None:
    assert part.content_type == theirs.get_content_type()
    description = (part.description or b"").decode()
    assert description == theirs["Content-Description"]
    if part.type == "multipart":
        payload = theirs.get_payload()
        assert isinstance(payload, list)
        assert len(payload) == len(part.parts)
        for child, other in zip(part.parts, payload, strict=True):
            compare(data, child, other)
    elif part.message is not None:
        payload = theirs.get_payload()
        assert isinstance(payload, list)
        compare(data, part.message, payload[0])
    else:
        assert data[part.body_start : part.body_end] == theirs.get_payload(decode=True)
        assert part.parameters.get("name") == theirs.get_param("name")


@given(trees)
def test_well_formed_messages_as_the_standard_library_reads_them(
    tree: tuple[str, str, object],
) -> None:
    data = f"From: a@b.test\r\nMIME-Version: 1.0\r\n{write(tree, [0])}\r\n".encode()
    compare(data, scan(data), BytesParser(policy=compat32).parsebytes(data))

"""DKIM signatures (RFC 6376).

- The relaxed forms are those of §3.4.2 and §3.4.4, with the examples of §3.4.5.
- The hash of a body is the same however the body is cut.
- An independent verifier agrees with every signature, also over odd messages.
- Whatever is added to or changed in what is signed breaks it.
- What readers would not agree on is not signed.
"""

import base64
import hashlib
import mmap
import re
import time
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import example, given
from hypothesis import strategies as st

from mailsuite.dkim import Key
from mailsuite.message.dkim import (
    Unsignable,
    body_hash,
    header_of,
    relaxed_field,
    signature,
)
from mailsuite.message.downgrade import NextHop, downgrade
from mailsuite.message.header import Field
from mailsuite.message.traits import Source
from tests.dkim_checks import signatures, verified

KEY = Key("example.org", "sel", rsa.generate_private_key(public_exponent=65537, key_size=2048))
ZONE = {KEY.record_name: KEY.record}
HEAD = b"From: Ann <ann@example.org>\r\nTo: ben@else.test\r\nSubject: Hello\r\n"


def field_of(data: Source, *, start: int = 0, domain: str = "example.org") -> bytes:
    return signature(
        data,
        len(data),
        header_of(data, start, len(data)),
        domain=domain,
        selector=KEY.selector,
        now=time.time(),
        rsa=KEY.sign,
    )


def signed(data: bytes) -> bytes:
    return field_of(data) + data


def relaxed(body: bytes) -> bytes:
    """The rules of §3.4.4 one after the other, over the whole body."""
    body = re.sub(rb"[ \t]+(?=\r\n|\Z)", b"", body)
    body = re.sub(rb"[ \t]+", b" ", body)
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n" if body else b""


def hash_of(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


# -- canonical forms -----------------------------------------------------------------------------


def test_the_examples_of_the_rfc() -> None:
    # §3.4.5, example 1
    assert relaxed_field(Field(b"A: X\r\n")) == b"a:X\r\n"
    assert relaxed_field(Field(b"B : Y\t\r\n\tZ  \r\n")) == b"b:Y Z\r\n"
    assert body_hash([b" C \r\nD \t E\r\n\r\n\r\n"]) == hash_of(b" C\r\nD E\r\n")


def test_the_hash_of_nothing() -> None:
    # §3.4.4 tells it in base64.
    told = base64.b64decode("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    for body in (b"", b"\r\n", b"\r\n\r\n\r\n", b" \t\r\n \r\n", b" "):
        assert body_hash([body]) == told, body


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"testing\r\n  \r\n\r\n", b"testing\r\n"),  # erratum 1384
        (b"\r\n\r\n  \r\n", b""),
        (b"no end", b"no end\r\n"),
        (b"no end \t", b"no end\r\n"),
        (b"\r\n\r\nlate", b"\r\n\r\nlate\r\n"),
        (b"a\r\n\r\n \r\n\r\nb\r\n", b"a\r\n\r\n\r\n\r\nb\r\n"),
        # CR and LF by themselves end no line.
        (b"a\n\r\n", b"a\n\r\n"),
        (b"a \n", b"a \n\r\n"),
        (b"a\r\r\n\r\n", b"a\r\r\n"),
        (b"a \r", b"a \r\r\n"),
        (b"\n\r\n\r\n", b"\n\r\n"),
    ],
)
def test_bodies_in_relaxed_form(body: bytes, form: bytes) -> None:
    assert body_hash([body]) == hash_of(form)
    assert body_hash(body[at : at + 1] for at in range(len(body))) == hash_of(form)


def test_a_field_is_reduced_wherever_its_white_space_stands() -> None:
    odd = Field(b"SUBJECT \t:\t \r\n  one\t two\r\n\t\r\n  three \t\r\n")
    assert relaxed_field(odd) == b"subject:one two three\r\n"
    assert relaxed_field(Field(b"X-Empty:\r\n")) == b"x-empty:\r\n"
    assert relaxed_field(Field("Betreff: Grüße\r\n".encode())) == "betreff:Grüße\r\n".encode()


PIECES = st.sampled_from([b" ", b"\t", b"\r\n", b"\r", b"\n", b"x", b".", b"\x00\xff", b"  \r\n"])


@given(st.lists(PIECES, max_size=30), st.lists(st.integers(1, 5), max_size=30))
@example([b"x", b" ", b"\r", b"\n", b"\r\n", b"y"], [2, 1, 1, 1])
def test_a_body_is_hashed_the_same_however_it_is_cut(pieces: list[bytes], cuts: list[int]) -> None:
    body = b"".join(pieces)
    blocks, at = [], 0
    for cut in cuts:
        blocks.append(body[at : at + cut])
        at += cut
    blocks.append(body[at:])
    assert body_hash(blocks) == hash_of(relaxed(body))


def test_hostile_bodies_take_no_time() -> None:
    size = 1 << 22
    for body in (
        b" " * size + b"x",
        b"\r\n" * (size // 2),
        b"\n\r\n\r" * (size // 4),
        b"\r" * size,
    ):
        cut = [body[at : at + (1 << 16)] for at in range(0, len(body), 1 << 16)]
        assert body_hash(cut) == body_hash([body])


# -- signatures ----------------------------------------------------------------------------------

TEXT = HEAD + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
MIXED = HEAD + (
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary="b  b"\r\n\r\n'
    b"preamble\r\n--b  b\r\n\r\none\r\n--b  b\r\nContent-Type: text/html\r\n\r\n<p>two\t</p>\r\n"
    b"--b  b--\r\n\r\n\r\n"
)
LONG = b"References: " + b"\r\n ".join(b"<%d@example.org>" % n for n in range(200)) + b"\r\n"
MESSAGES = {
    "plain": HEAD + b"\r\nHello,\r\n\r\n.dots and  spaces \t\r\n",
    "8bit": TEXT + "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n".encode(),
    "multipart": MIXED,
    "long folded fields": HEAD
    + LONG
    + b"Cc: "
    + b",\r\n  ".join(b"a%d@else.test" % n for n in range(500))
    + b"\r\n\r\nbody\r\n",
    "empty body": HEAD + b"\r\n",
    "blank lines only": HEAD + b"\r\n\r\n\r\n",
    "no body at all": HEAD,
    "no final line end": HEAD + b"\r\nlast line",
    "trailing blank lines": HEAD + b"\r\nbody\r\n\r\n \t\r\n\r\n",
    "utf-8": "From: Änne <änne@example.org>\r\nSubject: Grüße\r\n\r\nx\r\n".encode(),
    "a megabyte": HEAD + b"\r\n" + b"".join(b"%075d=\r\n" % n for n in range(14_000)),
    "fields several times": HEAD
    + b"Comments: a\r\nSubject: again\r\nSubject: and again\r\n\r\nx\r\n",
    "odd spacing": b"from:  ann@example.org\r\nSUBJECT:\r\n\t \r\n  x \t y\r\nto:\r\n\r\nbody\r\n",
    "resent": b"Resent-From: ann@example.org\r\nResent-Date: now\r\nResent-From: x@y.test\r\n"
    + HEAD
    + b"\r\nbody\r\n",
    "a signature of somebody else": b"DKIM-Signature: v=1; d=else.test\r\n" + HEAD + b"\r\nx\r\n",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_an_independent_verifier_agrees(name: str) -> None:
    octets = signed(MESSAGES[name])
    assert verified(octets, ZONE)
    field = octets[: len(octets) - len(MESSAGES[name])]
    assert all(len(line) < 78 for line in field.split(b"\r\n"))
    (tags, *_) = signatures(octets)
    assert tags["d"] == "example.org" and tags["a"] == "rsa-sha256"
    assert not {"l", "x", "i", "z"} & tags.keys()
    assert not {"received", "return-path", "bcc", "dkim-signature"} & set(tags["h"].split(":"))


def test_what_was_converted_for_the_next_hop_verifies() -> None:
    data = MESSAGES["8bit"]
    conversion = downgrade(data, NextHop())
    assert conversion is not None
    octets = b"".join(conversion.pieces(data))
    assert octets.isascii()
    assert verified(signed(octets), ZONE)
    assert not verified(field_of(data) + octets, ZONE)


def test_a_part_of_a_mapped_file(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.write_bytes(b"Return-Path: <x@y.test>\r\n" + MESSAGES["a megabyte"])
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        field = field_of(mapped, start=25)
    assert verified(field + MESSAGES["a megabyte"], ZONE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\r\n\r\n", b"\r\n\r\nMore.\r\n"),
        (b"Subject: Hello", b"Subject: Goodbye"),
        (b"To: ben", b"To: carl"),
        *(
            (b"From: Ann", b"%b: x@y.test\r\nFrom: Ann" % name)
            for name in (
                b"From",
                b"To",
                b"Cc",
                b"Subject",
                b"Date",
                b"Reply-To",
                b"Message-ID",
                b"Content-Type",
                b"Content-Transfer-Encoding",
                b"MIME-Version",
            )
        ),
    ],
)
def test_what_is_signed_can_not_be_changed_or_added_to(old: bytes, new: bytes) -> None:
    octets = signed(MESSAGES["plain"])
    assert verified(octets, ZONE)
    try:
        assert not verified(octets.replace(old, new, 1), ZONE)
    except dkim.DKIMException:
        pass  # it does not take two From fields


def test_what_servers_on_the_way_add_does_no_harm() -> None:
    octets = signed(MESSAGES["plain"])
    way = b"Return-Path: <ann@example.org>\r\nReceived: from here.test\r\n by there.test; now\r\n"
    assert verified(way + octets, ZONE)
    spaced = octets.replace(b"Subject: Hello", b"subject:\r\n  Hello ")
    assert verified(spaced.replace(b"Hello,\r\n", b"Hello,  \r\n"), ZONE)


def test_a_long_domain_stands_on_a_line_of_its_own() -> None:
    domain = ".".join(["l" * 60] * 3) + ".org"
    field = field_of(MESSAGES["plain"], domain=domain)
    (tags,) = signatures(field + MESSAGES["plain"])
    assert tags["d"] == domain
    assert verified(field + MESSAGES["plain"], {f"sel._domainkey.{domain}": KEY.record})


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"Subject: x\r\n\r\n", "0 From fields"),
        (HEAD + b"From: eve@example.org\r\n\r\n", "2 From fields"),
        (b"From:\r\n\r\n", "0 addresses"),
        (b"From: Ann\r\n\r\n", "no address"),
        (b"From: ann@example.org, Ben\r\n\r\n", "no address"),
        (b"From: " + b"a@example.org," * 60 + b"\r\n\r\n", "60 addresses"),
        (HEAD + b"a line\r\n\r\n", "no field"),
        (b" " + HEAD + b"\r\n", "no field"),
        (HEAD + b"X: a\rb\r\n\r\n", "NUL, CR or LF"),
        (HEAD + b"X: a\0b\r\n\r\n", "NUL, CR or LF"),
        (HEAD.replace(b"\r\n", b"\n") + b"\n", "NUL, CR or LF"),
        (HEAD[:-2], "empty line"),
        (b"\r\n" + HEAD, "empty line"),
        (b"", "empty line"),
        (HEAD + b"X: " + b"x" * (1 << 19) + b"\r\n\r\n", "too large"),
    ],
)
def test_what_is_not_signed(head: bytes, why: str) -> None:
    with pytest.raises(Unsignable, match=why):
        header_of(head, 0, len(head))


def test_a_header_with_very_many_fields_is_not_signed() -> None:
    data = HEAD + b"Cc: a@b.test\r\n" * 400 + b"\r\n"
    with pytest.raises(Unsignable, match="fields would have to be signed"):
        field_of(data)


def test_the_authors() -> None:
    data = b'From: "a@b.test" <ann@example.org>, g: ben@else.test;\r\n\r\n'
    assert header_of(data, 0, len(data)).authors == ("ann@example.org", "ben@else.test")

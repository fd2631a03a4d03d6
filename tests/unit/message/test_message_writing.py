"""Header fields written: reading them gives the values back, here and in the standard library.

- One field goes out, on lines of at most 76 columns where white space allows, whatever is in it.
- `decode_words`, `decode_params`, `parse_addresses` give the values that went in.
"""

import email.headerregistry
import email.policy
import re
from email.header import decode_header, make_header

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsuite.message import (
    codec_name,
    decode_params,
    decode_words,
    fields,
    format_date,
    mailboxes,
    parse_addresses,
    parse_date,
)
from mailsuite.message.header import Field
from mailsuite.message.parameters import parse_disposition
from mailsuite.message.writing import (
    Mailbox,
    MailboxGroup,
    address_field,
    encode_words,
    parameter_field,
    structured_field,
    text_field,
)

unicode = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
words = st.lists(
    st.sampled_from(
        ["plain", "Grüße", "", "=?utf-8?q?x?=", "가나다", "a" * 90, "x" * 600, "\t", "?="]
    ),
    max_size=20,
).map(" ".join)


def one(raw: bytes) -> Field:
    found = fields(raw)
    assert len(found) == 1
    assert found[0].raw == raw
    assert raw.endswith(b"\r\n")
    assert re.fullmatch(rb"(?:[^\r\n]+\r\n)+", raw)
    return found[0]


def short(raw: bytes) -> bool:
    return all(len(line) <= 76 for line in raw.decode().split("\r\n"))


@given(unicode | words)
@example("")
@example(" ")
@example("a  b é")
@example("é  b")
def test_text(value: str) -> None:
    field = one(text_field("Subject", value))
    assert field.raw.isascii()
    assert decode_words(field.value.replace(b"\r\n", b"")[1:]) == value
    if all(len(word) < 60 for word in value.split(" ")):
        assert short(field.raw)


@given(words)
def test_the_standard_library_reads_the_text(value: str) -> None:
    field = one(text_field("Subject", value))
    if "\t" not in value and "=?" not in value:
        assert str(make_header(decode_header(field.unfolded.decode()))) == value.strip(" ") or (
            "  " in value or value != value.strip(" ")
        )


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ("Hello world", b"Subject: Hello world\r\n"),
        ("two  blanks", b"Subject: two  blanks\r\n"),
        ("Grüße aus Köln", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus =?utf-8?q?K=C3=B6ln?=\r\n"),
        ("Grüße Köln", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_K=C3=B6ln?=\r\n"),
        ("가나다", b"Subject: =?utf-8?b?6rCA64KY64uk?=\r\n"),
        ("a\r\nBcc: x@y", b"Subject: =?utf-8?q?a=0D=0ABcc=3A?= x@y\r\n"),
    ],
)
def test_texts_as_they_are_written(value: str, raw: bytes) -> None:
    assert text_field("Subject", value) == raw


def test_text_in_utf8_for_smtputf8() -> None:
    assert text_field("Subject", "Grüße", utf8=True) == "Subject: Grüße\r\n".encode()


def test_encoded_words_in_another_charset() -> None:
    assert encode_words("가나다", charset="euc-kr") == ["=?euc-kr?b?sKGzqrTZ?="]


@given(unicode, st.sampled_from(["utf-8", "euc-kr", "iso-8859-1"]))
def test_no_encoded_word_is_too_long_or_cuts_a_character(value: str, charset: str) -> None:
    found = encode_words(value, charset=charset)
    assert max(map(len, found)) <= 75
    codec = codec_name(charset) or ""
    held = value.encode(codec, "replace").decode(codec)
    assert "".join(decode_words(word.encode()) for word in found) == held


names = st.sampled_from(["", "Joe Q. Public", "Jörg", 'say "hi" \\', "a, b", "=?x?=", "한국 사람",
                         "x" * 300, "Who?", "very long name indeed " * 6, "tab\there", "(c)",
                         "Å" * 90])  # fmt: skip
addresses = st.sampled_from(
    ["a@example.test", '"odd local"@example.test', "x@[192.0.2.1]", "a.b+c@xn--bcher-kva.example"]
)
people = st.builds(Mailbox, names, addresses)
entries = st.lists(
    people | st.builds(MailboxGroup, names, st.lists(people, max_size=3).map(tuple)),
    min_size=1, max_size=6,
)  # fmt: skip


@given(entries)
def test_addresses(listed: list[Mailbox | MailboxGroup]) -> None:
    field = one(address_field("To", listed))
    assert field.raw.isascii()
    found = parse_addresses(field.value)
    assert len(found) == len(listed)
    flat = [
        member
        for entry in listed
        for member in (entry.members if isinstance(entry, MailboxGroup) else (entry,))
    ]
    assert [(one.display_name, one.address) for one in mailboxes(found)] == [
        (member.name, member.address) for member in flat
    ]


field_names = st.sampled_from(["To", "Resent-From", "X-" + "Long-" * 9 + "Name", "X-" + "N" * 60])


@given(field_names, unicode, entries)
def test_lines_with_encoded_words_have_76_columns_at_most(
    name: str, text: str, listed: list[Mailbox | MailboxGroup]
) -> None:
    for raw in (text_field(name, text), address_field(name, listed)):
        for line in raw.decode().split("\r\n"):
            if "=?" in line:  # RFC 2047 §2
                assert len(line) <= 76
            assert "?=:" not in line  # §5 (3)


@given(st.lists(people, min_size=1, max_size=4))
def test_the_standard_library_reads_the_addresses(listed: list[Mailbox]) -> None:
    raw = address_field("To", listed)
    policy = email.policy.default
    value = policy.header_fetch_parse("To", raw.decode()[3:].replace("\r\n", ""))
    assert isinstance(value, email.headerregistry.AddressHeader)
    assert [address.addr_spec for address in value.addresses] == [who.address for who in listed]
    for address, who in zip(value.addresses, listed, strict=True):
        if len(who.name) < 60 and "=?" not in who.name and "\t" not in who.name:
            assert address.display_name == who.name


def test_addresses_as_they_are_written() -> None:
    assert address_field("To", [MailboxGroup("undisclosed-recipients")]) == (
        b"To: undisclosed-recipients:;\r\n"
    )
    assert address_field("From", [Mailbox("Jörg", "j@bücher.example")]) == (
        b"From: =?utf-8?q?J=C3=B6rg?= <j@xn--bcher-kva.example>\r\n"
    )
    assert address_field("From", [Mailbox("Jörg", "jörg@bücher.example")], utf8=True) == (
        'From: "Jörg" <jörg@bücher.example>\r\n'.encode()
    )


@pytest.mark.parametrize("address", ["", "no-domain", "a@b\r\nBcc: c@d", "a b@c.test", "a@b>"])
def test_bad_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        address_field("To", [Mailbox("", address)])


def test_fields_that_can_not_be_are_refused() -> None:
    for name in ("", "a b", "a:b", "ä"):
        with pytest.raises(ValueError, match="field name"):
            text_field(name, "x")
    with pytest.raises(ValueError, match="control"):
        structured_field("Message-ID", "<a>\r\nBcc: x")
    with pytest.raises(ValueError, match="needs an address"):
        address_field("To", [])


@given(unicode | st.sampled_from(["a" * 300, "ä" * 100, 'a "b" \\c', "x y " * 50, "=?utf-8?q?x?="]))
def test_parameters(value: str) -> None:
    field = one(parameter_field("Content-Disposition", "attachment", {"filename": value, "n": "1"}))
    assert field.raw.isascii()
    assert short(field.raw)
    parsed = parse_disposition(field.unfolded, 200)
    assert parsed is not None
    assert decode_params(parsed[1]) == {"filename": value, "n": "1"}
    if value and all(char.isprintable() for char in value):
        header = email.policy.default.header_fetch_parse(
            "Content-Disposition", field.unfolded.decode()
        )
        assert header.params["filename"] == value


def test_parameters_as_they_are_written() -> None:
    assert parameter_field("Content-Type", "text/plain", {"charset": "utf-8"}) == (
        b"Content-Type: text/plain; charset=utf-8\r\n"
    )
    assert parameter_field("Content-Disposition", "attachment", {"filename": "a b.pdf"}) == (
        b'Content-Disposition: attachment; filename="a b.pdf"\r\n'
    )
    # RFC 2231 §4
    assert parameter_field("Content-Disposition", "inline", {"filename": "Grüße.txt"}) == (
        b"Content-Disposition: inline; filename*=utf-8''Gr%C3%BC%C3%9Fe.txt\r\n"
    )


@given(st.integers(0, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_dates_with_a_zone(epoch: int, offset: int) -> None:
    moment = parse_date(format_date(epoch, offset=offset))
    assert moment is not None
    assert moment.timestamp() == epoch
    zone = moment.utcoffset()
    assert zone is not None
    assert zone.total_seconds() == offset * 60

"""Header blocks: fields keep their octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import Limits, fields, first_field, first_value, split_header, unfold


@pytest.mark.parametrize(
    ("data", "body", "end"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nbody\r\n", 14, 12),
        (b"A: 1\nB: 2\n\nbody\n", 11, 10),
        (b"A: 1\r\n\nbody", 7, 6),
        (b"A: 1\n\r\nbody", 7, 5),
        (b"A: 1\n\nx\r\n\r\ny", 6, 5),
        (b"A: 1\r\n\r\nx\n\ny", 8, 6),
        (b"\r\nbody", 2, 0),
        (b"\nbody", 1, 0),
        (b"A: 1\r\n", 6, 6),
        (b"A: 1", 4, 4),
        (b"", 0, 0),
        (b"A: 1\r\n \r\nB: 2\r\n\r\n", 17, 15),
    ],
)
def test_split_header(data: bytes, body: int, end: int) -> None:
    assert split_header(data) == (body, end)


def test_fields_keep_folds_case_and_garbage() -> None:
    block = (
        b"Subject: one\r\n two\r\n\tthree\r\n"
        b"X-Empty:\r\n"
        b"no colon here\r\n"
        b"Old Style : x\r\n"
        b"obsolete  : y\r\n"
        b": nameless\r\n"
        b"\xc3\x9cber: z\r\n"
        b"last: no line end"
    )
    found = fields(block)
    assert [field.name for field in found] == [
        "Subject", "X-Empty", "", "", "obsolete", "", "", "last",
    ]  # fmt: skip
    assert b"".join(field.raw for field in found) == block
    assert found[0].value == b" one\r\n two\r\n\tthree\r\n"
    assert found[0].unfolded == b"one two\tthree"
    assert found[1].unfolded == b""
    assert found[2].value == b"no colon here\r\n"
    assert found[4].unfolded == b"y"
    assert found[0].key == "subject"


def test_fields_stop_at_the_blank_line() -> None:
    assert [field.name for field in fields(b"A: 1\r\nB: 2\r\n\r\nC: 3\r\n")] == ["A", "B"]
    assert fields(b"\r\nA: 1\r\n") == []
    assert fields(b"") == []


def test_a_block_that_begins_with_a_fold() -> None:
    found = fields(b" folded onto nothing\r\nA: 1\r\n")
    assert [field.name for field in found] == ["", "A"]


def test_too_many_fields_come_back_as_one() -> None:
    block = b"".join(b"F%d: x\r\n" % number for number in range(50))
    found = fields(block, limits=Limits(fields=10))
    assert len(found) == 11
    assert found[-1].name == ""
    assert b"".join(field.raw for field in found) == block


def test_first_field() -> None:
    found = fields(b"To: a\r\nSubject: x\r\nSUBJECT: y\r\n")
    field = first_field(found, "subject")
    assert field is not None
    assert field.unfolded == b"x"
    assert first_field(found, "Cc") is None


def test_unfold_takes_out_line_ends_only() -> None:
    assert unfold(b" a\r\n  b\n\tc \r\n") == b"a  b\tc"


pieces = st.lists(
    st.sampled_from(
        [b"A: b", b"Subject", b":", b" ", b"\t", b"\r\n", b"\n", b"\r", b"\0", b"\xff", b"x"]
    ),
    max_size=40,
).map(b"".join)


@given(pieces)
def test_fields_joined_are_the_block(data: bytes) -> None:
    """The raw octets of all fields, the blank line and the body are the message."""
    body, end = split_header(data)
    assert 0 <= end <= body <= len(data)
    assert data[end:body] in (b"\r\n", b"\n", b"")
    assert b"".join(field.raw for field in fields(data)) == data[:end]
    for field in fields(data):
        assert not field.raw.startswith(b"\n")
        assert field.name == "" or field.raw.startswith(field.name.encode())


@given(
    st.lists(
        st.sampled_from(
            [b"Message-ID:", b"message-id :", b"X: ", b" <a@b>", b"\r\n", b"\n", b"\t", b"\r", b":"]
        ),
        max_size=12,
    )
)
def test_the_first_value_is_that_of_the_first_field(pieces: list[bytes]) -> None:
    block = b"".join(pieces)
    head = block[: split_header(block)[1]]
    found = first_field(fields(head), "message-id")
    assert first_value(head, b"message-id") == (None if found is None else found.unfolded)

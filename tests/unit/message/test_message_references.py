"""Message IDs in one form for comparing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import message_ids
from mailsuite.message.references import MAX_IDS


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (b"", []),
        (b"<a@b>", [b"a@b"]),
        (b" <a@b>\r\n <c@d>", [b"a@b", b"c@d"]),
        (b"<a@b><c@d>", [b"a@b", b"c@d"]),
        (b"<01KF8JCEOCBS0045PS@xxx.yyy.com>", [b"01KF8JCEOCBS0045PS@xxx.yyy.com"]),
        (b'<"01KF8JCEOCBS0045PS"@xxx.yyy.com>', [b"01KF8JCEOCBS0045PS@xxx.yyy.com"]),
        (b'<"a b"@c>', [b"a b@c"]),
        (b'<"a\\"b"@c>', [b'a"b@c']),
        (b'<"a>b"@c>', [b"a>b@c"]),
        (b'<"x".y@c>', [b"x.y@c"]),
        (b"< a @ b >", [b"a@b"]),
        (b"<a.\r\n b@c>", [b"a.b@c"]),
        (b"<A@B>", [b"A@B"]),
        (b"<a@[192.0.2.1]>", [b"a@[192.0.2.1]"]),
        (b"<no-at-sign>", []),
        (b"<@b>", []),
        (b"<a@>", []),
        (b"<a@b", []),
        (b"a@b", []),
        (b"<a@b@c>", []),
        (b"Message of Monday <a@b> from <c@d>", [b"a@b", b"c@d"]),
        (b"<broken <a@b>", [b"a@b"]),
        (b"joe@example.test (Joe) <a@b>", [b"a@b"]),
        # comments and white space in it are no part of an ID (RFC 5322 §4.5.4)
        (b"<a(c) . (d)b@(e(f))c . d>", [b"a.b@c.d"]),
        (b"<a@b> (not <c@d>) <e@f>", [b"a@b", b"e@f"]),
        (b'<"a(b)"@c>', [b"a(b)@c"]),
        (b"<a@b> (open <c@d>", [b"a@b", b"c@d"]),
    ],
)
def test_message_ids(value: bytes, ids: list[bytes]) -> None:
    assert message_ids(value) == ids


def test_first_and_last_of_many_count() -> None:
    found = message_ids(b" ".join(b"<%d@a>" % n for n in range(2 * MAX_IDS)))
    assert len(found) == MAX_IDS
    assert found[0] == b"0@a"
    assert found[1] == b"%d@a" % (MAX_IDS + 1)
    assert found[-1] == b"%d@a" % (2 * MAX_IDS - 1)


atoms = st.text("abcXYZ019.-_+=$", min_size=1, max_size=10)


@given(st.lists(st.tuples(atoms, atoms), max_size=5))
def test_quoting_makes_no_difference(ids: list[tuple[str, str]]) -> None:
    plain = message_ids(" ".join(f"<{left}@{right}>" for left, right in ids).encode())
    quoted = message_ids("\t".join(f'<"{left}"@{right}>' for left, right in ids).encode())
    assert plain == quoted == [f"{left}@{right}".encode() for left, right in ids]


@given(st.binary(max_size=200))
def test_never_raises_and_gives_no_empty_id(value: bytes) -> None:
    assert all(b"@" in each[1:-1] for each in message_ids(value))


@pytest.mark.parametrize("piece", [b"<", b"<a", b"<a@", b'<"', b'<"a" ', b"< ", b"<a @ [", b"<a@b"])
def test_time_is_linear(piece: bytes) -> None:
    began = time.perf_counter()
    message_ids(piece * 100_000)
    assert time.perf_counter() - began < 5

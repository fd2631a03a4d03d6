"""The pure files of the POP3 door: lines, byte-stuffing, TOP, command syntax."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.pop3d.apop import fits, timestamp
from mailsuite.pop3d.lines import LINE_LIMIT, LineSplitter, LineTooLong
from mailsuite.pop3d.octets import Stuffer, Top, stuffed
from mailsuite.pop3d.replies import Err, Ok, first_line
from mailsuite.pop3d.syntax import number, parse

# Octets in which line ends and dots meet often.
octets = st.lists(
    st.sampled_from([b"\r\n", b".", b"..", b"x", b"\r\n.\r\n", b"\r", b"\xff"]), max_size=30
).map(b"".join)
any_octets = st.one_of(octets, st.binary(max_size=60), octets.map(lambda o: o.replace(b"\r", b"")))


@st.composite
def cut(draw: st.DrawFn, source: st.SearchStrategy[bytes]) -> list[bytes]:
    """Some octets, cut anywhere."""
    whole = draw(source)
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


def stuff(slices: list[bytes]) -> bytes:
    stuffer = Stuffer()
    return b"".join(stuffer.feed(part) for part in slices) + stuffer.finish()


def unstuff(wire: bytes) -> bytes:
    """What a client of RFC 1939 §3 makes of it."""
    body = b""
    lines = wire.split(b"\r\n")
    while (line := lines.pop(0)) != b".":
        body += line.removeprefix(b".") + b"\r\n"
    assert lines == [b""], "octets after the end"
    return body


@given(cut(octets))
def test_a_client_gets_back_what_was_stuffed(slices: list[bytes]) -> None:
    whole = b"".join(slices)
    expected = whole if whole.endswith(b"\r\n") or not whole else whole + b"\r\n"
    assert unstuff(stuff(slices)) == expected


@given(any_octets)
def test_a_whole_message_at_once_is_stuffed_the_same(whole: bytes) -> None:
    assert stuffed(b"+OK\r\n", whole) == b"+OK\r\n" + stuff([whole])


@given(cut(any_octets))
def test_the_end_never_comes_early_not_even_for_clients_that_end_lines_at_lf(
    slices: list[bytes],
) -> None:
    wire = stuff(slices)
    assert wire == stuff([b"".join(slices)])
    assert wire.endswith(b".\r\n")
    lines = wire.split(b"\n")
    assert [line.rstrip(b"\r") for line in lines].index(b".") == len(lines) - 2


@given(cut(any_octets), st.integers(0, 12))
def test_top_gives_header_blank_line_and_so_many_lines(slices: list[bytes], count: int) -> None:
    whole = b"".join(slices)
    *ended, rest = whole.split(b"\n")
    lines = [line + b"\n" for line in ended] + ([rest] if rest else [])
    blank = next((i for i, line in enumerate(lines) if not line.strip(b"\r\n")), None)
    if blank is not None and lines[blank].endswith(b"\n"):
        lines = lines[: blank + 1 + count]
    top = Top(count)
    assert b"".join(top.feed(part) for part in slices) == b"".join(lines)


def collect(splitter: LineSplitter) -> list[bytes | None]:
    """All lines that are there; None stands for one that was too long."""
    found: list[bytes | None] = []
    while True:
        try:
            line = splitter.next()
        except LineTooLong:
            found.append(None)
            continue
        if line is None:
            return found
        found.append(line)


@given(cut(any_octets), st.integers(2, 8))
def test_lines_are_the_same_however_they_are_cut(slices: list[bytes], limit: int) -> None:
    splitter = LineSplitter(limit)
    found: list[bytes | None] = []
    for part in slices:
        splitter.feed(part)
        found += collect(splitter)
    *lines, rest = b"".join(slices).split(b"\n")
    expected: list[bytes | None] = [
        None if len(line) >= limit else line.removesuffix(b"\r") for line in lines
    ]
    if len(rest) >= limit:
        expected.append(None)
    assert found == expected


def test_a_line_of_the_limit_passes_and_one_octet_more_does_not() -> None:
    splitter = LineSplitter()
    splitter.feed(b"x" * (LINE_LIMIT - 2) + b"\r\n")
    assert splitter.next() == b"x" * (LINE_LIMIT - 2)
    splitter.feed(b"x" * (LINE_LIMIT - 1) + b"\r\nNOOP\r\n")
    with pytest.raises(LineTooLong):
        splitter.next()
    assert splitter.next() == b"NOOP"


def test_an_endless_line_is_not_kept() -> None:
    splitter = LineSplitter()
    splitter.feed(b"x" * 1000)
    with pytest.raises(LineTooLong):
        splitter.next()
    for _ in range(100):
        splitter.feed(b"x" * 1000)
        assert splitter.next() is None
    splitter.feed(b"\r\nQUIT\r\n")
    assert splitter.next() == b"QUIT"


@given(st.binary(max_size=40))
def test_any_line_is_a_command(line: bytes) -> None:
    command = parse(line)
    assert isinstance(command.keyword, str)
    assert len(command.arguments) <= len(line)


def test_a_password_keeps_its_spaces() -> None:
    command = parse(b"pass  two  words ")
    assert command.keyword == "PASS"
    assert command.argument == b" two  words "


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (b"1", 1),
        (b"007", 7),
        (b"9" * 10, 9999999999),
        (b"9" * 40, int("9" * 40)),
        *((word, None) for word in (b"", b"-1", b"+1", b"1x", "٣".encode())),
    ],
)
def test_numbers_are_digits_and_none_else(word: bytes, value: int | None) -> None:
    assert number(word) == value


def test_the_digest_of_apop() -> None:
    """The example of RFC 1939 §7."""
    banner, digest = "<1896.697170952@dbc.mtview.ca.us>", b"c4c9334bac560ecc979e58001b3e22fb"
    assert fits(digest, banner, "tanstaaf")
    assert fits(digest.upper(), banner, "tanstaaf")
    assert not fits(digest, banner, "tanstaag")
    assert not fits(b"\xff" * 32, banner, "tanstaaf")
    assert timestamp("1", "mail.example.test") == "<1@mail.example.test>"
    assert timestamp("1", "bücher.example") == "<1@xn--bcher-kva.example>"
    assert timestamp("1", "not a host>") == "<1@localhost>"


def test_status_lines() -> None:
    assert first_line(Ok("ready")) == b"+OK ready\r\n"
    assert first_line(Err("busy", code="IN-USE")) == b"-ERR [IN-USE] busy\r\n"

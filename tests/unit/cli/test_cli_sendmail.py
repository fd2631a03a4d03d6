"""What sendmail's options and input mean; DATA's stuffing.

- Whatever comes in, lines go out with CRLF, and only a lone dot ends them.
- Stuffed octets, unstuffed by the server's reader, are the same octets, however they were cut.
"""

import contextlib
import io
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.cli.handing import SOCKET, NotSent, connect, find_socket, stuffed
from mailsuite.cli.letter import Letter, Wanted
from mailsuite.cli.sendmail import LINE, lines, parse, read_header
from mailsuite.smtpd.data_reader import DataReader


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], Wanted()),
        (["a", "b"], Wanted(addresses=["a", "b"])),
        (["-t", "-i"], Wanted(from_header=True, ignore_dots=True)),
        (["-oi", "-oem", "-odb"], Wanted(ignore_dots=True)),
        (["-ti"], Wanted(from_header=True, ignore_dots=True)),
        (["-f", "a@b", "-FJoe", "--", "-x"],
         Wanted(addresses=["-x"], values={"sender": "a@b", "name": "Joe"})),
        (["-ra@b", "-B", "8BITMIME"], Wanted(values={"sender": "a@b", "body": "8BITMIME"})),
        (["-f", "", "-N", "success,failure", "-R", "hdrs", "-V", "e1"],
         Wanted(values={"sender": "", "notify": "success,failure", "ret": "hdrs", "envid": "e1"})),
        (["-bs"], Wanted(mode="s")),
        (["-b", "p"], Wanted(mode="p")),
        (["-q30m"], Wanted(flush=True)),
        (["-Am", "-G", "-v", "-O", "DeliveryMode=b", "-om", "a"], Wanted(addresses=["a"])),
    ],
)  # fmt: skip
def test_options(arguments: list[str], wanted: Wanted) -> None:
    assert parse(arguments) == wanted


@pytest.mark.parametrize("arguments", [["-bd"], ["-f"], ["-Z"], ["--help"], ["-tZ"]])
def test_options_that_are_not_known(arguments: list[str]) -> None:
    with pytest.raises(NotSent) as error:
        parse(arguments)
    assert error.value.code == 64


pieces = st.lists(st.sampled_from([b".", b"\n", b"\r\n", b"\r", b"x", b"y" * (LINE - 1), b"\0"]))


@given(pieces)
def test_lines(octets: list[bytes]) -> None:
    whole = b"".join(octets)
    out = b"".join(lines(io.BytesIO(whole), ignore_dots=True))
    plain = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert out == plain.replace(b"\n", b"\r\n")


def test_a_lone_dot_ends_the_message() -> None:
    for end in (b"\n", b"\r\n", b""):
        found = lines(io.BytesIO(b"a\n..\n.b\n." + end), ignore_dots=False)
        assert b"".join(found) == b"a\r\n..\r\n.b\r\n"
    assert b"".join(lines(io.BytesIO(b"a\n.\nb"), ignore_dots=True)) == b"a\r\n.\r\nb"
    cut = b"y" * LINE + b".\nz\n"
    assert b"".join(lines(io.BytesIO(cut), ignore_dots=False)) == cut.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("text", "header", "rest"),
    [
        (b"A: b\n c\n\nbody\n", b"A: b\r\n c\r\n", b"\r\nbody\r\n"),
        (b"From x Mon\nA: b\n\nbody\n", b"A: b\r\n", b"\r\nbody\r\n"),
        (b"A: b\nno field\n", b"A: b\r\n", b"\r\nno field\r\n"),
        (b"just text: yes\n", b"", b"\r\njust text: yes\r\n"),
        (b"", b"", b"\r\n"),
    ],
)
def test_headers(text: bytes, header: bytes, rest: bytes) -> None:
    source = lines(io.BytesIO(text), ignore_dots=True)
    found, blank = read_header(source)
    assert (found, blank + b"".join(source)) == (header, rest)


def test_bare_names_get_a_domain_and_others_keep_their_octets() -> None:
    header = (
        b'To: Root <root>,\r\n "a,b" <c@d.test>\r\nCC:  kept@x.test \r\nBcc: hidden\r\nX: y\r\n'
    )
    letter = Letter(Wanted(from_header=True, values={"sender": "me"}), header, "x.test")
    assert letter.mail.sender == "me@x.test"
    assert letter.mail.recipients == ["root@x.test", "c@d.test", "kept@x.test", "hidden@x.test"]
    assert letter.header == (
        b'From: me@x.test\r\nTo: Root <root@x.test>, "a,b" <c@d.test>\r\n'
        b"CC:  kept@x.test \r\nBcc: hidden@x.test\r\nX: y\r\n"
    )


def test_nobody_is_left_out_without_a_word() -> None:
    wanted = Wanted(from_header=True, values={"sender": "me"})
    with pytest.raises(NotSent, match="'Ben' is not an address") as error:
        Letter(wanted, b"To: ann@y.test, Ben <, c@y.test\r\n", "x.test")
    assert error.value.code == 65
    # Nobody is meant here.
    header = b"To: undisclosed-recipients:;\r\nCc: , <>\r\nBcc: ann@y.test\r\n"
    assert Letter(wanted, header, "x.test").mail.recipients == ["ann@y.test"]


def test_raw_8_bit_texts_are_encoded() -> None:
    header = "To: J\u00f6rg <j@x.test>\r\nSubject: f\u00fcr alle\r\n".encode()
    letter = Letter(Wanted(from_header=True, values={"sender": "me@x.test"}), header, "x.test")
    assert not letter.mail.utf8
    assert letter.header.endswith(
        b"To: =?utf-8?q?J=C3=B6rg?= <j@x.test>\r\nSubject: =?utf-8?q?f=C3=BCr?= alle\r\n"
    )
    letter = Letter(Wanted(addresses=["j\u00f6rg@x.test"], values={"sender": "a"}), b"", "x.test")
    assert letter.mail.utf8


def test_resent_messages_go_to_whom_they_are_resent() -> None:
    header = b"From: a@x.test\r\nTo: b@x.test\r\nResent-To: c@x.test\r\n"
    letter = Letter(Wanted(from_header=True, values={"sender": "<>"}), header, "x.test")
    assert (letter.mail.sender, letter.mail.recipients) == ("", ["c@x.test"])


@given(pieces.map(lambda found: [piece.replace(b"y", b".") for piece in found]))
def test_stuffing(octets: list[bytes]) -> None:
    whole = b"".join(octets)
    reader = DataReader()
    found = reader.feed(b"".join(stuffed(octets)) + b"QUIT\r\n")
    assert reader.done
    assert reader.rest == b"QUIT\r\n"
    assert found == (whole if whole.endswith(b"\r\n") or not whole else whole + b"\r\n")


@pytest.mark.parametrize("text", ["a@b@x.test", '"Ann" <a@b@x.test>', "c@x.test, a@b@x.test"])
def test_two_ats_are_a_slip(text: str) -> None:
    for wanted in (
        Wanted(addresses=[text], values={"sender": "me"}),
        Wanted(from_header=True, values={"sender": "me"}),
    ):
        with pytest.raises(NotSent, match="more than one @") as caught:
            Letter(wanted, f"To: {text}\r\n".encode(), "x.test")
        assert caught.value.code == 65
    with pytest.raises(NotSent, match="more than one @"):
        Letter(Wanted(addresses=["c@x.test"], values={"sender": "a@b@x.test"}), b"", "x.test")


def test_a_missing_comma_leaves_nobody_out() -> None:
    for wanted in (
        Wanted(addresses=["a@x.test b@x.test"], values={"sender": "me"}),
        Wanted(from_header=True, values={"sender": "me"}),
    ):
        with pytest.raises(NotSent, match="a comma is missing"):
            Letter(wanted, b"To: c@x.test, a@x.test\r\n b@x.test\r\n", "x.test")
    named = Wanted(addresses=["a@x.test <b@x.test>"], values={"sender": "me"})
    assert Letter(named, b"", "x.test").mail.recipients == ["b@x.test"]


@pytest.mark.parametrize(
    "text",
    [
        "A <a@x.test> B <b@x.test>",
        "<a@x.test><b@x.test>",
        "<a@x.test> b@x.test",
        "a@x.test (Ann) b@x.test",
        '"Ann" a@x.test b@x.test',
        "friends: c@x.test, a@x.test b@x.test;",
    ],
)
def test_nor_where_there_are_names_too(text: str) -> None:
    with pytest.raises(NotSent, match="a comma is missing"):
        Letter(Wanted(addresses=[text], values={"sender": "me"}), b"", "x.test")


@pytest.mark.parametrize(
    "text",
    [
        '"b@x.test, c" <a@x.test>',
        "b@x.test <a@x.test>",
        "a@x.test (was (b@x.test) before c@x.test)",
        "<@b.test,@c.test:a@x.test>",
        "<<a@x.test>>",
        "; a @ x.test,",
    ],
)
def test_what_is_one_address(text: str) -> None:
    letter = Letter(Wanted(addresses=[text], values={"sender": "me"}), b"", "x.test")
    assert letter.mail.recipients == ["a@x.test"]


def test_a_long_local_part_as_mailing_lists_make_them() -> None:
    long = f"bounces+{'user=host.test+' * 5}list@x.test"
    letter = Letter(
        Wanted(addresses=[long], values={"sender": long}), "Subject: ä\r\n".encode(), "x.test"
    )
    assert (letter.mail.sender, letter.mail.recipients) == (long, [long])
    assert long.encode() in letter.header


def test_an_at_in_quotes_is_none() -> None:
    for text in ('"a@b"@x.test', '"Ann" <"a@b"@x.test>', '"a\\@b"@x.test'):
        letter = Letter(Wanted(addresses=[text], values={"sender": "me"}), b"", "x.test")
        assert letter.mail.recipients == ['"a@b"@x.test']


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("mode", [0o700, 0o711, 0o755])
def test_another_user_is_told_what_opens_the_door(tmp_path: Path, mode: int) -> None:
    """The socket in the data folder is for root and the server's own user, whatever its mode."""
    data = tmp_path / "data"
    data.mkdir()
    sock = socket.socket(socket.AF_UNIX)
    with sock, contextlib.chdir(data):
        sock.bind(SOCKET)
        sock.listen()
    (data / SOCKET).chmod(0o600)
    data.chmod(mode)
    os.seteuid(65534)
    try:
        with pytest.raises(NotSent, match="setting local_socket makes") as caught:
            connect(find_socket(None, data)[0])
    finally:
        os.seteuid(0)
    assert caught.value.code == 77

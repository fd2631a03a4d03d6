"""POP3: replies however they are cut, and how a session begins."""

from __future__ import annotations

import hashlib
import itertools
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.remote import Nonsense, Refused, SignInRefused, TlsFailed
from mailsuite.remote.pop3.dialogue import Beginning
from mailsuite.remote.pop3.reader import MAX_LINE, Reader, reply
from mailsuite.remote.steps import Compute, Handshake, Receive, Send
from mailsuite.sasl import ClientLogin

LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x", b"a.\r", b"\n.", b"\r", b"."]))


def stuffed(octets: bytes) -> bytes:
    """As RFC 1939 §3 wants a multi-line reply, of octets that end a line."""
    return b"".join(
        (b"." + line if line.startswith(b".") else line) + b"\r\n"
        for line in octets.split(b"\r\n")[:-1]
    )


@given(LINES, st.data())
def test_a_multi_line_reply_however_it_is_cut(lines, data):
    octets = b"".join(line + b"\r\n" for line in lines)
    stream = b"+OK\r\n" + stuffed(octets) + b".\r\n+OK next\r\n"
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10))
    reader = Reader()
    body = b""
    seen: list[bytes] = []
    for start, stop in itertools.pairwise([0, *sorted(cuts), len(stream)]):
        reader.feed(stream[start:stop])
        while True:
            if not reader.ended:
                piece = reader.body()
                body += piece
                if not piece and not reader.ended:
                    break
            elif (line := reader.line()) is not None:
                seen.append(line)
                if line == b"+OK":
                    reader.begin_body()
            else:
                break
    assert seen == [b"+OK", b"+OK next"]
    assert body == octets


def test_a_long_body_is_not_held():
    reader = Reader()
    reader.begin_body()
    total = 0
    for _ in range(100):
        reader.feed(b"x" * 100_000)
        total += len(reader.body())
        assert len(reader._buffer) <= 100_000
    assert total > 9_000_000


def test_replies():
    assert reply(b"+OK [x] yes").ok
    told = reply(b"-ERR [in-use] locked")
    assert (told.ok, told.code, told.passes) == (False, "IN-USE", True)
    assert not reply(b"-ERR [AUTH] no").passes
    with pytest.raises(Nonsense):
        reply(b"* OK IMAP")
    reader = Reader()
    reader.feed(b"+" * (MAX_LINE + 1))
    with pytest.raises(Nonsense):
        reader.line()


def played(
    script: str, *, starttls: bool = False, secure: bool = True, **login: Any
) -> frozenset[str]:
    """Lines "S: …" are the server's, "C: …" must be ours, "TLS" is a handshake."""
    beginning = Beginning(
        "mail.test",
        ClientLogin("bob", **(login or {"password": "secret"})),
        starttls=starttls,
        secure=secure,
    )
    lines = [line.strip() for line in script.strip().splitlines() if line.strip()]
    steps = beginning.run()
    result: object = None
    try:
        while True:
            step = steps.send(result)
            result = None
            if isinstance(step, Compute):
                result = step.call()
                continue
            line = lines.pop(0)
            if isinstance(step, Handshake):
                assert line == "TLS"
            elif isinstance(step, Send):
                assert f"C: {step.octets.decode()}" == line + "\r\n"
            elif isinstance(step, Receive):
                assert line.startswith("S:"), f"it waits, and not: {line}"
                result = line[3:].encode()
    except StopIteration as end:
        assert lines == []
        return end.value


PLAIN = b64encode(b"\0bob\0secret").decode()
END = """
    C: CAPA
    S: +OK
    S: UIDL
    S: .
"""


def test_stls_and_sasl():
    script = f"""
        S: +OK ready
        C: CAPA
        S: +OK
        S: STLS
        S: .
        C: STLS
        S: +OK begin
        TLS
        C: CAPA
        S: +OK
        S: SASL PLAIN
        S: .
        C: AUTH PLAIN {PLAIN}
        S: +OK welcome
    """
    assert played(script + END, starttls=True, secure=False) == {"UIDL"}


def test_a_certificate_and_a_token():
    bob = b64encode(b"bob").decode()
    begin = "S: +OK ready\nC: CAPA\nS: +OK\nS: SASL PLAIN EXTERNAL XOAUTH2\nS: .\n"
    script = begin + f"C: AUTH EXTERNAL {bob}\nS: "
    assert played(script + "+OK welcome" + END, certificate=True) == {"UIDL"}
    with pytest.raises(SignInRefused, match=r"refuses the certificate: \[AUTH\] no"):
        played(script + "-ERR [AUTH] no", certificate=True)
    # Too long for a command's line (RFC 5034 §4): it goes as the answer to a challenge.
    message = b64encode(b"user=bob\x01auth=Bearer " + b"a" * 200 + b"\x01\x01").decode()
    script = begin + f"C: AUTH XOAUTH2\nS: +\nC: {message}\nS: +OK"
    assert played(script + END, token="a" * 200) == {"UIDL"}


def test_user_and_pass_for_servers_of_old():
    played("""
        S: +OK ready
        C: CAPA
        S: -ERR what
        C: USER bob
        S: +OK
        C: PASS secret
        S: +OK welcome
        C: CAPA
        S: -ERR what
    """)


def test_apop_where_nothing_hides_a_password():
    digest = hashlib.md5(b"<1.2@mail.test>secret").hexdigest()
    script = f"""
        S: +OK ready <1.2@mail.test>
        C: CAPA
        S: -ERR what
        C: APOP bob {digest}
        S: +OK welcome
    """
    played(script + END, secure=False)
    with pytest.raises(SignInRefused, match="safe without TLS"):
        played("S: +OK ready\nC: CAPA\nS: -ERR what", secure=False)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("S: -ERR [SYS/TEMP] later", Refused),
        ("S: +OK\nC: CAPA\nS: +OK\nS: UIDL\nS: .", TlsFailed),
        ("S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: -ERR no", TlsFailed),
    ],
)
def test_what_ends_it(script, error):
    with pytest.raises(error):
        played(script, starttls=True)


@pytest.mark.parametrize(
    ("answer", "error"),
    [("-ERR [AUTH] wrong", SignInRefused), ("-ERR [IN-USE] locked", Refused)],
)
def test_refusals(answer, error):
    with pytest.raises(error):
        played(f"S: +OK\nC: CAPA\nS: -ERR\nC: USER bob\nS: +OK\nC: PASS secret\nS: {answer}")


def test_a_server_that_asks_and_asks():
    script = "S: +OK hi\nC: CAPA\nS: +OK\nS: SASL LOGIN\nS: .\nC: AUTH LOGIN\n"
    answers = [b64encode(octets).decode() for octets in (b"bob", b"secret")] + ["*"] * 100
    with pytest.raises(Nonsense, match="goes on asking"):
        played(script + "".join(f"S: + \nC: {answer}\n" for answer in answers))

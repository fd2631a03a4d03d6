"""How a session begins: greeting, STARTTLS, sign-in by every mechanism, and servers that cheat."""

from __future__ import annotations

import itertools
from base64 import b64decode, b64encode
from typing import Any

import pytest

from mailsuite.remote import Nonsense, Refused, SignInRefused, TlsFailed
from mailsuite.remote.imap.dialogue import Beginning
from mailsuite.remote.imap.receiver import Receiver, Whole
from mailsuite.remote.imap.response import parse
from mailsuite.remote.steps import Compute, Handshake, Receive, Send
from mailsuite.sasl import ClientLogin

PLAIN = b64encode(b"\0bob\0secret")


def played(script: str, *, starttls: bool = False, secure: bool = True, **login: Any) -> frozenset:
    """Play a dialogue: lines "S: …" are the server's, "C: …" must be ours, "TLS" is a handshake.

    "C: *" is whatever we say.
    """
    numbers = itertools.count(1)
    beginning = Beginning(
        "mail.test",
        ClientLogin("bob", **(login or {"password": "secret"})),
        starttls=starttls,
        secure=secure,
        next_tag=lambda: b"A%d" % next(numbers),
        bindings=lambda: {"tls-server-end-point": b"hash"},
    )
    lines = [line.strip() for line in script.strip().splitlines()]
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
                said = f"C: {step.octets.decode()}".rstrip()
                assert line == "C: *" or said == line
            elif isinstance(step, Receive):
                (event,) = Receiver().feed(line.removeprefix("S:").lstrip().encode() + b"\r\n")
                assert line.startswith("S:"), f"it waits, and not: {line}"
                assert isinstance(event, Whole)
                result = parse(event.pieces)
    except StopIteration as end:
        assert lines == []
        return end.value


def test_the_shortest():
    found = played(f"""
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello
        C: A1 AUTHENTICATE PLAIN {PLAIN.decode()}
        S: A1 OK [CAPABILITY IMAP4rev1 IDLE] welcome
    """)
    assert found == {"IMAP4REV1", "IDLE"}


def test_starttls_and_what_was_said_before_it():
    found = played(
        f"""
        S: * OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN SASL-IR] hello
        C: A1 STARTTLS
        S: A1 OK begin
        TLS
        C: A2 CAPABILITY
        S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
        S: A2 OK done
        C: A3 AUTHENTICATE PLAIN
        S: +
        C: {PLAIN.decode()}
        S: * CAPABILITY IMAP4rev1 X
        S: A3 OK welcome
        """,
        starttls=True,
        secure=False,
    )
    assert found == {"IMAP4REV1", "X"}


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        ("S: * OK [CAPABILITY IMAP4rev1] hello", TlsFailed),
        ("S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hello bob", TlsFailed),
        ("S: * BYE [UNAVAILABLE] later", Refused),
        ("S: A1 OK hello", Nonsense),
        ("S: * 5 EXISTS", Nonsense),
    ],
)
def test_greetings_that_end_it(greeting, error):
    with pytest.raises(error):
        played(greeting, starttls=True)


def test_preauth():
    assert played("S: * PREAUTH [CAPABILITY IMAP4rev1] hello bob") == {"IMAP4REV1"}


def test_no_password_without_tls():
    with pytest.raises(SignInRefused, match="safe without TLS"):
        played(
            """
            S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN] hello
            """,
            secure=False,
        )


def test_login_command_for_servers_of_old():
    played("""
        S: * OK hello
        C: A1 CAPABILITY
        S: * CAPABILITY IMAP4
        S: A1 OK done
        C: A2 LOGIN "bob" "secret"
        S: A2 OK welcome
        C: A3 CAPABILITY
        S: * CAPABILITY IMAP4
        S: A3 OK done
    """)


def test_a_password_that_no_quoted_string_holds():
    played(
        """
        S: * OK [CAPABILITY IMAP4] hello
        C: A1 LOGIN "bob" {8}
        S: + go on
        C: schön"!
        S: A1 OK [CAPABILITY IMAP4] welcome
        """,
        password='schön"!',
    )


def test_the_next_mechanism_after_a_refusal():
    played(f"""
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN SASL-IR] hello
        C: A1 AUTHENTICATE PLAIN {PLAIN.decode()}
        S: A1 NO [AUTHENTICATIONFAILED] no
        C: A2 AUTHENTICATE LOGIN
        S: + {b64encode(b"Username:").decode()}
        C: {b64encode(b"bob").decode()}
        S: + {b64encode(b"Password:").decode()}
        C: {b64encode(b"secret").decode()}
        S: A2 OK [CAPABILITY IMAP4rev1] welcome
    """)


def test_a_wrong_password_is_not_said_again_and_again():
    """Servers count guesses, and lock out."""
    script = "S: * OK [CAPABILITY SASL-IR AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256"
    script += f""" AUTH=SCRAM-SHA-1 AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5] hello
        C: *
        S: A1 NO [AUTHENTICATIONFAILED] no
        C: A2 AUTHENTICATE PLAIN {PLAIN.decode()}
        S: A2 NO [AUTHENTICATIONFAILED] no
    """
    with pytest.raises(SignInRefused, match="refuses the user or password"):
        played(script)


def test_a_wrong_password_and_a_server_out_of_order():
    script = f"""
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello
        C: A1 AUTHENTICATE PLAIN {PLAIN.decode()}
    """
    with pytest.raises(SignInRefused, match="refuses the user or password"):
        played(script + "S: A1 NO [AUTHENTICATIONFAILED] no")
    with pytest.raises(Refused, match="takes no sign-in now"):
        played(script + "S: A1 NO [UNAVAILABLE] the database is down")
    with pytest.raises(Refused, match="ends the session"):
        played(script + "S: * BYE shutting down")
    with pytest.raises(Nonsense):
        played(script + "S: A9 OK welcome")


def test_scram_server_that_does_not_know_the_password():
    """A SCRAM server that says OK without its proof is not believed."""
    with pytest.raises(SignInRefused, match="has not shown"):
        played("""
            S: * OK [CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=PLAIN SASL-IR] hello
            C: *
            S: A1 OK welcome
        """)


def test_scram_is_bound_to_the_connection():
    """RFC 5802 §6: the name of the binding is the first thing that is said."""
    with pytest.raises(AssertionError) as caught:
        played("""
            S: * OK [CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS SASL-IR] hello
            C: something else
        """)
    said = str(caught.value).partition("AUTHENTICATE SCRAM-SHA-256-PLUS ")[2]
    assert b64decode(said[:32]).startswith(b"p=tls-server-end-point,,")


def test_a_token():
    message = b64encode(b"n,a=bob,\x01auth=Bearer abc\x01\x01").decode()
    played(
        f"""
        S: * OK [CAPABILITY IMAP4rev1 AUTH=OAUTHBEARER AUTH=PLAIN SASL-IR] hello
        C: A1 AUTHENTICATE OAUTHBEARER {message}
        S: A1 OK [CAPABILITY IMAP4rev1] welcome
        """,
        token="abc",
    )


def test_a_token_that_is_refused():
    """The server's own word for it is told; the other mechanism is tried; no LOGIN."""
    first = b64encode(b"n,a=bob,\x01auth=Bearer abc\x01\x01").decode()
    second = b64encode(b"user=bob\x01auth=Bearer abc\x01\x01").decode()
    with pytest.raises(SignInRefused, match=r"refuses the token: .*no \(invalid_token\)"):
        played(
            f"""
            S: * OK [CAPABILITY IMAP4rev1 AUTH=OAUTHBEARER AUTH=XOAUTH2 AUTH=PLAIN SASL-IR] hello
            C: A1 AUTHENTICATE OAUTHBEARER {first}
            S: + {b64encode(b'{"status":"invalid_request"}').decode()}
            C: AQ==
            S: A1 NO no
            C: A2 AUTHENTICATE XOAUTH2 {second}
            S: + {b64encode(b'{"status":"invalid_token"}').decode()}
            C:
            S: A2 NO [AUTHENTICATIONFAILED] no
            """,
            token="abc",
        )
    with pytest.raises(SignInRefused, match="offers no sign-in with a token"):
        played("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello", token="abc")


def test_a_certificate():
    """EXTERNAL says whom to act as; nothing else is tried, and not without TLS."""
    script = f"""
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=EXTERNAL] hello
        C: A1 AUTHENTICATE EXTERNAL
        S: +
        C: {b64encode(b"bob").decode()}
    """
    played(script + "S: A1 OK [CAPABILITY IMAP4rev1] welcome", certificate=True)
    with pytest.raises(SignInRefused, match="refuses the certificate"):
        played(script + "S: A1 NO [AUTHENTICATIONFAILED] no", certificate=True)
    for offered, secure in (("AUTH=PLAIN", True), ("AUTH=EXTERNAL", False)):
        with pytest.raises(SignInRefused, match="offers no sign-in with this certificate"):
            played(f"S: * OK [CAPABILITY {offered}] hello", certificate=True, secure=secure)


@pytest.mark.parametrize("told", ["S: + \nC: *\n" * 100, "S: * OK still thinking\n" * 2000])
def test_a_server_that_never_ends_its_answer(told):
    """Nothing of what it says is kept for ever."""
    with pytest.raises(Nonsense, match=r"goes on asking|does not come to the end"):
        played(f"S: * OK [CAPABILITY AUTH=PLAIN] hi\nC: A1 AUTHENTICATE PLAIN\n{told}")

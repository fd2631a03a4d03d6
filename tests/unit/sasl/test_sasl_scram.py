"""SCRAM, both sides: the RFCs' own exchanges, one against the other, and every way to cheat."""

from base64 import b64encode
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.sasl import ClientLogin
from mailsuite.sasl.client import Scram as Client
from mailsuite.sasl.model import Challenge, Failure, Proven, Rejected, Step, VerifierWanted
from mailsuite.sasl.saslprep import saslprep
from mailsuite.sasl.scram import (
    SHA1,
    SHA256,
    Hash,
    Verifier,
    decode64,
    digest,
    keyed,
    make_verifier,
    parse_verifier,
    salt_password,
    xor,
)
from mailsuite.sasl.scram_server import Scram

# RFC 5802 §5 and RFC 7677 §3: user "user", password "pencil".
SHA1_EXAMPLE = (
    SHA1,
    "fyko+d2lbbFgONRv9qkxdawL",
    "3rfcNHYJY1ZVvWVs7j",
    "QSXCR+Q6sek8bf92",
    [
        b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ],
)
SHA256_EXAMPLE = (
    SHA256,
    "rOprNGfwEbeRWgbNEkqO",
    "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    "W22ZaJ0SNY7soEsUEjb6gQ==",
    [
        b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ],
)
EXAMPLES = (SHA1_EXAMPLE, SHA256_EXAMPLE)


def supplied(step: Step, *verifiers: Verifier) -> Step:
    assert isinstance(step, VerifierWanted)
    return step.go_on(verifiers)


@pytest.mark.parametrize("example", EXAMPLES, ids=["RFC 5802", "RFC 7677"])
def test_the_rfcs_exchange_from_both_sides(
    example: tuple[Hash, str, str, str, list[bytes]],
) -> None:
    hash, client_nonce, server_nonce, salt, lines = example
    verifier = make_verifier(hash, "pencil", decode64(salt), 4096)
    server = Scram(hash, nonce=server_nonce)
    client = Client(hash, ClientLogin("user", "pencil"), nonce=client_nonce)
    assert client.initial == lines[0]
    step = supplied(server.step(client.initial), verifier)
    assert step == Challenge(lines[1])
    assert client.answer(lines[1]) == lines[2]
    signature = server.step(lines[2])
    assert signature == Challenge(lines[3])
    assert not client.complete
    assert client.answer(lines[3]) == b""
    assert client.complete
    assert server.step(b"") == Proven("", "user", verifier)


BINDINGS = {"tls-server-end-point": b"end", "tls-unique": b"unique"}


def server(
    hash: Hash = SHA256, *, plus: bool = False, bindings: Mapping[str, bytes] | None = None
) -> Scram:
    return Scram(hash, plus=plus, bindings=bindings)


def verifier_of(password: str, hash: Hash = SHA256) -> Verifier:
    return make_verifier(hash, password, b"salt", 4096)


def run(client: Client, machine: Scram, *verifiers: Verifier) -> Step:
    """Both sides, until one of them has done."""
    step = supplied(machine.step(client.initial), *verifiers)
    while isinstance(step, Challenge):
        answer = client.answer(step.data)
        assert answer is not None, "the client has given up"
        step = machine.step(answer)
    return step


@pytest.mark.parametrize("hash", [SHA1, SHA256], ids=lambda hash: hash.name)
@pytest.mark.parametrize("kind", BINDINGS)
def test_with_channel_binding(hash: Hash, kind: str) -> None:
    client = Client(hash, ClientLogin("al=i,ce", "x"), binding=(kind, BINDINGS[kind]))
    assert client.mechanism == f"{hash.mechanism}-PLUS"
    verifier = verifier_of("x", hash)
    outcome = run(client, server(hash, plus=True, bindings=BINDINGS), verifier)
    assert outcome == Proven("", "al=i,ce", verifier)
    assert client.complete


def test_a_channel_that_ends_elsewhere_is_noticed() -> None:
    client = Client(SHA256, ClientLogin("a", "x"), binding=("tls-unique", b"other"))
    machine = server(plus=True, bindings=BINDINGS)
    assert run(client, machine, verifier_of("x")) == Rejected("a")


@pytest.mark.parametrize(
    ("plus", "bindings", "header"),
    [
        (True, BINDINGS, b"n,,"),
        (True, BINDINGS, b"y,,"),
        (True, BINDINGS, b"p=tls-exporter,,"),
        (False, BINDINGS, b"p=tls-unique,,"),
        (False, BINDINGS, b"y,,"),  # RFC 5802 §6: somebody has hidden -PLUS from the client
        (False, {}, b"x,,"),
        (False, {}, b"n"),
        (False, {}, b"n,b=x,"),
    ],
)
def test_headers_that_are_refused(plus: bool, bindings: dict[str, bytes], header: bytes) -> None:
    machine = server(plus=plus, bindings=bindings)
    assert isinstance(machine.step(header + b"n=user,r=abc"), Failure)


def test_a_client_that_cannot_bind_is_taken_where_the_channel_cannot_be_bound() -> None:
    assert isinstance(server().step(b"y,,n=user,r=abc"), VerifierWanted)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,",
        b"n,,n=user",
        b"n,,r=abc,n=user",
        b"n,,m=ext,n=user,r=abc",
        b"n,,n=user,r=abc,m=ext",  # §5.1: wherever it is found
        b"n,,n=user,r=abc,x=a\0b",
        b"n,,n=user,r=abc,xy=a",
        b"n,a=,n=user,r=abc",
        b"n,a=\xc2\xad,n=user,r=abc",  # nothing is left of it (RFC 5034 §4)
        b"n,a=us=er,n=user,r=abc",
        b"n,,n=,r=abc",
        b"n,,n=\xc2\xad,r=abc",
        b"n,,n=us=er,r=abc",
        b"n,,n=us\x07er,r=abc",
        b"n,,n=user,r=",
        "n,,n=user,r=ä".encode(),
        b"n,,n=us\xffer,r=abc",
        b"n,,n=user,r=" + b"x" * 10_000,
    ],
)
def test_first_messages_that_are_malformed(message: bytes) -> None:
    assert isinstance(server().step(message), Failure)


def test_extensions_that_nobody_knows_are_ignored() -> None:
    """§5.1, §7: in both messages of the client, and in both of the server."""
    assert isinstance(server().step(b"n,,n=user,r=abc,x=y,z=a=b"), VerifierWanted)
    client = Client(SHA256, ClientLogin("user", "x"), nonce="abc")
    final = client.answer(b"r=abcdef,s=c2FsdA==,i=4096,t=more")
    assert final is not None
    machine = Scram(SHA256, nonce="def")
    supplied(machine.step(b"n,,n=user,r=abc"), verifier_of("x"))
    without_proof, _, _ = final.decode().rpartition(",p=")
    extended = without_proof + ",x=y"
    signed = f"n=user,r=abc,r=abcdef,s=c2FsdA==,i=4096,{extended}".encode()
    key = keyed(SHA256, salt_password(SHA256, "x", b"salt", 4096), b"Client Key")
    proof = xor(key, keyed(SHA256, digest(SHA256, key), signed))
    step = machine.step(f"{extended},p={b64encode(proof).decode()}".encode())
    assert isinstance(step, Challenge) and step.data.startswith(b"v=")


def test_names_are_unescaped_and_prepared() -> None:
    step = server().step("n,a=b=3Db,n=a=2Cb=3D\u00ad\u2168,r=abc".encode())
    assert isinstance(step, VerifierWanted)
    assert step.authcid == "a,b=IX"


@pytest.mark.parametrize(
    "final",
    [
        b"c=biws,r=other,p=AAAA",
        b"c=biws,p=AAAA",
        b"r=abc,p=AAAA",
        b"c=biws,r=abc",
        b"c=*,r=abc,p=AAAA",
        b"c=biws,r=abcdef,m=ext,p=AAAA",
        b"c=biws=,r=abcdef,p=AAAA",  # not canonical base64 (§2.1)
        b"c=biws,r=abcdef,p=AB==",
        b"c=biws,r=abcdef,p=AAAA,x=y",  # the proof comes last
        b"p=AAAA",
        b"",
    ],
)
def test_final_messages_that_are_malformed(final: bytes) -> None:
    machine = Scram(SHA256, nonce="def")
    supplied(machine.step(b"n,,n=user,r=abc"), verifier_of("x"))
    assert isinstance(machine.step(final), Failure)


def test_wrong_password_short_proof_and_another_binding_are_rejected() -> None:
    client = Client(SHA256, ClientLogin("user", "wrong"))
    assert run(client, server(), verifier_of("right")) == Rejected("user")
    for final in (b"c=biws,r=abcdef,p=AAAA", b"c=eSws,r=abcdef,p=" + b"A" * 43 + b"="):
        machine = Scram(SHA256, nonce="def")
        supplied(machine.step(b"n,,n=user,r=abc"), verifier_of("x"))
        assert machine.step(final) == Rejected("user")


def test_one_of_several_passwords_is_enough_and_the_machine_says_which() -> None:
    verifiers = [verifier_of("one"), verifier_of("two"), verifier_of("three")]
    client = Client(SHA256, ClientLogin("user", "two"))
    assert run(client, server(), *verifiers) == Proven("", "user", verifiers[1])


def test_the_client_believes_no_server_that_does_not_know_the_password() -> None:
    client = Client(SHA256, ClientLogin("user", "x"), nonce="abc")
    assert client.answer(b"r=abcdef,s=c2FsdA==,i=4096") is not None
    assert client.answer(b"v=AAAA") is None
    assert client.answer(b"e=invalid-proof") is None
    assert client.answer(b"e=other-error,v=AAAA") is None
    assert not client.complete


@pytest.mark.parametrize(
    "first",
    [
        b"r=abc,s=c2FsdA==,i=4096",  # nothing added to our nonce
        b"r=xyz,s=c2FsdA==,i=4096",
        b"r=abcdef,s=c2FsdA==,i=4095",
        b"r=abcdef,s=c2FsdA==,i=900000000",
        b"r=abcdef,s=c2FsdA==,i=-1",
        b"r=abcdef,s=*,i=4096",
        b"m=ext,r=abcdef,s=c2FsdA==,i=4096",
        b"r=abcdef,s=c2FsdA==,i=4096,m=ext",
        b"r=abcdef,s=c2FsdA==,i=04096",
        b"r=abcdef,s=c2FsdA=,i=4096",
        b"r=abc\x07def,s=c2FsdA==,i=4096",
        b"s=c2FsdA==,r=abcdef,i=4096",
        b"e=unknown-user",
        b"\xff",
        b"",
    ],
)
def test_servers_that_the_client_leaves(first: bytes) -> None:
    assert Client(SHA256, ClientLogin("user", "x"), nonce="abc").answer(first) is None


def test_verifiers_are_written_and_read_as_rfc_5803_says() -> None:
    for hash in (SHA1, SHA256):
        verifier = verifier_of("x", hash)
        assert verifier.text().startswith(f"{hash.mechanism}$4096:c2FsdA==$")
        assert parse_verifier(verifier.text()) == verifier
    for bad in ("", "SCRAM-MD5$4096:c2FsdA==$AAAA:AAAA", "SCRAM-SHA-1$x:c2FsdA==$AAAA:AAAA"):
        with pytest.raises(ValueError):
            parse_verifier(bad)


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        # RFC 4013 §3
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("p\U0001f511", "p\U0001f511"),
    ],
)
def test_saslprep(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u0627\u0031", "a\u0627", "\ue000", "\u200e"])
def test_saslprep_prohibits(text: str) -> None:
    with pytest.raises(ValueError):
        saslprep(text)


@given(st.lists(st.one_of(st.none(), st.binary(max_size=60)), max_size=4))
def test_the_server_never_raises(responses: list[bytes | None]) -> None:
    machine = Scram(SHA1)
    for response in responses:
        step = machine.step(response)
        if isinstance(step, VerifierWanted):
            step = supplied(step, verifier_of("x", SHA1))
        if not isinstance(step, Challenge):
            break


@given(st.binary(max_size=80))
def test_the_client_never_raises(challenge: bytes) -> None:
    client = Client(SHA256, ClientLogin("user", "x"), nonce="abc")
    client.answer(challenge)
    client.answer(challenge)

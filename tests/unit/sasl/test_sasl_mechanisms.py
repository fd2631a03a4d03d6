"""The SASL machines: their known exchanges, every way to break them, and that nothing raises."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite import sasl
from mailsuite.sasl import (
    CertificateWanted,
    Challenge,
    Credentials,
    Failure,
    Proven,
    Rejected,
    SecretWanted,
    TokenWanted,
)

ALL = sasl.Channel(
    secure=True,
    bindings={"tls-unique": b"x"},
    certificate=True,
    tokens=True,
    secrets=True,
    challenge=b"<1896.697170952@postoffice.reston.mci.net>",
)


def begin(name: str) -> sasl.Mechanism:
    machine = sasl.start(name, ALL)
    assert machine is not None
    return machine


def test_offered_only_where_the_connection_hides_the_password() -> None:
    nothing = sasl.Channel(verifiers=False)
    assert sasl.mechanisms(nothing) == []
    assert sasl.mechanisms(replace(nothing, secure=True)) == ["PLAIN", "LOGIN"]
    assert sasl.mechanisms(replace(nothing, tokens=True)) == []
    assert sasl.start("PLAIN", nothing) is None
    assert sasl.mechanisms(replace(nothing, secrets=True)) == ["CRAM-MD5"]
    assert sasl.mechanisms(sasl.Channel()) == ["SCRAM-SHA-256", "SCRAM-SHA-1"]
    assert sasl.mechanisms(ALL) == [
        "EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1",
        "PLAIN", "LOGIN", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2",
    ]  # fmt: skip


def test_binding_mechanisms_can_be_taken_without_being_announced() -> None:
    quiet = replace(ALL, announce_plus=False)
    assert not [name for name in sasl.mechanisms(quiet) if name.endswith("-PLUS")]
    assert sasl.start("SCRAM-SHA-256-PLUS", quiet) is not None
    # A client that could bind and was not told that we can is no sign of an attack (RFC 5802 §6).
    machine = sasl.start("SCRAM-SHA-256", quiet)
    assert machine is not None
    assert isinstance(machine.step(b"y,,n=user,r=abc"), sasl.VerifierWanted)


def test_names_in_any_case_and_unknown_ones() -> None:
    assert begin("plain").name == "PLAIN"
    assert begin("Login").name == "LOGIN"
    assert sasl.start("GSSAPI", ALL) is None
    assert sasl.start("", ALL) is None


def test_plain_with_initial_response() -> None:
    # RFC 4616 §4
    assert begin("PLAIN").step(b"\0tim\0tanstaaftanstaaf") == Credentials(
        "", "tim", "tanstaaftanstaaf"
    )
    assert begin("PLAIN").step(b"Ursel\0Kurt\0xipj3plmq") == Credentials(
        "Ursel", "Kurt", "xipj3plmq"
    )


def test_plain_asked_for() -> None:
    machine = begin("PLAIN")
    assert machine.step(None) == Challenge(b"")
    assert machine.step("\0jörg\0pässwörd".encode()) == Credentials("", "jörg", "pässwörd")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"alice",
        b"\0alice",
        b"\0alice\0a\0b",
        b"\0al\xffice\0secret",
        b"\0alice\0" + b"x" * 9000,
    ],
)
def test_plain_malformed(message: bytes) -> None:
    assert isinstance(begin("PLAIN").step(message), Failure)


def test_an_empty_name_or_password_is_nobodys_and_no_broken_exchange() -> None:
    """Its user has to be asked again (RFC 3206 §5), as after a wrong one."""
    assert begin("PLAIN").step(b"\0\0secret") == Credentials("", "", "secret")
    assert begin("PLAIN").step(b"\0alice\0") == Credentials("", "alice", "")
    machine = begin("LOGIN")
    assert machine.step(b"") == Challenge(b"Password:")
    assert machine.step(b"secret") == Credentials("", "", "secret")


def test_names_and_passwords_of_255_octets() -> None:
    """RFC 4616 §2: at the least so many of each."""
    long = "é" * 127 + "x"
    step = begin("PLAIN").step(b"\0".join([long.encode()] * 3))
    assert step == Credentials(long, long, long)


def test_login_asked_for() -> None:
    machine = begin("LOGIN")
    assert machine.step(None) == Challenge(b"Username:")
    assert machine.step(b"alice@example.test") == Challenge(b"Password:")
    assert machine.step(b"secret") == Credentials("", "alice@example.test", "secret")


def test_login_with_initial_response() -> None:
    machine = begin("LOGIN")
    assert machine.step(b"alice") == Challenge(b"Password:")
    assert machine.step(b"secret") == Credentials("", "alice", "secret")


def test_login_malformed() -> None:
    assert isinstance(begin("LOGIN").step(b"\xff"), Failure)
    assert isinstance(begin("LOGIN").step(b"a\0b"), Failure)
    assert isinstance(begin("LOGIN").step(b"a" * 9000), Failure)


def test_credentials_do_not_show_the_password() -> None:
    assert "s3cret" not in repr(Credentials("", "alice", "s3cret"))


def test_nobody_acts_as_somebody_else() -> None:
    account = "alice@example.test"
    assert Credentials("", "alice", "x").acts_as(account)
    assert Credentials("Alice@Example.test", "alice", "x").acts_as(account)
    assert Credentials("alice", "alice", "x").acts_as(account)
    assert not Credentials("bob@example.test", "alice", "x").acts_as(account)
    # Prepared by SASLprep (RFC 5034 §4): NFKC; what is prohibited, or vanishes, is nobody.
    assert Credentials("ame\u0301lie@example.test", "x", "x").acts_as("am\u00e9lie@example.test")
    assert Credentials("al\u00adice@example.test", "x", "x").acts_as(account)
    assert not Credentials("\u00ad", "alice", "x").acts_as(account)
    assert not Credentials("alice\u0007", "alice\u0007", "x").acts_as(account)


def test_cram_md5_as_in_rfc_2195() -> None:
    machine = begin("CRAM-MD5")
    assert machine.step(None) == Challenge(ALL.challenge)
    step = machine.step(b"tim b913a602c7eda7a495b4e6e7334d3890")
    assert isinstance(step, SecretWanted) and step.authcid == "tim"
    assert step.go_on("tanstaaftanstaaf") == Proven("", "tim")
    assert step.go_on("other") == Rejected("tim")


@pytest.mark.parametrize(
    "answer", [b"", b"tim", b"tim abc", b" " + b"a" * 32, b"\xff " + b"a" * 32]
)
def test_cram_md5_malformed(answer: bytes) -> None:
    machine = begin("CRAM-MD5")
    machine.step(None)
    assert isinstance(machine.step(answer), Failure)
    assert isinstance(begin("CRAM-MD5").step(b"tim " + b"a" * 32), Failure)  # no initial response


def test_external() -> None:
    assert begin("EXTERNAL").step(b"") == CertificateWanted("")
    machine = begin("EXTERNAL")
    assert machine.step(None) == Challenge(b"")
    assert machine.step(b"alice@example.test") == CertificateWanted("alice@example.test")
    assert isinstance(begin("EXTERNAL").step(b"a\0b"), Failure)


BEARER = (
    b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
    b"auth=Bearer vF9dft4qmT\x01\x01"
)


def test_oauthbearer_as_in_rfc_7628() -> None:
    step = begin("OAUTHBEARER").step(BEARER)
    assert isinstance(step, TokenWanted)
    assert (step.authzid, step.token) == ("user@example.com", "vF9dft4qmT")
    nobody = begin("OAUTHBEARER").step(b"n,,\x01auth=Bearer vF9dft4qmT\x01\x01")
    assert isinstance(nobody, TokenWanted) and nobody.authzid == ""


def test_a_token_that_is_refused_is_told_why_before_it_fails() -> None:
    """RFC 7628 §3.2.3."""
    machine = begin("OAUTHBEARER")
    step = machine.step(BEARER)
    assert isinstance(step, TokenWanted)
    told = json.loads(step.refuse("invalid_token", "https://id.test/.well-known/openid").data)
    assert told == {
        "status": "invalid_token",
        "scope": "openid email",
        "openid-configuration": "https://id.test/.well-known/openid",
    }
    assert machine.step(b"\x01") == Rejected("user@example.com")


def test_xoauth2() -> None:
    machine = begin("XOAUTH2")
    assert machine.step(None) == Challenge(b"")
    step = machine.step(b"user=user@example.com\x01auth=Bearer abc123==\x01\x01")
    assert isinstance(step, TokenWanted)
    assert (step.authzid, step.token) == ("user@example.com", "abc123==")
    assert json.loads(step.refuse("invalid_token", "").data)["status"] == "401"
    assert machine.step(b"") == Rejected("user@example.com")


@pytest.mark.parametrize("name", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,",
        b"n,,\x01\x01",
        b"\x01",
        b"n,a=,\x01auth=Bearer abc\x01\x01",
        b"n,a=\xc2\xad,\x01auth=Bearer abc\x01\x01",
        b"p=tls-unique,,\x01auth=Bearer abc\x01\x01",
        b"n,b=x,\x01auth=Bearer abc\x01\x01",
        b"n,,\x01auth=Bearer abc\x01",
        b"n,,\x01auth\x01\x01",
        b"n,,\x01auth=Bearer abc\x01auth=Bearer abd\x01\x01",
        b"user=\x01auth=Bearer abc\x01\x01",
        b"\xff",
        b"x" * 10_000,
    ],
)
def test_tokens_malformed(name: str, message: bytes) -> None:
    assert isinstance(begin(name).step(message), Failure)


def test_a_client_may_ask_where_to_get_a_token() -> None:
    """RFC 7628 §4.3, octet by octet."""
    machine = begin("OAUTHBEARER")
    asked = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=\x01\x01"
    step = machine.step(asked)
    assert step == TokenWanted("user@example.com", "", step.refuse)
    assert json.loads(step.refuse("invalid_token", "").data)["status"] == "invalid_token"
    assert machine.step(b"\x01") == Rejected("user@example.com")


@pytest.mark.parametrize("auth", ["Basic abc", "Bearer", "Bearer ", "Bearer a b", "bearer\tabc"])
@pytest.mark.parametrize("name", ["OAUTHBEARER", "XOAUTH2"])
def test_what_is_no_bearer_token_is_told_in_json_before_it_fails(name: str, auth: str) -> None:
    """RFC 7628 §3.2.2."""
    machine = begin(name)
    first = "n,," if name == "OAUTHBEARER" else "user=user@example.com"
    told = machine.step(f"{first}\x01auth={auth}\x01\x01".encode())
    assert isinstance(told, Challenge)
    status = "invalid_request" if name == "OAUTHBEARER" else "400"
    assert json.loads(told.data)["status"] == status
    assert isinstance(machine.step(b"\x01"), Failure)


def test_no_log_shows_a_token_or_what_it_takes_to_go_on() -> None:
    assert "vF9" not in repr(begin("OAUTHBEARER").step(BEARER))


def test_wire() -> None:
    assert sasl.encode(b"Username:") == b"VXNlcm5hbWU6"
    assert sasl.decode(b"AHRpbQB0") == b"\0tim\0t"
    assert sasl.decode(b"") == b""
    assert sasl.decode_initial(b"=") == b""
    for bad in (b"***", b"AHRp bQB0", b"AHRpbQB", b"=", b"AHRpbQB0\r", b"\xff"):
        with pytest.raises(ValueError):
            sasl.decode(bad)


@given(
    st.sampled_from(["PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL", "OAUTHBEARER", "XOAUTH2"]),
    st.lists(st.one_of(st.none(), st.binary()), max_size=6),
)
def test_every_exchange_ends_within_three_steps_or_asks_on(
    name: str, responses: list[bytes | None]
) -> None:
    """Invariant: never raises; never more than two challenges before the end."""
    machine = begin(name)
    challenges = 0
    for response in responses:
        answer = machine.step(response)
        if not isinstance(answer, Challenge):
            break
        challenges += 1
    assert challenges <= 2

"""The SASL machines: their known exchanges, every way to break them, and that nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite import sasl
from mailsuite.sasl import Challenge, Credentials, Failure


def begin(name: str) -> sasl.Mechanism:
    machine = sasl.start(name)
    assert machine is not None
    return machine


def test_offered_only_where_the_connection_hides_the_password() -> None:
    assert sasl.mechanisms(secure=True) == ["PLAIN", "LOGIN"]
    assert sasl.mechanisms(secure=False) == []


def test_names_in_any_case_and_unknown_ones() -> None:
    assert begin("plain").name == "PLAIN"
    assert begin("Login").name == "LOGIN"
    assert sasl.start("CRAM-MD5") is None
    assert sasl.start("") is None


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
        b"\0\0secret",
        b"\0alice\0",
        b"\0al\xffice\0secret",
        b"\0alice\0" + b"x" * 9000,
    ],
)
def test_plain_malformed(message: bytes) -> None:
    assert isinstance(begin("PLAIN").step(message), Failure)


def test_login_asked_for() -> None:
    machine = begin("LOGIN")
    assert machine.step(None) == Challenge(b"Username:")
    assert machine.step(b"alice@example.test") == Challenge(b"Password:")
    assert machine.step(b"secret") == Credentials("", "alice@example.test", "secret")


def test_login_with_initial_response() -> None:
    machine = begin("LOGIN")
    assert machine.step(b"alice") == Challenge(b"Password:")
    assert machine.step(b"secret") == Credentials("", "alice", "secret")


def test_login_empty_name_is_told_only_after_the_password() -> None:
    machine = begin("LOGIN")
    assert machine.step(b"") == Challenge(b"Password:")
    assert isinstance(machine.step(b"secret"), Failure)


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


def test_wire() -> None:
    assert sasl.encode(b"Username:") == b"VXNlcm5hbWU6"
    assert sasl.decode(b"AHRpbQB0") == b"\0tim\0t"
    assert sasl.decode(b"") == b""
    assert sasl.decode_initial(b"=") == b""
    for bad in (b"***", b"AHRp bQB0", b"AHRpbQB", b"=", b"AHRpbQB0\r", b"\xff"):
        with pytest.raises(ValueError):
            sasl.decode(bad)


@given(st.sampled_from(["PLAIN", "LOGIN"]), st.lists(st.one_of(st.none(), st.binary()), max_size=6))
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

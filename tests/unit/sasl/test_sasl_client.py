"""The client side: which mechanism is chosen, and what goes over the line."""

import pytest

from mailsuite.sasl import ClientLogin, choose

LOGIN = ClientLogin("alice", "secret")
TOKEN = ClientLogin("al,ice", token="vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")
ALL = [
    "plain", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256",
    "SCRAM-SHA-256-PLUS", "XOAUTH2", "OAUTHBEARER", "GSSAPI",
]  # fmt: skip
BINDINGS = {"tls-server-end-point": b"x"}


def chosen(offered: list[str], login: ClientLogin, *, secure: bool = True) -> str:
    found = choose(offered, login, secure=secure)
    return found.mechanism if found else ""


def test_the_best_mechanism_that_both_know() -> None:
    bound = choose(ALL, LOGIN, secure=True, bindings=BINDINGS)
    assert bound and bound.mechanism == "SCRAM-SHA-256-PLUS"
    assert chosen(ALL, LOGIN) == "SCRAM-SHA-256"
    assert chosen(["SCRAM-SHA-1", "PLAIN"], LOGIN) == "SCRAM-SHA-1"
    assert chosen(["LOGIN", "PLAIN", "CRAM-MD5"], LOGIN) == "PLAIN"
    assert chosen(["LOGIN"], LOGIN) == "LOGIN"
    assert chosen(["GSSAPI"], LOGIN) == ""
    assert chosen(ALL, TOKEN) == "OAUTHBEARER"
    assert chosen(["XOAUTH2", "PLAIN"], TOKEN) == "XOAUTH2"
    assert chosen(["PLAIN"], TOKEN) == ""


def test_nothing_that_shows_the_secret_to_others() -> None:
    assert chosen(["PLAIN", "LOGIN"], LOGIN, secure=False) == ""
    assert chosen(["PLAIN", "CRAM-MD5"], LOGIN, secure=False) == "CRAM-MD5"
    assert chosen(["PLAIN", "SCRAM-SHA-1"], LOGIN, secure=False) == "SCRAM-SHA-1"
    assert chosen(ALL, TOKEN, secure=False) == ""


def test_what_has_failed_is_left_out() -> None:
    found = choose(ALL, LOGIN, secure=True, without=["SCRAM-SHA-256", "SCRAM-SHA-1"])
    assert found and found.mechanism == "PLAIN"


def test_a_server_that_binds_the_channel_is_never_spoken_to_without() -> None:
    """RFC 5802 §6. "y" would be refused, and "n" is what somebody between us wants to see."""
    failed = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"]
    found = choose(ALL, LOGIN, secure=True, bindings=BINDINGS, without=failed)
    assert found and found.mechanism == "PLAIN"
    found = choose(ALL, LOGIN, secure=True, bindings=BINDINGS, without=failed[:1])
    assert found and found.mechanism == "SCRAM-SHA-1-PLUS"


def test_a_name_of_which_nothing_is_left_is_not_sent() -> None:
    """RFC 5802 §5.1."""
    assert chosen(["SCRAM-SHA-256"], ClientLogin("\u00ad", "x")) == ""


def test_a_password_that_saslprep_prohibits_goes_another_way() -> None:
    assert chosen(["SCRAM-SHA-256", "PLAIN"], ClientLogin("a", "x\u200ey")) == "PLAIN"


def test_the_header_says_whether_plus_was_seen() -> None:
    hidden = choose(["SCRAM-SHA-1"], LOGIN, secure=True, bindings=BINDINGS)
    assert hidden and hidden.initial and hidden.initial.startswith(b"y,,")
    unable = choose(["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"], LOGIN, secure=True)
    assert unable and unable.initial and unable.initial.startswith(b"n,,")


def test_plain_and_login() -> None:
    plain = choose(["PLAIN"], LOGIN, secure=True)
    assert plain and plain.initial == b"\0alice\0secret" and plain.complete
    assert plain.answer(b"") is None
    login = choose(["LOGIN"], LOGIN, secure=True)
    assert login and login.initial is None
    answers = [login.answer(b"Username:"), login.answer(b"Password:"), login.answer(b"again")]
    assert answers == [b"alice", b"secret", None]


def test_cram_md5_as_in_rfc_2195() -> None:
    exchange = choose(["CRAM-MD5"], ClientLogin("tim", "tanstaaftanstaaf"), secure=False)
    assert exchange and exchange.initial is None
    assert not exchange.complete
    answer = exchange.answer(b"<1896.697170952@postoffice.reston.mci.net>")
    assert answer == b"tim b913a602c7eda7a495b4e6e7334d3890"
    assert exchange.complete
    assert exchange.answer(b"<again@host>") is None


@pytest.mark.parametrize(
    ("name", "initial", "acknowledged"),
    [
        ("OAUTHBEARER", b"n,a=al=2Cice,\x01auth=Bearer %s\x01\x01", b"\x01"),
        ("XOAUTH2", b"user=al,ice\x01auth=Bearer %s\x01\x01", b""),
    ],
)
def test_tokens(name: str, initial: bytes, acknowledged: bytes) -> None:
    exchange = choose([name], TOKEN, secure=True)
    assert exchange and exchange.initial == initial % TOKEN.token.encode()
    assert exchange.answer(b'{"status":"invalid_token"}') == acknowledged
    assert exchange.answer(b"again") is None


def test_no_log_shows_the_secret() -> None:
    assert "secret" not in repr(LOGIN)
    assert "vF9" not in repr(TOKEN)


def test_a_certificate_signs_in_by_external_alone() -> None:
    login = ClientLogin("al,ice", certificate=True)
    found = choose([*ALL, "external"], login, secure=True)
    assert found and found.mechanism == "EXTERNAL" and found.initial == b"al,ice"
    assert found.complete and found.answer(b"") is None
    assert chosen(ALL, login) == "" and chosen(["EXTERNAL"], login, secure=False) == ""
    assert chosen(["EXTERNAL"], LOGIN) == ""

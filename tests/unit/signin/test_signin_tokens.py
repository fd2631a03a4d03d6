"""Tokens: an OpenID provider on loopback, and every token that must not be anybody's."""

import base64
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mailsuite.accounts import Directory
from mailsuite.accounts.passwords import Hasher
from mailsuite.signin import Client, Provider, Refused, SignedIn, SignIn, Why
from mailsuite.signin.provider import TokenExpired, TokenRefused, TokenUnchecked
from mailsuite.signin.tokens import Tokens
from tests.identity_provider import ISSUER, SECRET
from tests.identity_provider import Provider as Identity
from tests.sign_in import NoThreads, sign_in

ALICE = "alice@example.test"
IMAP = Client("imap", "192.0.2.1", secure=True)


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(scope="module")
def running() -> Iterator[Identity]:
    with Identity() as identity:
        yield identity


@pytest.fixture
def identity(running: Identity) -> Identity:
    running.active.clear()
    running.asked.clear()
    running.down = False
    running.keys = {"one": running.keys["one"]}
    return running


@pytest.fixture
def clock() -> Clock:
    return Clock()


def provider(identity: Identity, **changes: Any) -> Provider:
    usual = Provider(
        issuer=ISSUER,
        jwks=f"{identity.url}/jwks",
        introspection=f"{identity.url}/introspect",
        client_id="mailsuite",
        client_secret=SECRET,
        audience="mailsuite",
    )
    return replace(usual, **changes)


@pytest.fixture
def tokens(identity: Identity, clock: Clock) -> Tokens:
    return Tokens(provider(identity), clock, ssl.create_default_context())


async def test_a_signed_token_is_checked_here(tokens: Tokens, identity: Identity) -> None:
    for _ in range(3):
        assert await tokens.account(identity.token()) == ALICE
    assert identity.asked == {"/jwks": 1}


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": 1_000_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"nbf": time.time() + 3600}, "not yet valid"),
        ({"iss": "https://evil.test"}, "issuer"),
        ({"iss": None}, "iss"),
        ({"aud": "other"}, "Audience"),
        ({"aud": None}, "aud"),
        ({"email": None}, "without the claim email"),
        ({"email": 7}, "without the claim email"),
        ({"email_verified": False}, "not verified"),
        ({"email_verified": "false"}, "not verified"),
    ],
)
async def test_claims_that_are_refused(
    tokens: Tokens, identity: Identity, claims: dict[str, Any], words: str
) -> None:
    with pytest.raises(TokenRefused, match=words):
        await tokens.account(identity.token(**claims))


async def test_signatures_that_are_refused(tokens: Tokens, identity: Identity) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    public = identity.keys["one"].public_key()
    key = jwt.algorithms.ECAlgorithm.to_jwk(public)
    claims = {"iss": ISSUER, "aud": "mailsuite", "exp": time.time() + 300, "email": ALICE}
    by_public_key = jwt.encode(claims, key + "x" * 32, "HS256", headers={"kid": "one"})
    unsigned = jwt.encode(claims, "", "none", headers={"kid": "one"})
    deep = base64.urlsafe_b64encode(b'{"a":' + b"[" * 5000).decode() + ".a.b"
    forged = (identity.token(signer=other), by_public_key, unsigned, identity.token() + "x", deep)
    for token in forged:
        with pytest.raises(TokenRefused):
            await tokens.account(token)


async def test_new_keys_are_fetched_but_not_for_every_stranger(
    tokens: Tokens, identity: Identity, clock: Clock
) -> None:
    assert await tokens.account(identity.token()) == ALICE
    identity.keys["two"] = ec.generate_private_key(ec.SECP256R1())
    for _ in range(5):
        with pytest.raises(TokenRefused, match="not the provider's"):
            await tokens.account(identity.token("two"))
    assert identity.asked["/jwks"] == 1
    clock.ahead += 31
    assert await tokens.account(identity.token("two")) == ALICE
    assert identity.asked["/jwks"] == 2


async def test_a_provider_that_is_down_refuses_nobody_for_good(
    tokens: Tokens, identity: Identity, clock: Clock
) -> None:
    identity.down = True
    with pytest.raises(TokenUnchecked, match="status 503"):
        await tokens.account(identity.token())
    with pytest.raises(TokenUnchecked, match="status 503"):
        await tokens.account("opaque")
    identity.down = False
    assert await tokens.account(identity.token()) == ALICE
    identity.down = True
    clock.ahead += 4000
    assert await tokens.account(identity.token(exp=time.time() + 9000)) == ALICE


async def test_an_opaque_token_is_asked_about_once_a_minute(
    tokens: Tokens, identity: Identity, clock: Clock
) -> None:
    identity.active["abc"] = {"email": ALICE, "aud": ["x", "mailsuite"], "exp": time.time() + 900}
    for _ in range(3):
        assert await tokens.account("abc") == ALICE
    assert identity.asked == {"/introspect": 1}
    identity.active.clear()
    clock.ahead += 61
    # It was good here, so nobody has guessed it.
    with pytest.raises(TokenExpired, match="no longer active"):
        await tokens.account("abc")
    with pytest.raises(TokenRefused, match="not active") as caught:
        await tokens.account("abd")
    assert not isinstance(caught.value, TokenExpired)


@pytest.mark.parametrize(
    ("claims", "is_ours"),
    [
        ({}, True),
        ({"iss": "https://evil.test"}, False),
        ({"aud": "x"}, False),
        ({"email": None}, False),
    ],
)
async def test_whose_expired_token_it_was(
    tokens: Tokens, identity: Identity, claims: dict[str, Any], is_ours: bool
) -> None:
    """Only one that would have been somebody's is no guess."""
    other = ec.generate_private_key(ec.SECP256R1())
    for shown, expected in [
        (identity.token(exp=1, **claims), is_ours),
        (identity.token(exp=1, signer=other, **claims), False),
    ]:
        with pytest.raises(TokenRefused) as caught:
            await tokens.account(shown)
        assert isinstance(caught.value, TokenExpired) is expected
    identity.active["abc"] = {"email": ALICE, "aud": "mailsuite", "exp": 1, **claims}
    with pytest.raises(TokenRefused) as caught:
        await tokens.account("abc")
    assert isinstance(caught.value, TokenExpired) is (is_ours or "email" in claims)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": 1_000_000_000}, "expired"),
        ({"iss": "https://evil.test"}, "issuer"),
        ({"aud": "other"}, "audience"),
        ({"aud": None}, "audience"),
        ({"email": None}, "claim"),
    ],
)
async def test_introspected_claims_that_are_refused(
    tokens: Tokens, identity: Identity, claims: dict[str, Any], words: str
) -> None:
    identity.active["abc"] = {"email": ALICE, "aud": "mailsuite", **claims}
    with pytest.raises(TokenRefused, match=words):
        await tokens.account("abc")


async def test_with_one_way_only(identity: Identity, clock: Clock) -> None:
    context = ssl.create_default_context()
    keys = Tokens(provider(identity, introspection=None), clock, context)
    with pytest.raises(TokenRefused, match="no introspection"):
        await keys.account("opaque")
    asking = Tokens(provider(identity, jwks=None), clock, context)
    token = identity.token()
    identity.active[token] = {"email": ALICE, "aud": "mailsuite"}
    assert await asking.account(token) == ALICE
    wrong = Tokens(provider(identity, jwks=None, client_secret="x"), clock, context)
    with pytest.raises(TokenUnchecked, match="status 401"):
        await wrong.account(token)


class TestSignIn:
    @pytest.fixture
    def room(self, tmp_path: Path, tokens: Tokens) -> Iterator[SignIn]:
        directory = Directory(
            tmp_path / "accounts.db", NoThreads(), hasher=Hasher(memory=64, passes=1)
        )
        directory.add_domain("example.test")
        directory.add_user(ALICE, "secret")
        room = sign_in(directory)
        room._tokens = tokens
        yield room
        directory.close()

    @staticmethod
    def message(token: str, name: str = ALICE) -> bytes:
        return f"n,a={name},\x01auth=Bearer {token}\x01\x01".encode()

    async def test_it_is_offered_under_tls_and_signs_in(
        self, room: SignIn, identity: Identity
    ) -> None:
        assert room.mechanisms(IMAP) == ["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]
        assert room.mechanisms(replace(IMAP, secure=False)) == []
        for name, message in [
            ("OAUTHBEARER", self.message(identity.token())),
            ("OAUTHBEARER", b"n,,\x01auth=Bearer %s\x01\x01" % identity.token().encode()),
            ("XOAUTH2", f"user={ALICE}\x01auth=Bearer {identity.token()}\x01\x01".encode()),
        ]:
            exchange = room.start(name, IMAP)
            assert exchange
            assert await exchange.step(message) == SignedIn(ALICE, "token")

    async def test_refusals(self, room: SignIn, identity: Identity) -> None:
        for token in (identity.token(exp=1), identity.token(email="bob@example.test")):
            exchange = room.start("OAUTHBEARER", IMAP)
            assert exchange
            told = await exchange.step(self.message(token))
            assert isinstance(told, bytes) and b'"invalid_token"' in told
            assert f"{ISSUER}/.well-known/openid-configuration".encode() in told
            outcome = await exchange.step(b"\x01")
            assert isinstance(outcome, Refused) and outcome.why is Why.WRONG
        exchange = room.start("OAUTHBEARER", IMAP)
        assert exchange
        outcome = await exchange.step(self.message(identity.token(), "bob@example.test"))
        assert isinstance(outcome, Refused) and outcome.why is Why.FORBIDDEN

    async def test_an_expired_token_is_no_guess(self, room: SignIn, identity: Identity) -> None:
        """A client that goes on with it is told so, and never banned; one that guesses is."""

        async def tried(token: str) -> Refused:
            exchange = room.start("OAUTHBEARER", IMAP)
            assert exchange
            told = await exchange.step(self.message(token))
            if isinstance(told, bytes):
                assert b'"invalid_token"' in told
                told = await exchange.step(b"\x01")
            assert isinstance(told, Refused)
            return told

        for _ in range(3 * room.settings.address_failures):
            outcome = await tried(identity.token(exp=1))
            assert (outcome.why, outcome.wait) == (Why.WRONG, 0.0)
            assert outcome.text == "The access token has expired, get a new one"
        other = ec.generate_private_key(ec.SECP256R1())
        whys = [
            (await tried(identity.token(exp=1, signer=other))).why
            for _ in range(room.settings.address_failures + 1)
        ]
        assert whys[0] is Why.WRONG and whys[-1] is Why.BANNED

    async def test_a_client_that_asks_where_to_get_one_is_never_banned(self, room: SignIn) -> None:
        """RFC 7628 §4.3: an empty `auth`."""
        for _ in range(2 * room.settings.address_failures):
            exchange = room.start("OAUTHBEARER", IMAP)
            assert exchange
            told = await exchange.step(f"n,a={ALICE},\x01auth=\x01\x01".encode())
            assert isinstance(told, bytes) and b'"invalid_token"' in told
            assert f"{ISSUER}/.well-known/openid-configuration".encode() in told
            outcome = await exchange.step(b"\x01")
            assert outcome == Refused(Why.WRONG, "There is no access token")

    async def test_a_provider_that_is_down(self, room: SignIn, identity: Identity) -> None:
        identity.down = True
        exchange = room.start("XOAUTH2", IMAP)
        assert exchange
        outcome = await exchange.step(f"user={ALICE}\x01auth=Bearer abc\x01\x01".encode())
        assert isinstance(outcome, Refused) and outcome.why is Why.UNAVAILABLE

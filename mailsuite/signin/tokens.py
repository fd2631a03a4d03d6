"""Bearer tokens: whose is it? Asked of an OpenID provider, or read from the token itself.

A JWT is checked here, by the provider's keys (RFC 7519, RFC 7517); another token, or any where no
keys are set, at the provider's introspection endpoint (RFC 7662). Promises: only a token that is
signed or vouched for, not yet over, from this issuer and for this audience is anybody's; a provider
that can't be reached refuses nobody for good.

Imported only where a provider is set: what it is made of takes long to load.
"""

import asyncio
import base64
import binascii
import hashlib
import json
import ssl
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import jwt

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.net.http import HttpFailed, request
from mailsuite.signin.provider import Provider, TokenExpired, TokenRefused, TokenUnchecked

log = get_logger("signin")
# Signatures by keys that only the provider has: never the HMAC ones, whose key would be public.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
KEYS_KEPT = 3600.0  # seconds
KEYS_AGAIN = 30.0  # and at the least between two fetches, whatever tokens come
ANSWERS_KEPT = 60.0  # of introspection: a token that was revoked is refused after that
MAX_ANSWERS = 10_000
LEEWAY = 30.0  # seconds that clocks may differ


class Tokens:
    """On the event loop."""

    def __init__(self, provider: Provider, clock: Clock, tls: ssl.SSLContext) -> None:
        self.provider = provider
        self._clock = clock
        self._tls = tls
        self._keys: jwt.PyJWKSet | None = None
        self._fetched = float("-inf")
        self._fetching = asyncio.Lock()
        self._answers: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    async def account(self, token: str) -> str:
        """The address that the token is for. Raises TokenRefused, TokenUnchecked."""
        if self.provider.jwks is not None and _is_jwt(token):
            return self._address(await self._by_keys(token))
        if self.provider.introspection is None:
            raise TokenRefused("not a JWT, and there is no introspection")
        digest = hashlib.blake2b(token.encode(), digest_size=32).digest()
        kept = self._answers.get(digest)
        if kept is not None and kept[0] > self._clock.now():
            return kept[1]
        try:
            claims = await self._introspected(token)
        except TokenRefused as error:
            # The provider does not say why (RFC 7662 §2.2); but here it has been good.
            if kept is not None:
                raise TokenExpired("no longer active") from error
            raise
        address = self._address(claims)
        until = min(self._clock.now() + ANSWERS_KEPT, _number(claims.get("exp")))
        self._answers[digest] = (until, address)
        while len(self._answers) > MAX_ANSWERS:
            self._answers.popitem(last=False)
        return address

    def _address(self, claims: Mapping[str, Any]) -> str:
        found = claims.get(self.provider.claim)
        if not isinstance(found, str) or not found:
            raise TokenRefused(f"without the claim {self.provider.claim}")
        # Some providers write it as a text.
        if self.provider.claim == "email" and claims.get("email_verified") in (False, "false"):
            raise TokenRefused("its email is not verified")
        return found

    # -- by the provider's keys -----------------------------------------------------------------

    async def _by_keys(self, token: str) -> Mapping[str, Any]:
        try:
            identity = str(jwt.get_unverified_header(token).get("kid", ""))
            key = await self._key(identity)
            try:
                return self._read(token, key)
            except jwt.ExpiredSignatureError as error:
                # It comes before the issuer and the audience are looked at.
                self._address(self._read(token, key, expired=True))
                raise TokenExpired("expired") from error
        except jwt.PyJWTError as error:
            raise TokenRefused(str(error)) from error

    def _read(self, token: str, key: jwt.PyJWK, *, expired: bool = False) -> Mapping[str, Any]:
        """What it says, if it is the provider's word, and for us. Raises PyJWTError."""
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            issuer=self.provider.issuer,
            audience=self.provider.audience,
            leeway=LEEWAY,
            options={
                "require": ["exp", "iss"],
                "verify_aud": self.provider.audience is not None,
                "verify_exp": not expired,
            },
        )
        return claims

    async def _key(self, identity: str) -> jwt.PyJWK:
        """The key of this `kid`; keys that are unknown or old are fetched again."""
        now = self._clock.monotonic()
        found = self._known(identity)
        if found is None or now - self._fetched > KEYS_KEPT:
            async with self._fetching:
                if self._clock.monotonic() - self._fetched > KEYS_AGAIN:
                    await self._fetch()
            found = self._known(identity) or found
        if found is None:
            raise TokenRefused("signed with a key that is not the provider's")
        return found

    def _known(self, identity: str) -> jwt.PyJWK | None:
        keys = self._keys.keys if self._keys is not None else []
        fitting = [key for key in keys if key.key_id == identity or not identity]
        return fitting[0] if len(fitting) == 1 else None

    async def _fetch(self) -> None:
        assert self.provider.jwks is not None
        try:
            answer = await request(self.provider.jwks, tls=self._tls)
            if answer.status != 200:
                raise HttpFailed(f"status {answer.status}")
            self._keys = jwt.PyJWKSet.from_dict(_object(answer.body))
        except (HttpFailed, ValueError, jwt.PyJWTError) as error:
            if self._keys is None:
                raise TokenUnchecked(f"{self.provider.jwks}: {error}") from error
            # Those that are known stay good until the provider is back.
            log.warning("keys not fetched", url=self.provider.jwks, why=str(error))
        self._fetched = self._clock.monotonic()

    # -- by asking ------------------------------------------------------------------------------

    async def _introspected(self, token: str) -> Mapping[str, Any]:
        """What the provider says of it (RFC 7662 §2)."""
        provider, url = self.provider, self.provider.introspection
        assert url is not None
        pair = f"{quote(provider.client_id, '')}:{quote(provider.client_secret, '')}"
        headers = {
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        body = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        try:
            answer = await request(url, tls=self._tls, body=body, headers=headers)
            if answer.status != 200:
                raise HttpFailed(f"status {answer.status}")
            claims = _object(answer.body)
        except (HttpFailed, ValueError) as error:
            raise TokenUnchecked(f"{url}: {error}") from error
        self._check(claims)
        return claims

    def _check(self, claims: Mapping[str, Any]) -> None:
        if claims.get("active") is not True:
            raise TokenRefused("not active")
        if claims.get("iss", self.provider.issuer) != self.provider.issuer:
            raise TokenRefused("of another issuer")
        meant = claims.get("aud", [])
        meant = meant if isinstance(meant, list) else [meant]
        if self.provider.audience is not None and self.provider.audience not in meant:
            raise TokenRefused("for another audience")
        if _number(claims.get("exp")) <= self._clock.now() - LEEWAY:
            raise TokenExpired("expired")


def _is_jwt(token: str) -> bool:
    head, *rest = token.split(".")
    if len(rest) != 2:
        return False
    try:
        octets = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
        return isinstance(json.loads(octets), dict)
    except (binascii.Error, ValueError, RecursionError):  # the last: thousands of brackets
        return False


def _object(octets: bytes) -> dict[str, Any]:
    """A JSON object. Raises ValueError."""
    found = json.loads(octets)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _number(value: object) -> float:
    """A time; what is none never comes."""
    return float(value) if isinstance(value, int | float) else float("inf")

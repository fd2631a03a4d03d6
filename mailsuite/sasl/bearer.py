"""Pure. Bearer tokens: OAUTHBEARER (RFC 7628) and XOAUTH2, its forerunner, which has no RFC.

Both: a refusal is told in a challenge with JSON in it, the client answers that with nothing of
interest, and then the exchange fails (RFC 7628 §3.2.3).
"""

import json
import re

from mailsuite.sasl.model import (
    MAX_RESPONSE,
    Challenge,
    Failure,
    Rejected,
    Step,
    TokenWanted,
)
from mailsuite.sasl.scram import unescape

_HTTP = {"invalid_request": "400", "invalid_token": "401"}  # RFC 6750 §3.1
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z")  # b64token, RFC 6750 §2.1


class Bearer:
    """One exchange. `name` is OAUTHBEARER or XOAUTH2."""

    __slots__ = ("_asked", "_authzid", "_outcome", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._asked = False
        self._outcome: Step | None = None  # what follows the refusal that the client was told
        self._authzid = ""

    def step(self, response: bytes | None) -> Step:
        """See `Mechanism`."""
        if self._outcome is not None:
            return self._outcome
        if response is None:
            if self._asked:
                return Failure(f"{self.name} wants one message")
            self._asked = True
            return Challenge(b"")
        if len(response) > MAX_RESPONSE:
            return Failure(f"{self.name} message is too long")
        try:
            header, pairs = _split(response.decode())
            self._authzid = self._identity(header, pairs)
        except ValueError:
            return Failure(f"{self.name} message is malformed")
        if "auth" not in pairs:
            return Failure(f"{self.name} message has no token")
        scheme, _, token = pairs["auth"].partition(" ")
        token = token.strip(" ")
        if pairs["auth"] and not (scheme.lower() == "bearer" and _TOKEN.match(token)):
            told = self._refuse("invalid_request", "")
            self._outcome = Failure(f"{self.name} message has no bearer token")
            return told
        # Empty: the client asks where to get one, and is told by a refusal (RFC 7628 §4.3).
        return TokenWanted(self._authzid, token, self._refuse)

    def _identity(self, header: str, pairs: dict[str, str]) -> str:
        if self.name == "XOAUTH2":
            if header or not pairs.get("user"):
                raise ValueError("user= must come first")
            return pairs["user"]
        # gs2-header without channel binding (RFC 7628 §3.1, RFC 5801 §4)
        flag, _, rest = header.partition(",")
        authzid, comma, nothing = rest.partition(",")
        if flag not in ("n", "y") or not comma or nothing:
            raise ValueError("not a gs2-header")
        if not authzid:
            return ""
        if not authzid.startswith("a="):
            raise ValueError("not an authzid")
        return unescape(authzid[2:])

    def _refuse(self, status: str, configuration: str) -> Challenge:
        self._outcome = Rejected(self._authzid)
        if self.name == "XOAUTH2":
            found = {"status": _HTTP.get(status, "403"), "schemes": "bearer"}
        else:
            found = {"status": status, "scope": "openid email"}
            if configuration:
                found["openid-configuration"] = configuration
        return Challenge(json.dumps(found).encode())


def _split(message: str) -> tuple[str, dict[str, str]]:
    """What stands before the first pair, and the pairs (RFC 7628 §3.1). Raises ValueError."""
    if not message.endswith("\x01\x01"):
        raise ValueError("the end is missing")
    first, *rest = message[:-2].split("\x01")
    if "=" in first and first.startswith("user="):
        rest, first = [first, *rest], ""
    pairs: dict[str, str] = {}
    for part in rest:
        name, equals, value = part.partition("=")
        if not equals or not name.isascii() or not name.isalpha() or name in pairs:
            raise ValueError("not a pair")
        pairs[name] = value
    return first, pairs

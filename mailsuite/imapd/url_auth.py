"""Pure. Signed URLs (RFC 4467): the INTERNAL mechanism, and who may use a URL.

The token is HMAC-SHA-256 of the URL up to the verifier, octet for octet, under the owner's access
key for the mailbox. Tokens are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac

from mailsuite.imapd.syntax.url import MessageUrl

MECHANISM = "INTERNAL"


def signed(rump: str, key: bytes) -> str:
    """The whole URL."""
    return f"{rump}:internal:{_token(rump, key)}"


def _token(rump: str, key: bytes) -> str:
    return hmac.new(key, rump.encode("ascii"), hashlib.sha256).hexdigest()


def is_genuine(url: MessageUrl, key: bytes | None) -> bool:
    """It was signed with this key. Takes the same time without one."""
    right = _token(url.rump, b"" if key is None else key)
    same = hmac.compare_digest(right, (url.token or "").ljust(64, "-")[:64])
    return same and key is not None and url.mechanism == MECHANISM and len(url.token or "") == 64


def owner(url: MessageUrl) -> str | None:
    """The address of the account whose URL it is; None: it names none."""
    if url.user is None or url.host is None:
        return None
    return (url.user if "@" in url.user else f"{url.user}@{url.host}").lower()


def may_use(url: MessageUrl, account: str, now: float) -> bool:
    """May the account use it now (§3.1)? `submit+` is for mail submission servers only."""
    if url.access is None or (url.expire is not None and url.expire < now):
        return False
    match url.access.kind:
        case "anonymous" | "authuser":
            return True
        case "user":
            name = url.access.user.lower()
            return account.lower() == (name if "@" in name else f"{name}@{url.host}")
        case _:
            return False

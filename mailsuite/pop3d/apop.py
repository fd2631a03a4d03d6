"""Pure. The digest of APOP (RFC 1939 §7): MD5 over the banner's timestamp and a shared secret."""

import hashlib
import hmac
import re

from mailsuite.accounts.passwords import prepare

_HOST = re.compile(r"[A-Za-z0-9.-]+")


def timestamp(unique: str, hostname: str) -> str:
    """A msg-id (RFC 822) for the banner; `unique` is never used again, and hard to foresee."""
    host = hostname.encode("idna").decode() if not hostname.isascii() else hostname
    return f"<{unique}@{host if _HOST.fullmatch(host) else 'localhost'}>"


def fits(given: bytes, banner: str, secret: str) -> bool:
    """Whether a client that knows the secret gave this digest, in any case.

    A secret beyond ASCII is prepared as it is for PASS (RFC 6856 §2.2; RFC 8265 came after
    SASLprep).
    """
    octets = banner.encode() + prepare(secret)
    digest = hashlib.md5(octets, usedforsecurity=False).hexdigest().encode()
    return hmac.compare_digest(digest, given.lower())

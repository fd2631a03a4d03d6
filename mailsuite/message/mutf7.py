"""Pure. Modified UTF-7 of mailbox names (RFC 3501 §5.1.3): printable ASCII, "&" and base64."""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

_SHIFTED = re.compile(r"[^ -~]+")
_UNIT = re.compile(rb"&([A-Za-z0-9+,]*)-")


def encode(name: str) -> bytes:
    """Modified UTF-7; always 7-bit printable ASCII."""
    if name.isascii() and name.isprintable() and "&" not in name:  # nearly every name
        return name.encode("ascii")
    return _SHIFTED.sub(_encode_run, name.replace("&", "&-")).encode("ascii")


def _encode_run(run: re.Match[str]) -> str:
    octets = run[0].encode("utf-16-be", "surrogatepass")
    base64 = binascii.b2a_base64(octets, newline=False).rstrip(b"=").replace(b"/", b",")
    return f"&{base64.decode('ascii')}-"


@lru_cache(maxsize=4096)
def decode(octets: bytes) -> str:
    """Strict: raises ValueError for anything that `encode` would not have produced."""
    name = _UNIT.sub(_decode_run, octets).decode("utf-8", "surrogatepass")
    # One name has one form only: no raw 8-bit, no "&" alone, no needless or split base64.
    if encode(name) != octets:
        raise ValueError("not modified UTF-7")
    return name


def _decode_run(run: re.Match[bytes]) -> bytes:
    if not run[1]:
        return b"&"
    base64 = run[1].replace(b",", b"/")
    octets = binascii.a2b_base64(base64 + b"=" * (-len(base64) % 4))
    return octets.decode("utf-16-be").encode("utf-8")


def decode_tolerant(octets: bytes) -> str:
    """Never raises: what isn't modified UTF-7 is taken literally, as UTF-8 where it is that."""
    try:
        return decode(octets)
    except ValueError:
        return decode_utf8(octets)


def decode_utf8(octets: bytes) -> str:
    """A name that is not modified UTF-7: UTF-8, or as a last resort each octet a character."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")

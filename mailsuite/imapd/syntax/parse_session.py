"""Pure. Commands about the session: LOGIN, AUTHENTICATE, ID, ENABLE (RFC 9051 §6.1-6.3, §9)."""

from __future__ import annotations

import binascii
import re

from mailsuite.imapd.syntax.cursor import Cursor

_BASE64 = re.compile(rb"[A-Za-z0-9+/=]++")
MAX_ID_PAIRS = 30
"""RFC 2971 §3.3"""


def no_arguments(cursor: Cursor) -> tuple[()]:
    """CAPABILITY, NOOP, LOGOUT, STARTTLS, CHECK, CLOSE, UNSELECT, EXPUNGE, IDLE, NAMESPACE."""
    cursor.end()
    return ()


def login(cursor: Cursor) -> tuple[str, str]:
    """(user name, password)"""
    cursor.sp()
    user = cursor.astring("a user name")
    cursor.sp()
    password = cursor.astring("a password")
    # What is no UTF-8 can be no account's name or password: it will not match.
    return user.decode("utf-8", "replace"), password.decode("utf-8", "replace")


def authenticate(cursor: Cursor) -> tuple[str, bytes | None]:
    """(mechanism upper-case, initial response decoded, b"" for `=`, None if not given)

    The initial response is RFC 4959.
    """
    cursor.sp()
    mechanism = cursor.word("a mechanism")
    if not cursor.skip(b" "):
        return mechanism, None
    found = cursor.match(_BASE64)
    if found is None:
        raise cursor.unexpected("base64")
    if found[0] == b"=":
        return mechanism, b""
    try:
        return mechanism, decode_base64(found[0])
    except ValueError as error:
        raise cursor.problem("malformed base64") from error


def decode_base64(octets: bytes) -> bytes:
    """Strict base64 of a SASL response (RFC 4648 §4). Raises ValueError."""
    return binascii.a2b_base64(octets, strict_mode=True)


def id_(cursor: Cursor) -> tuple[tuple[tuple[str, str | None], ...] | None]:
    """(((field, value or None), ...) or None for NIL,) (RFC 2971 §4)"""
    cursor.sp()
    if cursor.skip_word(b"NIL"):
        return (None,)
    cursor.expect(b"(")
    pairs: list[tuple[str, str | None]] = []
    while not cursor.skip(b")"):
        if len(pairs) == MAX_ID_PAIRS:
            raise cursor.problem(f"more than {MAX_ID_PAIRS} fields")
        if pairs:
            cursor.sp()
        name = cursor.string("a field name").decode("utf-8", "replace")
        cursor.sp()
        value = cursor.nstring()
        pairs.append((name, None if value is None else value.decode("utf-8", "replace")))
    return (tuple(pairs),)


def compress(cursor: Cursor) -> tuple[str]:
    """(algorithm upper-case,) (RFC 4978)"""
    cursor.sp()
    return (cursor.word("an algorithm"),)


def enable(cursor: Cursor) -> tuple[tuple[str, ...]]:
    """(capabilities upper-case,) (RFC 5161)"""
    cursor.sp()
    names = [cursor.word("a capability")]
    while cursor.skip(b" "):
        names.append(cursor.word("a capability"))
    return (tuple(names),)

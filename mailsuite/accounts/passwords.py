"""Passwords: their argon2id hashes (RFC 9106), and a short memory of those that were right.

Promises: a check costs the same whether the account exists or not; the memory holds keyed digests
only, with a key that lives and dies with the process, and is bounded in time and in number.
"""

import hashlib
import secrets
import threading
import unicodedata
from collections import OrderedDict
from typing import TYPE_CHECKING

from mailsuite.base.errors import UserError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MAX_PASSWORD = 1024  # characters; more is refused, so that nobody can order endless work
# OWASP's figures for argon2id: 19 MiB, two passes, one lane: some 30 ms.
MEMORY_KIB, PASSES, LANES = 19_456, 2, 1


def prepare(password: str) -> bytes:
    """The octets that are hashed: OpaqueString of RFC 8265 §4.2 (spaces mapped, NFC), in UTF-8.

    Lone surrogates, which are what a client's octets that are no UTF-8 may become, are kept apart
    from every real character.
    """
    if not password.isascii():
        password = "".join(" " if unicodedata.category(c) == "Zs" else c for c in password)
        password = unicodedata.normalize("NFC", password)
    return password.encode("utf-8", "surrogatepass")


def require(password: str) -> bytes:
    """`prepare` for a password to be set; UserError for one that can't be."""
    if not password:
        raise UserError("the password is empty")
    if len(password) > MAX_PASSWORD:
        raise UserError(f"the password is longer than {MAX_PASSWORD} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise UserError("the password contains control characters")
    return prepare(password)


class Hasher:
    """Makes and checks hashes. Each call takes tens of milliseconds: never on the event loop."""

    def __init__(self, memory: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._parameters = (memory, passes)
        self._argon2: PasswordHasher | None = None
        self._dummy = ""
        self._lock = threading.Lock()

    def _hasher(self) -> "PasswordHasher":
        # Imported and made when first needed: most commands never touch a password.
        with self._lock:
            if self._argon2 is None:
                from argon2 import PasswordHasher

                memory, passes = self._parameters
                self._argon2 = PasswordHasher(
                    time_cost=passes, memory_cost=memory, parallelism=LANES
                )
                self._dummy = self._argon2.hash(secrets.token_bytes(16))
            return self._argon2

    def make(self, password: bytes) -> str:
        """The hash as it is kept: `$argon2id$v=19$m=…`."""
        return self._hasher().hash(password)

    def check(self, kept: str | None, password: bytes) -> bool:
        """Whether `password` fits; `kept` None (no such account) does the same work in vain."""
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = self._hasher()
        try:
            fits = hasher.verify(self._dummy if kept is None else kept, password)
        except (VerificationError, InvalidHashError):
            return False
        return fits and kept is not None

    def is_dated(self, kept: str) -> bool:
        """The hash was made with other parameters than are used today."""
        return self._hasher().check_needs_rehash(kept)


class Remembered:
    """Successful checks of the last minutes, so that a client that signs in every minute is spared.

    A digest covers account, kept hash and password: a changed password is thereby forgotten.
    """

    def __init__(self, lifetime: float = 120.0, limit: int = 10_000) -> None:
        """`lifetime` in seconds; at most `limit` successes are held."""
        self._key = secrets.token_bytes(32)
        self._lifetime = lifetime
        self._limit = limit
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def _digest(self, address: str, kept: str, password: bytes) -> bytes:
        text = b"\0".join((address.encode("utf-8", "surrogatepass"), kept.encode(), password))
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()

    def add(self, address: str, kept: str, password: bytes, now: float) -> None:
        """`password` was right at `now` (seconds, monotonic)."""
        with self._lock:
            digest = self._digest(address, kept, password)
            self._until[digest] = now + self._lifetime
            self._until.move_to_end(digest)
            while len(self._until) > self._limit:
                self._until.popitem(last=False)

    def has(self, address: str, kept: str, password: bytes, now: float) -> bool:
        """Whether the same check succeeded within the lifetime; using it doesn't prolong it."""
        digest = self._digest(address, kept, password)
        with self._lock:
            until = self._until.get(digest)
            if until is not None and until <= now:
                del self._until[digest]
            return until is not None and until > now

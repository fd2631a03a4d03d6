"""AES-256-GCM (RFC 5116 §5.2) under a key derived from the server's key file (HKDF, RFC 5869)."""

import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mailsuite.base.errors import UserError
from mailsuite.base.keyfile import load_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE = 12  # octets
_TAG = 16
_SEALING = "seal secrets 1"


class Unreadable(UserError):
    """Sealed octets that this key does not open: the key file is another one, or they changed."""


class Vault:
    """The lock that a key file is for. Methods may be called from any thread."""

    __slots__ = ("_cipher", "_key", "_lock", "path")

    def __init__(self, path: Path) -> None:
        """`path` is the key file, made or read when something is first sealed, opened or derived.

        Only then may a UserError say that it can't be.
        """
        self.path = path
        self._key: bytes | None = None
        self._cipher: AESGCM | None = None
        self._lock = threading.Lock()

    def load(self) -> None:
        """Read or make the key file now, in a thread or before the event loop runs."""
        with self._lock:
            if self._key is None:
                self._key = load_key(self.path)

    def derive(self, purpose: str) -> bytes:
        """32 octets that only this server knows, others for each purpose, always the same."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        self.load()
        assert self._key is not None
        hkdf = HKDF(hashes.SHA256(), length=32, salt=None, info=b"mailsuite " + purpose.encode())
        return hkdf.derive(self._key)

    def _sealing(self) -> "AESGCM":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if self._cipher is None:
            self._cipher = AESGCM(self.derive(_SEALING))
        return self._cipher

    def seal(self, secret: str, about: str) -> bytes:
        """`secret` as octets to store. `about` names room and owner ("fetch 12", say)."""
        # Random nonces serve 2^32 secrets of one key (NIST SP 800-38D §8.3).
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._sealing().encrypt(
            nonce, secret.encode("utf-8", "surrogatepass"), about.encode()
        )
        return _VERSION + nonce + sealed

    def open(self, sealed: bytes, about: str) -> str:
        """The secret that was sealed with the same `about`. Raises Unreadable."""
        from cryptography.exceptions import InvalidTag

        cipher = self._sealing()
        nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        if sealed[:1] == _VERSION and len(rest) >= _TAG:
            try:
                return cipher.decrypt(nonce, rest, about.encode()).decode("utf-8", "surrogatepass")
            except InvalidTag:
                pass
        raise Unreadable(
            f"{self.path}: does not open the secret of {about}; put back the key file that it was"
            " sealed with, or set the secret anew"
        )

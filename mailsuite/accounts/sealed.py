"""What is kept of a password beside its argon2id hash, sealed by the vault.

SCRAM verifiers can be tried against more cheaply than argon2id hashes, and passwords for CRAM-MD5
and APOP can be read: so neither is of use to somebody who has got only the database. All passwords
of an account have one SCRAM salt, derived from the server's key and the address, so that a client
need not say which of them it uses, and so that an address without an account has one as well.
"""

import hmac
import secrets

from mailsuite.sasl.scram import (
    HASHES,
    ITERATIONS,
    SALT,
    Hash,
    Verifier,
    make_verifier,
    parse_verifier,
)
from mailsuite.vault import Unreadable, Vault

PROHIBITED = b""  # a password that SASLprep prohibits has no verifiers


class Sealed:
    """Seals and opens. Methods may be called from any thread."""

    def __init__(self, vault: Vault, iterations: int = ITERATIONS) -> None:
        self._vault = vault
        self._iterations = iterations
        self._decoy: bytes | None = None

    def salt(self, key: str, hash: Hash) -> bytes:
        """Of the account `key`, which need not exist."""
        about = f"{hash.mechanism} {key}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._vault.derive("scram salt"), about, "sha256")[:SALT]

    def verifiers(self, key: str, password: str) -> bytes:
        """The verifiers of a password, sealed. Computes for tens of milliseconds."""
        try:
            made = [
                make_verifier(hash, password, self.salt(key, hash), self._iterations).text()
                for hash in HASHES
            ]
        except ValueError:
            return PROHIBITED
        return self._vault.seal("\n".join(made), f"the SCRAM verifiers of {key}")

    def open_verifier(self, key: str, sealed: bytes | None, hash: Hash) -> Verifier | None:
        """The one for `hash`; None where there is none, or none that this key opens."""
        if not sealed:
            return None
        try:
            text = self._vault.open(sealed, f"the SCRAM verifiers of {key}")
            for found in map(parse_verifier, text.split("\n")):
                if found.hash == hash:
                    return found
        except (Unreadable, ValueError) as error:
            from mailsuite.base.log import get_logger

            # A sign-in with the password itself makes them anew.
            get_logger("accounts").warning("SCRAM verifiers not usable", why=str(error))
        return None

    def opens(self, key: str, sealed: bytes) -> bool:
        """Whether these verifiers were sealed under today's key."""
        return self._opens(sealed, f"the SCRAM verifiers of {key}")

    def opens_secret(self, key: str, sealed: bytes) -> bool:
        """The same of a password."""
        return self._opens(sealed, f"the password of {key}")

    def _opens(self, sealed: bytes, about: str) -> bool:
        try:
            self._vault.open(sealed, about)
        except Unreadable:
            return False
        return True

    def is_unusable(self, key: str, sealed: bytes) -> bool:
        """They were sealed under another key, or with another salt or count than today's."""
        found = self.open_verifier(key, sealed, HASHES[0])
        if found is None:
            return True
        return found.iterations != self._iterations or found.salt != self.salt(key, HASHES[0])

    def decoy(self, key: str, hash: Hash) -> Verifier:
        """For an address that has none: looks like one, and nobody's password fits."""
        if self._decoy is None:
            self._decoy = self.verifiers("", secrets.token_hex(16))
        self.open_verifier("", self._decoy, hash)  # the same work as for one that is there
        return Verifier(
            hash,
            self._iterations,
            self.salt(key, hash),
            secrets.token_bytes(hash.octets),
            secrets.token_bytes(hash.octets),
        )

    def digest(self, password: str) -> bytes:
        """By which an app password is known again: long and random, it needs no slow hash."""
        key = self._vault.derive("app passwords")
        return hmac.digest(key, password.encode("utf-8", "surrogatepass"), "sha256")

    def secret(self, key: str, password: str) -> bytes:
        """The password itself, sealed."""
        return self._vault.seal(password, f"the password of {key}")

    def open_secret(self, key: str, sealed: bytes) -> str:
        """The password. Raises Unreadable."""
        return self._vault.open(sealed, f"the password of {key}")

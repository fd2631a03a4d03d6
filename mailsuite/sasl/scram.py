"""Pure. What both sides of SCRAM compute (RFC 5802 §3), and how its messages are written (§5.1).

A verifier is what a server keeps instead of a password. It is no password: with it nobody can sign
in. But passwords can be tried against it, more cheaply than against argon2id, so it is no public
value either.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from mailsuite.sasl.saslprep import saslprep

MIN_ITERATIONS = 4096  # RFC 5802 §5.1, RFC 7677 §4
ITERATIONS = 15_000
"""What we use: the figure of RFC 7677 §4, one tenth of a second on a machine of its time."""

MAX_ITERATIONS = 500_000
"""More from a server is refused by the client side: nobody may order endless work."""

SALT = 16  # octets


@dataclass(frozen=True, slots=True)
class Hash:
    """A hash function that SCRAM runs with. `name` is hashlib's."""

    mechanism: str
    name: str
    octets: int


SHA1 = Hash("SCRAM-SHA-1", "sha1", 20)
SHA256 = Hash("SCRAM-SHA-256", "sha256", 32)
HASHES = (SHA256, SHA1)


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a server keeps of a password (§3: salt, i, StoredKey, ServerKey)."""

    hash: Hash
    iterations: int
    salt: bytes
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def text(self) -> str:
        """In the form of RFC 5803 §4: ``SCRAM-SHA-256$4096:salt$StoredKey:ServerKey``."""
        salt, stored, server = (
            b64encode(value).decode() for value in (self.salt, self.stored_key, self.server_key)
        )
        return f"{self.hash.mechanism}${self.iterations}:{salt}${stored}:{server}"


def parse_verifier(text: str) -> Verifier:
    """What `Verifier.text` has written. Raises ValueError."""
    found = re.fullmatch(r"([A-Z0-9-]+)\$([0-9]{1,9}):([^$:]+)\$([^$:]+):([^$:]+)", text)
    if found is None:
        raise ValueError("not a SCRAM verifier")
    mechanism, iterations, *values = found.groups()
    salt, stored, server = (b64decode(value, validate=True) for value in values)
    for hash in HASHES:
        if hash.mechanism == mechanism:
            return Verifier(hash, int(iterations), salt, stored, server)
    raise ValueError("a SCRAM verifier of a hash function that is not known")


def make_verifier(hash: Hash, password: str, salt: bytes, iterations: int = ITERATIONS) -> Verifier:
    """Computes for milliseconds. Raises ValueError for a password that SASLprep prohibits."""
    salted = salt_password(hash, password, salt, iterations)
    client_key = keyed(hash, salted, b"Client Key")
    return Verifier(
        hash, iterations, salt, digest(hash, client_key), keyed(hash, salted, b"Server Key")
    )


def salt_password(hash: Hash, password: str, salt: bytes, iterations: int) -> bytes:
    """SaltedPassword (§3). Raises ValueError for a password that SASLprep prohibits."""
    octets = saslprep(password).encode()
    return hashlib.pbkdf2_hmac(hash.name, octets, salt, iterations)


def keyed(hash: Hash, key: bytes, data: bytes) -> bytes:
    """HMAC()."""
    return hmac.digest(key, data, hash.name)


def digest(hash: Hash, data: bytes) -> bytes:
    """H()."""
    return hashlib.new(hash.name, data).digest()


def xor(first: bytes, second: bytes) -> bytes:
    """Of two values of the same length."""
    return bytes(a ^ b for a, b in zip(first, second, strict=True))


def escape(name: str) -> str:
    """A name as a saslname (§5.1). ValueError: SASLprep prohibits it, or leaves nothing of it."""
    prepared = saslprep(name)
    if not prepared:
        raise ValueError("an empty name")
    return prepared.replace("=", "=3D").replace(",", "=2C")


def unescape(text: str) -> str:
    """The name that a saslname stands for; never empty. Raises ValueError."""
    if re.search("=(?!2C|3D)", text):
        raise ValueError("a bare = in a name")
    name = saslprep(text.replace("=2C", ",").replace("=3D", "="))
    if not name:
        raise ValueError("an empty name")
    return name


def attributes(message: str) -> list[tuple[str, str]]:
    """``a=x,b=y`` as pairs, in order. Raises ValueError.

    Extensions that nobody knows are to be ignored, but for `m`, wherever it stands (§5.1).
    """
    found: list[tuple[str, str]] = []
    if "\0" in message:
        raise ValueError("there is a NUL in it")
    for part in message.split(","):
        name, equals, value = part.partition("=")
        if not equals or len(name) != 1 or not name.isascii() or not name.isalpha() or not value:
            raise ValueError("not an attribute")
        if name == "m":
            raise ValueError("it needs an extension that is not known here")
        found.append((name, value))
    return found


def decode64(text: str) -> bytes:
    """Raises ValueError for what is not base64 in its canonical form (§2.1)."""
    try:
        octets = b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64") from error
    if b64encode(octets).decode() != text:
        raise ValueError("not base64 as it is written by everybody")
    return octets


def is_nonce(text: str) -> bool:
    """Printable ASCII without a comma (§7)."""
    return bool(re.fullmatch(r"[!-+\--~]+", text))

"""Key files: `<folder>/<domain>/<selector>.pem`, and which of a domain's keys signs.

Looks at the folder each time, because operators move keys in and out by hand. All of it blocks on
the disk; making a key computes for a part of a second. Methods may be called from any thread.
"""

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mailsuite.base import keyfile
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.message import normalise_domain

log = get_logger("dkim")

SELECTOR = "mailsuite"
"""Of a key that the server makes by itself."""
BITS = 2048
_LEAST, _MOST = 1024, 4096  # bits that every verifier takes (RFC 8301 §3.2)
_PADDING = padding.PKCS1v15()
_ACTIVE = "active"
_SUFFIX = ".pem"
_MAX_FILE = 1 << 16  # octets
# RFC 6376 §3.1: labels of a domain name, in small letters as everybody writes them.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_IS_SELECTOR = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_MAX_SELECTOR = 63
_REMEMBERED = 1000  # keys
_NAMING = "small letters, digits, hyphens, dots; such as 2027a"
_NO_SELECTOR = f"not named after a selector ({_NAMING}); the DNS takes capitals for small letters"
_NO_DOMAIN = "not named after a domain in small letters and A-labels (xn--…)"


@dataclass(frozen=True, slots=True)
class Key:
    """A private key of a domain (in A-labels), and what the DNS says of it."""

    domain: str
    selector: str
    private: rsa.RSAPrivateKey

    def sign(self, octets: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 6376 §3.3.2)."""
        return self.private.sign(octets, _PADDING, hashes.SHA256())

    @property
    def record_name(self) -> str:
        """Where its TXT record belongs (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The text of that record (§3.6.1)."""
        public = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Found:
    """A key file.

    signs  it is the one that mail is signed with
    key    None: it can't be used
    why    why it can't
    """

    selector: str
    path: Path
    signs: bool
    key: Key | None
    why: str = ""


class Keys:
    """All keys in `folder`, which is made when it is needed, as is the first key of a domain."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, tuple[tuple[int, ...], Key]] = {}
        self._unwritten: dict[Path, bytes] = {}

    def signing(self, domain: str) -> Key:
        """The key that mail of `domain` is signed with; made if it has none.

        Raises UserError that names the file.
        """
        selector = self._signs(domain)
        if selector is None:
            selector = SELECTOR
            if self.add(domain, selector):
                log.warning(
                    "a key to sign mail with was made, which receivers do not know yet",
                    domain=domain,
                    remedy=f"publish what `mailsuite domain records {domain}` shows",
                )
        return self._load(domain, selector)

    def of(self, domain: str) -> list[Found]:
        """All of a domain, by selector. Raises UserError where the folder can't be read."""
        signs = self._signs(domain)
        found = []
        for selector in sorted({*self._selectors(domain), *([signs] if signs else [])}):
            path = self._path(domain, selector)
            try:
                key = self._load(domain, selector)
            except UserError as error:
                found.append(Found(selector, path, selector == signs, None, str(error)))
            else:
                found.append(Found(selector, path, selector == signs, key))
        for stem in sorted(self._stems(domain)):
            if not _is_selector(stem):
                path = self._path(domain, stem)
                why = f"{_shown(str(path))}: {_NO_SELECTOR}"
                found.append(Found(_shown(stem), path, False, None, why))
        return found

    def add(self, domain: str, selector: str) -> bool:
        """Make a key; False: one is there by that name, and stays. Raises UserError.

        The one that signs goes on to do so.
        """
        path = self._path(domain, _require_selector(selector))
        signs = self._signs(domain)
        octets = self._unwritten.pop(path, b"") or _made()
        try:
            keyfile.make_folder(self._folder)
            keyfile.make_folder(path.parent)
            if signs is not None:
                keyfile.put(path.with_name(_ACTIVE), f"{signs}\n".encode("ascii"))
            return keyfile.make_once(path, octets)
        except OSError as error:
            self._unwritten[path] = octets  # for the next try: another one would take long again
            raise UserError(f"{path}: {error.strerror}") from error

    def use(self, domain: str, selector: str) -> None:
        """Sign with this one from now on. Raises UserError where it can't be."""
        self._load(domain, _require_selector(selector))
        path = self._path(domain, selector).with_name(_ACTIVE)
        try:
            keyfile.put(path, f"{selector}\n".encode("ascii"))
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error

    def remove(self, domain: str, selector: str) -> None:
        """Forget a key that does not sign any more. Raises UserError."""
        if _require_selector(selector) == self._signs(domain):
            raise UserError(f"{selector} signs the mail of {domain}; have another sign it first")
        path = self._path(domain, selector)
        try:
            path.unlink()
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error

    def _signs(self, domain: str) -> str | None:
        """The selector that `active` names, else the only one, else our own, else the first."""
        path = self._path(domain, SELECTOR).with_name(_ACTIVE)
        try:
            with path.open("rb") as file:
                named = file.read(_MAX_FILE).decode("utf-8", "replace").strip()
        except FileNotFoundError:
            named = ""
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        if named:
            if not _is_selector(named):
                raise UserError(f"{path}: does not name a selector, such as {SELECTOR}")
            return named
        found = self._selectors(domain)
        return SELECTOR if SELECTOR in found else min(found, default=None)

    def _selectors(self, domain: str) -> list[str]:
        return [stem for stem in self._stems(domain) if _is_selector(stem)]

    def _stems(self, domain: str) -> list[str]:
        """Names of key files without their ending; some may be no selectors."""
        folder = self._path(domain, SELECTOR).parent
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"{folder}: {error.strerror}") from error
        seen = [name for name in names if not name.startswith(".")]
        return [name.removesuffix(_SUFFIX) for name in seen if name.endswith(_SUFFIX)]

    def _path(self, domain: str, selector: str) -> Path:
        if not _is_domain(domain):
            raise ValueError("not a domain in A-labels")
        return self._folder / domain / f"{selector}{_SUFFIX}"

    def _load(self, domain: str, selector: str) -> Key:
        """Read again where the file has changed."""
        path = self._path(domain, selector)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                state = (status.st_ino, status.st_mtime_ns, status.st_size)
                known = self._known.get(path)
                if known is not None and known[0] == state:
                    return known[1]
                octets = file.read(_MAX_FILE)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        key = Key(domain, selector, _parsed(path, octets))
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[path] = (state, key)
        return key


def troubles(folder: Path) -> list[str]:
    """Why keys in it can't be used; the mail of their domains goes out unsigned."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"{folder}: {error.strerror}"]
    keys, found = Keys(folder), []
    for entry in entries:
        try:
            if _is_domain(entry.name):
                found += [each.why for each in keys.of(entry.name) if each.key is None]
            elif entry.is_dir(follow_symlinks=False):
                found.append(f"{_shown(entry.path)}: {_NO_DOMAIN}")
        except UserError as error:
            found.append(str(error))
    return found


def _is_domain(name: str) -> bool:
    try:
        return "[" not in name and normalise_domain(name) == name
    except ValueError:
        return False


def _made() -> bytes:
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _parsed(path: Path, octets: bytes) -> rsa.RSAPrivateKey:
    try:
        # What the library would look into (are these primes?) takes it up to half a second, in
        # which no other thread runs: below, the key has to show that its signatures hold.
        key = serialization.load_pem_private_key(octets, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        words = "not a private key in PEM form without a passphrase"
        raise UserError(f"{path}: {words}") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UserError(f"{path}: not an RSA key, which all receivers can verify")
    if not _LEAST <= key.key_size <= _MOST:
        raise UserError(
            f"{path}: an RSA key of {key.key_size} bits; receivers take {_LEAST} to {_MOST}"
        )
    try:
        signed = key.sign(b"", _PADDING, hashes.SHA256())
        key.public_key().verify(signed, b"", _PADDING, hashes.SHA256())
    except (ValueError, InternalError, InvalidSignature) as error:
        raise UserError(f"{path}: a damaged key, whose signatures do not hold") from error
    return key


def _is_selector(text: str) -> bool:
    return len(text) <= _MAX_SELECTOR and _IS_SELECTOR.match(text) is not None


def _require_selector(selector: str) -> str:
    if not _is_selector(selector):
        raise UserError(f"not a selector: {selector!r} ({_NAMING})")
    return selector


def _shown(name: str) -> str:
    # A file system may hold names that no terminal can be sent.
    return name.encode("utf-8", "backslashreplace").decode("utf-8")

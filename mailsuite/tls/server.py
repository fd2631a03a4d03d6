"""The server's certificate and key, in a context that all doors share and that reloads in place.

Promises: `context` stays the same object for life; after `reload` new handshakes get the new
certificate, sessions already open go on. When the files are wrong, what was in force stays.
"""

import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mailsuite.base.errors import UserError
from mailsuite.tls.peer import ServerContext, end_point_of

WARN_BEFORE = 14 * 86_400  # seconds before the end of a certificate's life
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")
_PRIVATE_KEY = b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """What the certificate in force says.

    names    DNS names and IP addresses that it is for (subjectAltName)
    starts   first second of its life, since the epoch
    expires  last second of its life
    """

    names: tuple[str, ...]
    starts: float
    expires: float


class ServerTls:
    """One certificate for all names. Blocks on the disk: make and reload it off the event loop."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        client_ca: Path | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Load the PEM files: `certificate` with its intermediates after it, and its `key`.

        With `client_ca` clients are asked for a certificate of one of these authorities, and may
        show none. Raises UserError that names the file and what is wrong with it.
        """
        self._client_ca = client_ca
        self._certificate = certificate
        self._key = key
        self._now = now
        self._current, self._info = load(certificate, key, client_ca)
        # A context keeps one certificate per kind of key, so loading an ECDSA certificate into it
        # would leave an RSA one in force beside it. Every handshake is therefore handed over to
        # the current context; the callback runs whether or not the client sends a name (SNI).
        self.context = load(certificate, key, client_ca)[0]
        self.context.sni_callback = self._choose

    def _choose(
        self, handshake: ssl.SSLSocket | ssl.SSLObject, name: str | None, outer: ssl.SSLContext
    ) -> None:
        handshake.context = self._current

    @property
    def files(self) -> tuple[Path, Path]:
        """Certificate and key that were loaded last."""
        return self._certificate, self._key

    @property
    def info(self) -> CertificateInfo:
        """Of the certificate in force."""
        return self._info

    def reload(self, certificate: Path | None = None, key: Path | None = None) -> None:
        """Read the files again, or others. UserError when they are wrong; then nothing changes."""
        certificate, key = certificate or self._certificate, key or self._key
        self._current, self._info = load(certificate, key, self._client_ca)
        self._certificate, self._key = certificate, key

    def warnings(self, hostname: str | None = None) -> list[str]:
        """What the operator should know about the certificate in force: nothing, as a rule.

        hostname  by which clients reach this server, where it is known
        """
        found = self._outdated()
        if hostname is not None and not _is_for(hostname, self._info.names):
            names = ", ".join(self._info.names) or "no name"
            found.append(f"{self._certificate}: is for {names}, not for {hostname}")
        return found

    def _outdated(self) -> list[str]:
        now, info = self._now(), self._info
        if now > info.expires:
            return [f"{self._certificate}: expired on {_day(info.expires)}; clients refuse it"]
        if now < info.starts:
            return [f"{self._certificate}: not valid before {_day(info.starts)}; see the clock"]
        if now > info.expires - WARN_BEFORE:
            return [f"{self._certificate}: expires on {_day(info.expires)}"]
        return []


def load(
    certificate: Path, key: Path, client_ca: Path | None = None
) -> tuple[ssl.SSLContext, CertificateInfo]:
    """A fresh context from the two files, and what the certificate says. Raises UserError."""
    info, end_point = _examine(_read(certificate, "certificate"), certificate)
    _examine_key(_read(key, "key"), key)
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.end_point = end_point
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Renegotiation is of no use to mail clients, and work that a stranger could order.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except ssl.SSLError as error:
        raise UserError(_explained(error, certificate, key)) from error
    except OSError as error:
        raise UserError(f"{certificate}, {key}: {error.strerror}") from error
    if client_ca is not None:
        _ask_clients(context, client_ca)
    return context, info


def _ask_clients(context: ssl.SSLContext, client_ca: Path) -> None:
    if _CERTIFICATE not in _read(client_ca, "authorities of client certificates"):
        raise UserError(f"{client_ca}: no certificate in it (expected PEM, BEGIN CERTIFICATE)")
    try:
        context.load_verify_locations(client_ca)
    except (ssl.SSLError, OSError) as error:
        raise UserError(f"{client_ca}: cannot be used ({error})") from error
    context.verify_mode = ssl.CERT_OPTIONAL


def _no_passphrase() -> bytes:
    # Without this, OpenSSL would ask at the terminal.
    return b""


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file (expected the TLS {what}, PEM)") from error
    except PermissionError as error:
        raise UserError(
            f"{path}: the server's user may not read it (expected the TLS {what})"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror} (expected the TLS {what}, PEM)") from error


def _examine(data: bytes, path: Path) -> tuple[CertificateInfo, bytes]:
    """What the certificate says, and its channel binding."""
    if _CERTIFICATE not in data:
        raise UserError(f"{path}: no certificate in it (expected PEM, BEGIN CERTIFICATE)")
    try:
        leaf = x509.load_pem_x509_certificate(data)
    except ValueError as error:
        raise UserError(f"{path}: the certificate in it is damaged ({error})") from error
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = found.get_values_for_type(x509.DNSName)
        names = (*dns, *map(str, found.get_values_for_type(x509.IPAddress)))
    except (x509.ExtensionNotFound, ValueError):
        names = ()
    info = CertificateInfo(
        names, leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    )
    return info, end_point_of(leaf, leaf.public_bytes(Encoding.DER))


def _examine_key(data: bytes, path: Path) -> None:
    if any(mark in data for mark in _ENCRYPTED):
        raise UserError(
            f"{path}: the key is protected by a passphrase "
            f"(take it off: openssl pkey -in {path.name} -out plain.pem)"
        )
    if _PRIVATE_KEY not in data:
        raise UserError(f"{path}: no private key in it (expected PEM, BEGIN PRIVATE KEY)")


def _explained(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{key}: the key does not belong to the certificate {certificate}"
    if error.reason in ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
        return f"{certificate}: too weak a key or signature for today ({error.reason})"
    return f"{certificate}, {key}: cannot be used ({error.reason or error})"


def _is_for(hostname: str, names: Iterable[str]) -> bool:
    """A wildcard stands for one whole label, the first (RFC 9525 §6.3)."""
    wanted = hostname.lower().rstrip(".")
    above = wanted.partition(".")[2]
    return any(name.lower() == wanted or (above and name.lower() == f"*.{above}") for name in names)


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))

"""A certificate authority for development: made once in the data folder, and kept.

Promises: what it issues passes strict verifiers (RFC 5280 with OpenSSL's X509_STRICT, NSS, macOS'
limit on a server certificate's life); keys are readable by the owner only; the server certificate
is renewed before it ends and when its names change, the CA stays. Not for production.
"""

import contextlib
import ipaddress
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailsuite.base import durable
from mailsuite.base.errors import UserError
from mailsuite.message import normalise_domain

CA_DAYS = 3650
SERVER_DAYS = 397  # Apple's systems refuse more than 398
RENEW_DAYS = 30
BACKDATE = timedelta(hours=1)  # for clients whose clocks are behind


@dataclass(frozen=True, slots=True)
class DevTls:
    """Where the files lie (PEM). `ca` is the one that a client imports."""

    ca: Path
    certificate: Path
    key: Path


def ensure_dev_tls(folder: Path, *, hostname: str, domain: str, now: float | None = None) -> DevTls:
    """The CA and a server certificate in `folder`, made or renewed where that is needed.

    The certificate is for `hostname`, localhost, 127.0.0.1, ::1, `domain` and mail.`domain`.
    `now` is in seconds since the epoch. Blocks. Raises UserError when the folder is not writable.
    """
    today = datetime.fromtimestamp(time.time() if now is None else now, UTC).replace(microsecond=0)
    paths = DevTls(folder / "ca.pem", folder / "server.pem", folder / "server-key.pem")
    names = _names(hostname, domain)
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        ca_key_path = folder / "ca-key.pem"
        ca, ca_key = _load(paths.ca, ca_key_path)
        if ca is None or ca_key is None or not _fresh(ca, today, SERVER_DAYS):
            ca, ca_key = _make_ca(today)
            _write(paths.ca, ca, ca_key_path, ca_key)
        certificate, key = _load(paths.certificate, paths.key)
        if (
            certificate is None
            or key is None
            or not _fresh(certificate, today, RENEW_DAYS)
            or not _issued(certificate, ca)
            or _names_of(certificate) != names
        ):
            certificate, key = _make_server(ca, ca_key, names, today)
            _write(paths.certificate, certificate, paths.key, key)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror}") from error
    return paths


def _names(hostname: str, domain: str) -> list[x509.GeneralName]:
    hosts: dict[str, None] = {}
    for name in (hostname, "localhost", domain, f"mail.{domain}"):
        with contextlib.suppress(ValueError):  # no certificate can hold what is no domain name
            hosts[normalise_domain(name.rstrip("."))] = None
    return [
        *(x509.DNSName(name) for name in hosts if not name.startswith("[")),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]


def _load(
    path: Path, key_path: Path
) -> tuple[x509.Certificate | None, ec.EllipticCurvePrivateKey | None]:
    """The pair as it lies there; None for what is missing, damaged, or does not fit the other."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError, TypeError):
        return None, None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None, None
    if certificate.public_key() != key.public_key():
        return None, None  # a crash came between the two files
    return certificate, key


def _fresh(certificate: x509.Certificate, today: datetime, days: int) -> bool:
    """It is valid now and for some `days` more."""
    return (
        certificate.not_valid_before_utc <= today
        and certificate.not_valid_after_utc > today + timedelta(days=days)
    )


def _issued(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(found.value)


def _make_ca(today: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    # Two data folders have two authorities; the suffix tells them apart in a client's list.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "mailsuite development"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"mailsuite dev CA {secrets.token_hex(4)}"),
        ]
    )
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(name, name, key.public_key(), today, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(own_id, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id), critical=False
        )
    )
    return builder.sign(key, hashes.SHA256()), key


def _make_server(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    names: list[x509.GeneralName],
    today: datetime,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    common = next((n.value for n in names if isinstance(n, x509.DNSName)), "localhost")
    subject = x509.Name(
        # A common name has at most 64 characters (RFC 5280 appendix A); clients go by the SAN.
        [x509.NameAttribute(NameOID.COMMON_NAME, common if len(common) <= 64 else "localhost")]
    )
    ca_id = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(subject, ca.subject, key.public_key(), today, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False
        )
    )
    return builder.sign(ca_key, hashes.SHA256()), key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    today: datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - BACKDATE)
        .not_valid_after(today - BACKDATE + timedelta(days=days))
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _write(
    path: Path, certificate: x509.Certificate, key_path: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    durable.replace(
        key_path,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        mode=0o600,
    )
    # World-readable, so that another user's mail client can be pointed at it.
    durable.replace(path, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)

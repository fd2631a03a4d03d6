"""What sign-in wants to know of a TLS session: channel bindings, and the client's certificate."""

import hashlib
import ssl
from collections.abc import Mapping

from cryptography import x509
from cryptography.x509.oid import NameOID

UNIQUE = "tls-unique"
END_POINT = "tls-server-end-point"
_REPLACED = ("md5", "sha1")


class ServerContext(ssl.SSLContext):
    """A server's context that knows the channel binding of its certificate, b"" for none."""

    end_point = b""


def end_point_of(certificate: x509.Certificate, der: bytes) -> bytes:
    """The data of tls-server-end-point (RFC 5929 §4.1): a hash of the server's certificate.

    By the hash function of its signature, but SHA-256 in place of MD5 and SHA-1. Where the
    signature has no such function (Ed25519) the type is not defined: b"".
    """
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:
        return b""
    name = "sha256" if algorithm.name in _REPLACED else algorithm.name
    return hashlib.new(name, der).digest()


def bindings_of(session: ssl.SSLObject | None) -> Mapping[str, bytes]:
    """Channel binding data of a session at a server, by type; empty without TLS.

    tls-unique (RFC 5929 §3) is defined up to TLS 1.2 only. Python's ssl gives no keying material,
    so there is no tls-exporter (RFC 9266).
    """
    found: dict[str, bytes] = {}
    if session is None:
        return found
    if isinstance(session.context, ServerContext) and session.context.end_point:
        found[END_POINT] = session.context.end_point
    if session.version() == "TLSv1.2":
        unique = session.get_channel_binding(UNIQUE)
        if unique:
            found[UNIQUE] = unique
    return found


def certificate_names(session: ssl.SSLObject | None) -> list[str]:
    """Mail addresses that the client's certificate is for: those in subjectAltName, else the CN.

    Empty when it showed none; one that does not lead to the listener's CA ends the handshake.
    """
    der = None if session is None else session.getpeercert(binary_form=True)
    # getpeercert() is empty for a certificate that was not checked.
    if session is None or der is None or not session.getpeercert():
        return []
    try:
        certificate = x509.load_der_x509_certificate(der)
        try:
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            names = extension.value.get_values_for_type(x509.RFC822Name)
        except x509.ExtensionNotFound:
            names = []
        if not names:
            common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            names = [str(each.value) for each in common if "@" in str(each.value)]
    except ValueError:
        return []
    return names

"""TLS as a client: the contexts, and what a handshake came to.

Promises: a certificate that is asked to be valid is checked by OpenSSL, the host's name with it;
TLS 1.2 or newer.
"""

import ssl
from typing import Any, cast

from mailsuite.base.errors import UserError
from mailsuite.relay.plan import Need

_DER = 2  # _ssl.ENCODING_DER


class Contexts:
    """One context that checks certificates, and one that takes any. Blocks on the disk."""

    def __init__(self, ca_file: str = "") -> None:
        """`ca_file`: PEM; "" for the authorities of the system. Raises UserError."""
        try:
            self.verifying = ssl.create_default_context(cafile=ca_file or None)
        except FileNotFoundError as error:
            raise UserError(f"{ca_file}: no such file (expected certificates, PEM)") from error
        except OSError as error:
            why = error.strerror or error
            raise UserError(f"{ca_file}: can't be read as certificates, PEM: {why}") from error
        # Only a SAN names the host (RFC 8461 §3.3, §4.2; RFC 9525 §2), and never the subject.
        self.verifying.hostname_checks_common_name = False
        self.any = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.any.check_hostname = False
        self.any.verify_mode = ssl.CERT_NONE
        for context in (self.verifying, self.any):
            context.minimum_version = ssl.TLSVersion.TLSv1_2

    def of(self, need: Need) -> ssl.SSLContext:
        """For a handshake; of DANE the caller checks the chain afterwards."""
        return self.verifying if need is Need.VERIFY else self.any


def describe(session: ssl.SSLObject) -> str:
    """Version and cipher."""
    cipher = session.cipher()
    return " ".join(part for part in (session.version(), cipher[0] if cipher else None) if part)


def chain_of(session: ssl.SSLObject) -> list[bytes]:
    """The certificates that the server sent, in DER, its own first."""
    chain = getattr(session, "get_unverified_chain", None)
    if chain is not None:  # Python 3.13
        return list(chain() or ())
    inner = cast(Any, session)._sslobj
    return [certificate.public_bytes(_DER) for certificate in inner.get_unverified_chain() or ()]


def explain(error: BaseException) -> str:
    """A failed handshake in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS handshake failed: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return "TLS handshake timed out"
    return f"TLS handshake failed: {error.__class__.__name__ if not str(error) else error}"

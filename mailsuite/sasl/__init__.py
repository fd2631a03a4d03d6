"""Pure. SASL mechanisms (RFC 4422), both sides.

Server side: one file each and one row in the table below. ``machine = start("PLAIN", channel)``,
then ``machine.step(...)`` until it gives a value that ends the exchange (see `model`). Client side:
see `client`. Promises: no mechanism that shows a password or a token to the network is offered
where the connection is not secure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mailsuite.sasl.bearer import Bearer
from mailsuite.sasl.client import ClientExchange, choose
from mailsuite.sasl.client import Login as ClientLogin
from mailsuite.sasl.cram_md5 import CramMd5
from mailsuite.sasl.external import External
from mailsuite.sasl.login import Login
from mailsuite.sasl.model import (
    CertificateWanted,
    Challenge,
    Credentials,
    Failure,
    Mechanism,
    Proven,
    Rejected,
    SecretWanted,
    Step,
    TokenWanted,
    VerifierWanted,
    acts_as,
)
from mailsuite.sasl.plain import Plain
from mailsuite.sasl.scram import SHA1, SHA256
from mailsuite.sasl.scram_server import Scram
from mailsuite.sasl.wire import CANCEL, decode, decode_initial, encode

__all__ = [
    "CANCEL",
    "CertificateWanted",
    "Challenge",
    "Channel",
    "ClientExchange",
    "ClientLogin",
    "Credentials",
    "Failure",
    "Mechanism",
    "Proven",
    "Rejected",
    "SecretWanted",
    "Step",
    "TokenWanted",
    "VerifierWanted",
    "acts_as",
    "choose",
    "decode",
    "decode_initial",
    "encode",
    "mechanisms",
    "start",
    "takes_initial",
]


@dataclass(frozen=True, slots=True)
class Channel:
    """What there is for the mechanisms to use, on this connection and in this house.

    secure       nobody else can read the connection, or the operator says that it does not matter
    bindings     channel binding data by type (RFC 5929, RFC 9266)
    announce_plus  whether the mechanisms that bind it are announced; they are taken in any case
    certificate  the client has shown a certificate that names an account
    tokens       there is somebody to ask whose a bearer token is
    secrets      some account has a password that can be read (CRAM-MD5)
    verifiers    some account has SCRAM verifiers
    challenge    ``<unique@host>`` for CRAM-MD5
    """

    secure: bool = False
    bindings: Mapping[str, bytes] = field(default_factory=dict)
    announce_plus: bool = True
    certificate: bool = False
    tokens: bool = False
    secrets: bool = False
    verifiers: bool = True
    challenge: bytes = b""

    @property
    def told_bindings(self) -> Mapping[str, bytes]:
        """What a client that sees our list must know that it could bind (RFC 5802 §6)."""
        return self.bindings if self.announce_plus else {}


@dataclass(frozen=True, slots=True)
class _Row:
    make: Callable[[Channel], Mechanism]
    usable: Callable[[Channel], bool]


_TABLE = {
    "EXTERNAL": _Row(lambda channel: External(), lambda channel: channel.certificate),
    "SCRAM-SHA-256-PLUS": _Row(
        lambda channel: Scram(SHA256, plus=True, bindings=channel.bindings),
        lambda channel: channel.verifiers and bool(channel.bindings),
    ),
    "SCRAM-SHA-256": _Row(
        lambda channel: Scram(SHA256, bindings=channel.told_bindings),
        lambda channel: channel.verifiers,
    ),
    "SCRAM-SHA-1-PLUS": _Row(
        lambda channel: Scram(SHA1, plus=True, bindings=channel.bindings),
        lambda channel: channel.verifiers and bool(channel.bindings),
    ),
    "SCRAM-SHA-1": _Row(
        lambda channel: Scram(SHA1, bindings=channel.told_bindings),
        lambda channel: channel.verifiers,
    ),
    "PLAIN": _Row(lambda channel: Plain(), lambda channel: channel.secure),
    "LOGIN": _Row(lambda channel: Login(), lambda channel: channel.secure),
    "CRAM-MD5": _Row(lambda channel: CramMd5(channel.challenge), lambda channel: channel.secrets),
    "OAUTHBEARER": _Row(
        lambda channel: Bearer("OAUTHBEARER"), lambda channel: channel.secure and channel.tokens
    ),
    "XOAUTH2": _Row(
        lambda channel: Bearer("XOAUTH2"), lambda channel: channel.secure and channel.tokens
    ),
}


def mechanisms(channel: Channel) -> list[str]:
    """Names to announce, best first."""
    return [
        name
        for name, row in _TABLE.items()
        if row.usable(channel) and (channel.announce_plus or not name.endswith("-PLUS"))
    ]


def takes_initial(name: str) -> bool:
    """Whether the client may speak first (RFC 4422 §5 2b): in CRAM-MD5 the server does."""
    return name.upper() != CramMd5.name


def start(name: str, channel: Channel) -> Mechanism | None:
    """A new exchange of the mechanism `name` (in any case), or None where it is not usable."""
    row = _TABLE.get(name.upper())
    return row.make(channel) if row is not None and row.usable(channel) else None

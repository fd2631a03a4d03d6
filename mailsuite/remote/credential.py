"""Pure. What an account on another server is signed in to with, and as text to be kept sealed.

A password; an access token that somebody else renews (in a file, or given by a command); a refresh
token, for which access tokens are asked for; a client certificate.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from typing import Any, TypeAlias
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Password:
    """As it is."""

    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenFile:
    """An access token is the first line of this file, read anew for each session."""

    path: str


@dataclass(frozen=True, slots=True)
class TokenCommand:
    """An access token is the first line that this command says, run anew for each session."""

    command: str


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Access tokens are asked for at the provider's token endpoint (RFC 6749 §6).

    scope  asked for, or "": as it was granted
    """

    endpoint: str
    client_id: str
    token: str = field(repr=False)
    client_secret: str = field(default="", repr=False)
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The client certificate alone: EXTERNAL."""


Credential: TypeAlias = Password | TokenFile | TokenCommand | RefreshToken | Certificate
_KINDS: dict[str, type[Credential]] = {
    "password": Password,
    "token file": TokenFile,
    "token command": TokenCommand,
    "refresh token": RefreshToken,
    "certificate": Certificate,
}
KINDS = tuple(_KINDS)


def kind_of(credential: Credential) -> str:
    """One of KINDS."""
    return next(kind for kind, made in _KINDS.items() if type(credential) is made)


def as_dict(credential: Credential) -> dict[str, Any]:
    """For JSON."""
    return {"kind": kind_of(credential), **asdict(credential)}


def from_dict(told: dict[str, Any]) -> Credential:
    """The same back. Raises ValueError, TypeError."""
    values = dict(told)
    made = _KINDS.get(values.pop("kind", ""))
    if made is None:
        raise ValueError("no credential of this kind is known")
    return made(**values)


def packed(credential: Credential) -> str:
    """The secret, to be sealed."""
    if isinstance(credential, Password):
        return credential.password
    return json.dumps(asdict(credential))


def unpacked(kind: str, text: str) -> Credential:
    """The same back."""
    if kind == "password":
        return Password(text)
    return _KINDS[kind](**json.loads(text))


def check_endpoint(url: str) -> None:
    """An address that a refresh token may be sent to (RFC 6749 §3.2). Raises ValueError."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError("expected https://host/path")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname)):
        return
    raise ValueError("expected https:// (http:// only on this machine)")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

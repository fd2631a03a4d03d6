"""Pure. SASL mechanisms. Server side: one file each and one row in the table below.

The doors share them: ``machine = start("PLAIN")``, then ``machine.step(...)`` until it gives
Credentials or a Failure. Promises: no mechanism that shows a password to the network is offered
where the connection is not secure.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mailsuite.sasl.client import ClientExchange, choose
from mailsuite.sasl.client import Login as ClientLogin
from mailsuite.sasl.login import Login
from mailsuite.sasl.model import Challenge, Credentials, Failure, Mechanism
from mailsuite.sasl.plain import Plain
from mailsuite.sasl.wire import CANCEL, decode, decode_initial, encode

__all__ = [
    "CANCEL",
    "Challenge",
    "ClientExchange",
    "ClientLogin",
    "Credentials",
    "Failure",
    "Mechanism",
    "choose",
    "decode",
    "decode_initial",
    "encode",
    "mechanisms",
    "start",
]


@dataclass(frozen=True, slots=True)
class _Row:
    make: Callable[[], Mechanism]
    secure_only: bool
    """The password itself crosses the network, so the connection must hide it."""


_TABLE = {
    "PLAIN": _Row(Plain, secure_only=True),
    "LOGIN": _Row(Login, secure_only=True),
}


def mechanisms(*, secure: bool) -> list[str]:
    """Names to announce, best first; `secure` is True under TLS or where the operator says so."""
    return [name for name, row in _TABLE.items() if secure or not row.secure_only]


def start(name: str) -> Mechanism | None:
    """A new exchange of the mechanism `name` (in any case), or None when there is no such one.

    The caller sees to it that the name is one of `mechanisms` for its connection.
    """
    row = _TABLE.get(name.upper())
    return row.make() if row is not None else None

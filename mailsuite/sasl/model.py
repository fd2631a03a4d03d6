"""Pure. What a SASL mechanism and a door say to each other (RFC 4422 §3).

A mechanism is a small machine of its own exchange: responses in, one of the values below out. It
never knows the protocol that carries it, checks no password and keeps no secret longer than the
exchange lasts.
"""

from dataclasses import dataclass, field
from typing import Protocol

MAX_RESPONSE = 4096
"""Octets of one decoded client response; a longer one is a Failure."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send these octets to the client and give its answer to `step`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """The exchange is over: whoever knows the accounts must check this name and password.

    authzid   identity to act as; "" is the one that `authcid` stands for (RFC 4616 §2)
    authcid   name that signs in
    password  in the clear; left out of the representation, so that no log can show it
    """

    authzid: str
    authcid: str
    password: str = field(repr=False)

    def acts_as(self, account: str) -> bool:
        """Whether the identity asked for is `account`, the one that has signed in.

        Nobody may act as somebody else. Called after the password has been found right.
        """
        wanted = self.authzid.casefold()
        return wanted in ("", account.casefold(), self.authcid.casefold())


@dataclass(frozen=True, slots=True)
class Failure:
    """The exchange is over: the client broke the mechanism's rules. `text` is safe to send."""

    text: str


class Mechanism(Protocol):
    """One exchange, from its start to Credentials or Failure; not to be used again after."""

    name: str

    def step(self, response: bytes | None) -> Challenge | Credentials | Failure:
        """Go on with the client's decoded response; never raises.

        First call: the initial response, or None when the client sent none. An empty initial
        response (`=` on the wire, RFC 4954 §4) is b"", not None.
        """
        ...


def text_of(octets: bytes) -> str | None:
    """A name or password as text: UTF-8 without NUL, within bounds; None when it is not that."""
    if len(octets) > MAX_RESPONSE or b"\0" in octets:
        return None
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return None

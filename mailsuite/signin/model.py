"""What a door says of a client that wants to sign in, and what it is told in return."""

import enum
import ssl
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody at a door.

    door    "imap", "pop3" or "smtp": what app passwords are limited to
    peer    IP address
    secure  passwords may cross the connection: it is under TLS, or the operator says so
    tls     the TLS session, None without TLS
    clear   the operator wants it without TLS: what shows no password may be used
    """

    door: str
    peer: str
    secure: bool
    tls: ssl.SSLObject | None = None
    clear: bool = False


@dataclass(frozen=True, slots=True)
class SignedIn:
    """It is `account` (an address); `via` says by what, for the log."""

    account: str
    via: str


class Why(enum.Enum):
    """Kinds of refusal, each with a reply of its own in each protocol."""

    WRONG = "wrong name or password"
    FORBIDDEN = "nobody can act as somebody else"
    BANNED = "too many failed sign-ins, try again later"
    UNAVAILABLE = "cannot check passwords now, try again later"
    MALFORMED = "the exchange is malformed"


@dataclass(frozen=True, slots=True)
class Refused:
    """Not signed in. The door tells it after `wait` seconds.

    text  safe to send
    """

    why: Why
    text: str
    wait: float = 0.0


Outcome: TypeAlias = SignedIn | Refused


def refused(why: Why, text: str = "", wait: float = 0.0) -> Refused:
    """A Refused with the usual words."""
    return Refused(why, text or why.value[0].upper() + why.value[1:], wait)

"""Pure. What a SASL mechanism and whoever drives it say to each other (RFC 4422 §3).

A mechanism is a small machine of its own exchange: responses in, one of the values below out. It
never knows the protocol that carries it nor the accounts, and keeps no secret longer than the
exchange lasts. Where it needs to know something of an account it gives a value that says so, and
that has the function to go on with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from mailsuite.sasl.saslprep import saslprep
from mailsuite.sasl.scram import Hash, Verifier

MAX_RESPONSE = 8192
"""Octets of one decoded client response; a longer one is a Failure. Tokens are long."""


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
        """As the function of this name."""
        return acts_as(self.authzid, self.authcid, account)


@dataclass(frozen=True, slots=True)
class VerifierWanted:
    """SCRAM needs the verifiers of `authcid`: one for each password that it has.

    Go on with them, all of one salt and iteration count, or with one that nobody can fit.
    """

    authcid: str
    hash: Hash
    go_on: "Callable[[Sequence[Verifier]], Step]" = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretWanted:
    """CRAM-MD5 needs the password of `authcid`; go on with it, or with one that nobody knows."""

    authcid: str
    go_on: "Callable[[str], Step]" = field(repr=False)


@dataclass(frozen=True, slots=True)
class CertificateWanted:
    """EXTERNAL: who is it by the client's certificate? `authzid` as in Credentials."""

    authzid: str


@dataclass(frozen=True, slots=True)
class TokenWanted:
    """Whose is this bearer token? Where it is good for nobody, `refuse` tells the client why.

    authzid  the account that the client wants to reach, or "" (OAUTHBEARER may leave it away)
    token    "" of a client that only asks where to get one
    refuse   takes "invalid_token" or "insufficient_scope", and the address of the OpenID
             provider's configuration or ""
    """

    authzid: str
    token: str = field(repr=False)
    refuse: Callable[[str, str], Challenge] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proven:
    """The exchange is over, and the client has shown that it is `authcid`.

    verifier  SCRAM: the one that fitted
    """

    authzid: str
    authcid: str
    verifier: Verifier | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The exchange is over: the client could not show that it is `authcid`."""

    authcid: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The exchange is over: the client broke the mechanism's rules. `text` is safe to send."""

    text: str


Step: TypeAlias = (
    Challenge
    | Credentials
    | VerifierWanted
    | SecretWanted
    | CertificateWanted
    | TokenWanted
    | Proven
    | Rejected
    | Failure
)


class Mechanism(Protocol):
    """One exchange, from its start to its end; not to be used again after."""

    name: str

    def step(self, response: bytes | None) -> Step:
        """Go on with the client's decoded response; never raises.

        First call: the initial response, or None when the client sent none. An empty initial
        response (`=` on the wire, RFC 4954 §4) is b"", not None.
        """
        ...


def acts_as(authzid: str, authcid: str, account: str) -> bool:
    """Whether the identity asked for is `account`, the one that has signed in.

    Nobody may act as somebody else. Called after the client has shown who it is. Prepared by
    SASLprep; what that prohibits, or leaves nothing of, is nobody (RFC 5034 §4, RFC 4954 §4).
    """
    if not authzid:
        return True
    try:
        wanted = saslprep(authzid)
    except ValueError:
        return False
    same = authzid.casefold() == authcid.casefold() or wanted.casefold() == account.casefold()
    return bool(wanted) and same


def text_of(octets: bytes) -> str | None:
    """A name or password as text: UTF-8 without NUL, within bounds; None when it is not that."""
    if len(octets) > MAX_RESPONSE or b"\0" in octets:
        return None
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return None

"""An OpenID provider whose tokens sign in, and what may be wrong with one."""

from dataclasses import dataclass, field

from mailsuite.base.errors import UserError


class TokenRefused(Exception):
    """Nobody's, or no longer. The text is for the log."""


class NoGuess(TokenRefused):
    """Not accepted, but nobody guesses by it. `told` is safe to send, `log` is the log's event."""

    told = log = ""


class TokenExpired(NoGuess):
    """It was somebody's, and its time is over: the client must get another."""

    told, log = "The access token has expired, get a new one", "token expired"


class TokenMissing(NoGuess):
    """There is none: the client wants to be told where to get one (RFC 7628 §4.3)."""

    told, log = "There is no access token", "token asked for"


class TokenUnchecked(UserError):
    """The provider can't be asked now."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID provider. `jwks` or `introspection` is set; the latter needs name and secret.

    claim  what in a token is the account's address
    """

    issuer: str
    jwks: str | None = None
    introspection: str | None = None
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    audience: str | None = None
    claim: str = "email"

    @property
    def configuration(self) -> str:
        """Where a client learns how to get a token (OpenID Connect Discovery §4)."""
        return self.issuer.rstrip("/") + "/.well-known/openid-configuration"

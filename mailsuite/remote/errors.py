"""Pure. What can go wrong with another server; the texts are for the operator."""

from mailsuite.base.errors import UserError


class RemoteError(UserError):
    """Base of all of them. What is not one of those below may pass: try again later."""


class Unreachable(RemoteError):
    """No connection, or it was lost, or the server has taken leave."""


class TlsFailed(RemoteError):
    """No TLS, though it is asked for, or a certificate that is not valid."""


class SignInRefused(RemoteError):
    """The server does not take the name and password, or no way to tell them is safe."""


class Refused(RemoteError):
    """The server answers no to a command.

    code  of the answer, such as "UNAVAILABLE", in capitals, or ""
    """

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Nonsense(RemoteError):
    """The server says what its protocol does not have."""

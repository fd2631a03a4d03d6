"""Pure. The LOGIN mechanism: asks for a name, then for a password.

Never standardised (draft-murchison-sasl-login describes it), but some mail clients know no other.
An initial response, where one is sent, is the name.
"""

from mailsuite.sasl.model import Challenge, Credentials, Failure, Step, text_of

# Some old clients look for exactly these words.
USERNAME = b"Username:"
PASSWORD = b"Password:"


class Login:
    """One LOGIN exchange."""

    __slots__ = ("_asked", "_name")
    name = "LOGIN"

    def __init__(self) -> None:
        self._asked = False
        self._name: str | None = None

    def step(self, response: bytes | None) -> Step:
        """Ask for the name, then for the password, then give both."""
        if response is None:
            if self._asked or self._name is not None:
                return Failure("LOGIN wants an answer")
            self._asked = True
            return Challenge(USERNAME)
        text = text_of(response)
        if text is None:
            return Failure("LOGIN answer is not UTF-8 or is too long")
        if self._name is None:
            self._name = text
            return Challenge(PASSWORD)
        return Credentials("", self._name, text)

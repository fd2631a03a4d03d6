"""Pure. The PLAIN mechanism (RFC 4616): one message, ``[authzid] NUL authcid NUL passwd``."""

from mailsuite.sasl.model import MAX_RESPONSE, Challenge, Credentials, Failure, Step, text_of


class Plain:
    """One PLAIN exchange."""

    __slots__ = ("_asked",)
    name = "PLAIN"

    def __init__(self) -> None:
        self._asked = False

    def step(self, response: bytes | None) -> Step:
        """Ask with an empty challenge when there was no initial response, else read the message."""
        if response is None:
            if self._asked:
                return Failure("PLAIN wants one message")
            self._asked = True
            return Challenge(b"")
        if len(response) > MAX_RESPONSE:
            return Failure("PLAIN message is too long")
        parts = response.split(b"\0")
        if len(parts) != 3:
            return Failure("PLAIN message must have three parts")
        authzid, authcid, password = map(text_of, parts)
        if authzid is None or authcid is None or password is None:
            return Failure("PLAIN message is not UTF-8")
        # An empty one is nobody's (1*SAFE each, §2): verification fails, which the user must hear.
        return Credentials(authzid, authcid, password)

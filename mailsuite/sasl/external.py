"""Pure. The EXTERNAL mechanism (RFC 4422 appendix A): the TLS certificate says who it is."""

from mailsuite.sasl.model import CertificateWanted, Challenge, Failure, Step, text_of


class External:
    """One EXTERNAL exchange: the client may say whom it wants to act as."""

    __slots__ = ("_asked",)
    name = "EXTERNAL"

    def __init__(self) -> None:
        self._asked = False

    def step(self, response: bytes | None) -> Step:
        """See `Mechanism`."""
        if response is None:
            if self._asked:
                return Failure("EXTERNAL wants one message")
            self._asked = True
            return Challenge(b"")
        authzid = text_of(response)
        if authzid is None:
            return Failure("EXTERNAL message is not UTF-8")
        return CertificateWanted(authzid)

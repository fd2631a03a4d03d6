"""Pure. SASL mechanisms, client side: what to answer a server that asks who we are."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """A name and its password, which no log shows."""

    name: str
    password: str = field(repr=False)


class ClientExchange:
    """One exchange: `initial` goes with the command, `answer` goes to each challenge.

    For PLAIN (RFC 4616) everything is in `initial`; LOGIN waits to be asked, twice.
    """

    __slots__ = ("_answers", "initial", "mechanism")

    def __init__(self, mechanism: str, login: Login) -> None:
        self.mechanism = mechanism
        name, password = login.name.encode(), login.password.encode()
        self.initial: bytes | None
        if mechanism == "PLAIN":
            self.initial = b"\0%s\0%s" % (name, password)
            self._answers: list[bytes] = []
        else:
            self.initial = None
            self._answers = [name, password]

    def answer(self, challenge: bytes) -> bytes | None:
        """The octets to answer with; None: the server asks more than the mechanism has."""
        return self._answers.pop(0) if self._answers else None


def choose(offered: Iterable[str], login: Login) -> ClientExchange | None:
    """An exchange by the best mechanism that both sides know, or None."""
    known = {name.upper() for name in offered}
    for mechanism in ("PLAIN", "LOGIN"):
        if mechanism in known:
            return ClientExchange(mechanism, login)
    return None

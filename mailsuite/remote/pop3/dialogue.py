"""Pure. How a session with a POP3 server begins: greeting, CAPA, STLS, sign-in.

Promises: nothing that is secret is said before TLS where TLS is asked for; what the server said
before TLS is not believed after it (RFC 2595 §4).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeAlias

from mailsuite.remote.errors import Nonsense, Refused, SignInRefused, TlsFailed
from mailsuite.remote.pop3.reader import Reply, reply
from mailsuite.remote.signing import Answer, Try, sign_in
from mailsuite.remote.steps import Compute, Handshake, Receive, Send, Step
from mailsuite.sasl import CANCEL, ClientExchange, ClientLogin, decode, encode

Dialogue: TypeAlias = Generator[Step, Any, frozenset[str]]
MAX_CAPABILITIES = 200
MAX_CHALLENGES = 20
_TIMESTAMP = re.compile(r"<[!-~]+@[!-~]+>")


class Beginning:
    """`run` gives the capabilities of the signed-in session. `Receive` gives a line (bytes)."""

    def __init__(
        self,
        host: str,
        login: ClientLogin,
        *,
        starttls: bool,
        secure: bool,
        bindings: Callable[[], Mapping[str, bytes]] = dict,
    ) -> None:
        """
        secure    a password may be said on the connection as it is before STLS
        bindings  channel bindings of the connection as it is when they are asked for
        """
        self._bindings = bindings
        self._host = host
        self._login = login
        self._starttls = starttls
        self._secure = secure or starttls
        self._timestamp = ""
        self._capabilities: dict[str, list[str]] = {}

    def run(self) -> Dialogue:
        """Raises RemoteError."""
        greeting = yield from self._reply()
        if not greeting.ok:
            raise Refused(f"{self._host} takes no session: {greeting.text}", greeting.code)
        if match := _TIMESTAMP.search(greeting.text):
            self._timestamp = match[0]
        yield from self._ask()
        if self._starttls:
            yield from self._tls()
        yield from self._sign_in()
        yield from self._ask()
        return frozenset(self._capabilities)

    def _tls(self) -> Generator[Step, Any, None]:
        if "STLS" not in self._capabilities:
            raise TlsFailed(f"{self._host} offers no STLS (pop3s://, or --tls none)")
        yield Send(b"STLS\r\n")
        answer = yield from self._reply()
        if not answer.ok:
            raise TlsFailed(f"{self._host} refuses STLS: {answer.text}")
        yield Handshake()
        yield from self._ask()

    def _ask(self) -> Generator[Step, Any, None]:
        """CAPA (RFC 2449 §5); servers of old don't know it."""
        self._capabilities = {}
        yield Send(b"CAPA\r\n")
        answer = yield from self._reply()
        if not answer.ok:
            return
        for _ in range(MAX_CAPABILITIES):
            line: bytes = yield Receive()
            if line == b".":
                return
            name, *arguments = line.decode("ascii", "replace").upper().split() or [""]
            self._capabilities[name] = arguments
        raise Nonsense(f"{self._host} has too many capabilities")

    def _reply(self) -> Generator[Step, Any, Reply]:
        line: bytes = yield Receive()
        return reply(line)

    # -- sign-in -----------------------------------------------------------------------------------

    def _sign_in(self) -> Generator[Step, Any, None]:
        offered = self._capabilities.get("SASL", [])
        yield from sign_in(
            self._host,
            self._login,
            offered=offered,
            bindings=self._bindings(),
            authenticate=self._authenticate,
            plainly=self._plainly,
            secure=self._secure,
        )

    def _plainly(self) -> Try | None:
        if self._secure:
            return self._user()
        return self._apop() if self._timestamp else None

    def _authenticate(self, exchange: ClientExchange) -> Try:
        """RFC 5034 §4."""
        line = b"AUTH " + exchange.mechanism.encode()
        initial = exchange.initial
        first = b"" if initial is None else b" " + (encode(initial) or b"=")
        if len(line + first) <= 253:
            line, initial = line + first, None
        yield Send(line + b"\r\n")
        for _ in range(MAX_CHALLENGES):
            answer: bytes = yield Receive()
            if not answer.startswith(b"+ ") and answer != b"+":
                return _answer(reply(answer))
            if initial is not None:
                octets: bytes | None = initial
                initial = None
            else:
                octets = yield from self._answer(exchange, answer[2:])
            yield Send((CANCEL if octets is None else encode(octets)) + b"\r\n")
        raise Nonsense(f"{self._host} goes on asking")

    @staticmethod
    def _answer(exchange: ClientExchange, text: bytes) -> Generator[Step, Any, bytes | None]:
        try:
            challenge = decode(text.strip())
        except ValueError:
            return None
        answer: bytes | None = yield Compute(lambda: exchange.answer(challenge))
        return answer

    def _user(self) -> Try:
        for word, text in (("USER", self._login.name), ("PASS", self._login.password)):
            if any(character in text for character in "\r\n\0"):
                raise SignInRefused("no POP3 command holds such a user name or password")
            yield Send(f"{word} {text}\r\n".encode())
            answer = yield from self._reply()
            if not answer.ok:
                break
        return _answer(answer)

    def _apop(self) -> Try:
        """RFC 1939 §7: without TLS at least no password is said."""
        secret = (self._timestamp + self._login.password).encode()
        digest = hashlib.md5(secret, usedforsecurity=False).hexdigest()
        yield Send(f"APOP {self._login.name} {digest}\r\n".encode())
        answer = yield from self._reply()
        return _answer(answer)


def _answer(told: Reply) -> Answer:
    return Answer(told.ok, told.text, told.code, told.passes)

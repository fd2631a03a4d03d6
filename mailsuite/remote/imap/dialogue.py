"""Pure. How a session with an IMAP server begins: greeting, STARTTLS, sign-in, capabilities.

Promises: nothing that is secret is said before TLS where TLS is asked for; what the server said
before TLS is not believed after it (RFC 9051 §11.1).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, TypeAlias

from mailsuite.remote.errors import Nonsense, Refused, TlsFailed
from mailsuite.remote.imap.command import string
from mailsuite.remote.imap.response import Continuation, Data, Response, Status, words
from mailsuite.remote.signing import Answer, Try, sign_in
from mailsuite.remote.steps import Compute, Handshake, Receive, Send, Step
from mailsuite.sasl import CANCEL, ClientExchange, ClientLogin, decode, encode

Dialogue: TypeAlias = Generator[Step, Any, frozenset[str]]
MAX_CHALLENGES = 20
MAX_OTHERS = 1000
PASSING = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN"})
"""Codes of a refusal that says nothing of the password (RFC 5530)."""


class Beginning:
    """`run` gives the capabilities of the signed-in session."""

    def __init__(
        self,
        host: str,
        login: ClientLogin,
        *,
        starttls: bool,
        secure: bool,
        next_tag: Callable[[], bytes],
        bindings: Callable[[], Mapping[str, bytes]] = dict,
    ) -> None:
        """
        secure    a password may be said on the connection as it is before STARTTLS
        bindings  channel bindings of the connection as it is when they are asked for
        """
        self._bindings = bindings
        self._host = host
        self._login = login
        self._starttls = starttls
        self._secure = secure or starttls
        self._next_tag = next_tag
        self._capabilities: frozenset[str] = frozenset()

    def run(self) -> Dialogue:
        """Raises RemoteError."""
        signed_in = yield from self._greeting()
        if self._starttls:
            if signed_in:
                # There is no STARTTLS any more: somebody on the way may have said this.
                raise TlsFailed(f"{self._host}: it greets with PREAUTH, so TLS can't be begun")
            yield from self._tls()
        if not signed_in:
            if not self._capabilities:
                yield from self._ask()
            yield from self._sign_in()
        if not self._capabilities:
            yield from self._ask()
        return self._capabilities

    def _greeting(self) -> Generator[Step, Any, bool]:
        response: Response = yield Receive()
        if not isinstance(response, Status) or response.tag:
            raise Nonsense(f"{self._host}: it does not greet as an IMAP server does")
        if response.kind not in ("OK", "PREAUTH"):
            raise Refused(f"{self._host} takes no session: {response}", response.code)
        self._take([response])
        return response.kind == "PREAUTH"

    def _tls(self) -> Generator[Step, Any, None]:
        if not self._capabilities:
            yield from self._ask()
        if "STARTTLS" not in self._capabilities:
            raise TlsFailed(f"{self._host} offers no STARTTLS (imaps://, or --tls none)")
        status, _ = yield from self._command(b"STARTTLS")
        if status.kind != "OK":
            raise TlsFailed(f"{self._host} refuses STARTTLS: {status}")
        yield Handshake()
        yield from self._ask()

    def _ask(self) -> Generator[Step, Any, None]:
        self._capabilities = frozenset()
        status, others = yield from self._command(b"CAPABILITY")
        if status.kind != "OK":
            raise Refused(f"{self._host}: {status}", status.code)
        self._take([*others, status])

    def _take(self, responses: Iterable[Response]) -> None:
        for response in responses:
            if isinstance(response, Data) and response.name == "CAPABILITY":
                names = words(response.values)
            elif isinstance(response, Status) and response.code == "CAPABILITY":
                names = response.arguments.split()
            else:
                continue
            self._capabilities = frozenset(name.upper() for name in names)

    # -- sign-in -----------------------------------------------------------------------------------

    def _sign_in(self) -> Generator[Step, Any, None]:
        offered = [name[5:] for name in self._capabilities if name.startswith("AUTH=")]
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
        if not self._secure or "LOGINDISABLED" in self._capabilities:
            return None
        return self._login_command(self._login.name.encode(), self._login.password.encode())

    def _answered(self, status: Status, others: list[Response]) -> Answer:
        if status.kind == "OK":
            self._signed_in(status, others)
        passes = status.code in PASSING
        return Answer(status.kind == "OK", str(status), status.code, passes)

    def _signed_in(self, status: Status, others: list[Response]) -> None:
        """Capabilities are others from now on (RFC 9051 §6.2.2)."""
        self._capabilities = frozenset()
        self._take([*others, status])

    def _authenticate(self, exchange: ClientExchange) -> Try:
        tag = self._next_tag()
        line = tag + b" AUTHENTICATE " + exchange.mechanism.encode()
        initial = exchange.initial
        if initial is not None and "SASL-IR" in self._capabilities:
            line += b" " + (encode(initial) or b"=")
            initial = None
        yield Send(line + b"\r\n")
        others: list[Response] = []
        challenges = 0
        while True:
            response: Response = yield Receive()
            if isinstance(response, Continuation):
                challenges += 1
                if challenges > MAX_CHALLENGES:
                    raise Nonsense(f"{self._host} goes on asking")
                if initial is not None:
                    answer: bytes | None = initial
                    initial = None
                else:
                    answer = yield from self._answer(exchange, response.text)
                yield Send((CANCEL if answer is None else encode(answer)) + b"\r\n")
            elif isinstance(response, Status) and response.tag:
                return self._answered(self._tagged(tag, response), others)
            else:
                self._keep(others, response)

    @staticmethod
    def _answer(exchange: ClientExchange, text: bytes) -> Generator[Step, Any, bytes | None]:
        try:
            challenge = decode(text)
        except ValueError:
            return None
        answer: bytes | None = yield Compute(lambda: exchange.answer(challenge))
        return answer

    def _login_command(self, name: bytes, password: bytes) -> Try:
        tag = self._next_tag()
        line = tag + b" LOGIN"
        others: list[Response] = []
        for octets in (name, password):
            quoted = string(octets)
            if quoted is not None:
                line += b" " + quoted
                continue
            yield Send(line + b" {%d}\r\n" % len(octets))
            response: Response = yield Receive()
            while not isinstance(response, Continuation):
                if isinstance(response, Status) and response.tag:
                    return self._answered(self._tagged(tag, response), others)
                self._keep(others, response)
                response = yield Receive()
            line = octets
        yield Send(line + b"\r\n")
        status = yield from self._end(tag, others)
        return self._answered(status, others)

    # -- commands ----------------------------------------------------------------------------------

    def _command(self, words_: bytes) -> Generator[Step, Any, tuple[Status, list[Response]]]:
        tag = self._next_tag()
        yield Send(tag + b" " + words_ + b"\r\n")
        others: list[Response] = []
        status = yield from self._end(tag, others)
        return status, others

    def _end(self, tag: bytes, others: list[Response]) -> Generator[Step, Any, Status]:
        while True:
            response: Response = yield Receive()
            if isinstance(response, Status) and response.tag:
                return self._tagged(tag, response)
            self._keep(others, response)

    def _tagged(self, tag: bytes, status: Status) -> Status:
        if status.tag.encode() != tag:
            raise Nonsense(f"{self._host} answers a command that was not given")
        return status

    def _keep(self, others: list[Response], response: Response) -> None:
        if isinstance(response, Status) and response.kind == "BYE":
            raise Refused(f"{self._host} ends the session: {response}", response.code)
        if isinstance(response, Continuation):
            raise Nonsense(f"{self._host} waits for what was not announced")
        if len(others) >= MAX_OTHERS:
            raise Nonsense(f"{self._host} does not come to the end of its answer")
        others.append(response)

"""Pure. The client's side of SMTP and LMTP (RFC 5321, 2033), as generators: steps out, replies in.

A generator yields what is to be done next: send octets, send the message, or wait for a reply,
which is then sent into it. Where the connection ends instead, `Lost` is thrown into it. So the same
code runs over a socket, and over a list of replies in a test.

Promises: what is not known of a reply's code is read from its first digit (RFC 5321 §4.3.2); no
command is sent that the server has not offered; what is pipelined is what RFC 2920
allows; each recipient of a transaction ends with exactly one verdict, whatever the server says.
"""

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, TypeAlias

from mailsuite.relay.offers import NOTHING, Offers, offers_of
from mailsuite.relay.replies import Reply
from mailsuite.sasl import CANCEL, ClientExchange, decode, encode


@dataclass(frozen=True, slots=True)
class Send:
    """Send these octets."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send the message: dot-stuffed and ended by a dot, or (`raw`) as it is after BDAT."""

    raw: bool


@dataclass(frozen=True, slots=True)
class Compute:
    """Call this where it holds nobody up; what it returns is sent into the generator."""

    call: Callable[[], bytes | None]


class Want(Enum):
    """Wait for a reply to this; each has a time-out of its own (RFC 5321 §4.5.3.2)."""

    GREETING = "greeting"
    HELLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    FINAL = "end of data"
    RSET = "RSET"
    QUIT = "QUIT"


Step: TypeAlias = Send | SendMessage | Compute | Want


class Lost(Exception):
    """The connection has ended, or the server said what is no reply. The text says why."""


class Refused(Exception):
    """The server does not go on with the session, or with what was asked; `reply` says why."""

    def __init__(self, want: Want, reply: Reply) -> None:
        super().__init__(f"{want.value}: {reply}")
        self.want = want
        self.reply = reply


class Fate(Enum):
    """What becomes of a recipient after one transaction."""

    SENT = "sent"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    ANOTHER = "another"  # not decided: in a further transaction with this server
    ELSEWHERE = "elsewhere"  # not decided: this server takes nothing now


@dataclass(frozen=True, slots=True)
class Verdict:
    """One recipient's end; where no reply decided: `words`, perhaps with an enhanced status."""

    fate: Fate
    reply: Reply | None = None
    words: str = ""
    status: str = ""


@dataclass(slots=True)
class Result:
    """One transaction's end; `usable`: the connection may carry another one."""

    verdicts: list[Verdict]
    usable: bool = True


@dataclass(frozen=True, slots=True)
class Transfer:
    """What one transaction sends.

    mail, rcpts  command lines with CRLF
    size         octets of the message
    chunked      by BDAT (RFC 3030)
    together     the message is small: it may go with the commands, before they are answered
    """

    mail: bytes
    rcpts: Sequence[bytes]
    size: int
    chunked: bool = False
    together: bool = False


LONGEST = 510  # octets of a command line without CRLF (RFC 5321 §4.5.3.1.4)
AGAIN = "the connection ended after the whole message was sent; it may have arrived already"


def hello(
    name: str, *, lmtp: bool = False, greeted: bool = False
) -> Generator[Step, Reply, Offers]:
    """The session's beginning; `greeted` after STARTTLS, when no greeting comes. Raises Refused."""
    if not greeted:
        reply = yield Want.GREETING
        if not reply.done:
            raise Refused(Want.GREETING, reply)
    verb = b"LHLO" if lmtp else b"EHLO"
    yield Send(b"%s %s\r\n" % (verb, name.encode()))
    reply = yield Want.HELLO
    if reply.done:
        return offers_of(reply)
    if lmtp or not 500 <= reply.code < 600:
        raise Refused(Want.HELLO, reply)
    # RFC 5321 §3.2: a server of the old kind.
    yield Send(b"HELO %s\r\n" % name.encode())
    reply = yield Want.HELLO
    if not reply.done:
        raise Refused(Want.HELLO, reply)
    return NOTHING


def start_tls() -> Generator[Step, Reply, None]:
    """Ask for TLS; after the return, the handshake (RFC 3207). Raises Refused."""
    yield Send(b"STARTTLS\r\n")
    reply = yield Want.STARTTLS
    if not reply.done:
        raise Refused(Want.STARTTLS, reply)


def sign_in(exchange: ClientExchange) -> Generator[Step, Any, None]:
    """Say who we are (RFC 4954 §4). Raises Refused."""
    line = b"AUTH " + exchange.mechanism.encode()
    waiting: bytes | None = None
    if exchange.initial is not None:
        longer = line + b" " + (encode(exchange.initial) or b"=")
        # What does not fit into a line waits for an empty challenge (RFC 4954 §4, RFC 4422 §5.1).
        line, waiting = (longer, None) if len(longer) <= LONGEST else (line, exchange.initial)
    yield Send(line + b"\r\n")
    reply: Reply = yield Want.AUTH
    while reply.code == 334:
        answer, waiting = waiting, None
        if answer is None:
            with contextlib.suppress(ValueError):
                challenge = decode(reply.lines[-1].encode())
                answer = yield Compute(partial(exchange.answer, challenge))
        yield Send((CANCEL if answer is None else encode(answer)) + b"\r\n")
        reply = yield Want.AUTH
    if reply.code != 235:
        raise Refused(Want.AUTH, reply)
    if not exchange.complete:
        raise Lost(f"{exchange.mechanism}: the server has not shown that it knows the password")


def goodbye() -> Generator[Step, Reply, None]:
    """End the session."""
    yield Send(b"QUIT\r\n")
    yield Want.QUIT


def transact(
    transfer: Transfer, offers: Offers, *, lmtp: bool = False
) -> Generator[Step, Reply, Result]:
    """One mail transaction."""
    run = _Transaction(transfer, lmtp=lmtp)
    try:
        if "PIPELINING" in offers:
            yield from run.pipelined()
        else:
            yield from run.in_turn()
    except Lost as error:
        run.lost(str(error))
    return run.result()


@dataclass(slots=True)
class _Transaction:
    transfer: Transfer
    lmtp: bool
    verdicts: list[Verdict | None] = field(init=False)
    accepted: list[int] = field(default_factory=list)
    sent: bool = False
    answered: bool = False
    usable: bool = True

    def __post_init__(self) -> None:
        self.verdicts = [None] * len(self.transfer.rcpts)

    # -- the order of commands ------------------------------------------------------------------

    def pipelined(self) -> Generator[Step, Reply, None]:
        transfer = self.transfer
        commands = b"".join((transfer.mail, *transfer.rcpts))
        together = transfer.chunked and transfer.together
        if together:
            yield Send(commands + self._bdat())
            yield SendMessage(raw=True)
            self.sent = True
        else:
            yield Send(commands if transfer.chunked else commands + b"DATA\r\n")
        begun = yield from self._mail()
        for place in range(len(transfer.rcpts)):
            yield from self._rcpt(place, begun)
        if together:
            yield from self._final()
        elif transfer.chunked:
            yield from self._message(begun)
        else:
            # DATA is on its way already: its reply decides (RFC 2920 §3.1).
            yield from self._after_data((yield from self._reply(Want.DATA)))

    def in_turn(self) -> Generator[Step, Reply, None]:
        yield Send(self.transfer.mail)
        begun = yield from self._mail()
        if not begun:
            return
        for place, line in enumerate(self.transfer.rcpts):
            if self.verdicts[place] is None:
                yield Send(line)
                yield from self._rcpt(place, begun)
        yield from self._message(begun)

    def _message(self, begun: bool) -> Generator[Step, Reply, None]:
        if not self.accepted:
            if begun:
                yield Send(b"RSET\r\n")
                yield from self._reply(Want.RSET)
        elif self.transfer.chunked:
            yield Send(self._bdat())
            yield SendMessage(raw=True)
            self.sent = True
            yield from self._final()
        else:
            yield Send(b"DATA\r\n")
            yield from self._after_data((yield from self._reply(Want.DATA)))

    def _bdat(self) -> bytes:
        return b"BDAT %d LAST\r\n" % self.transfer.size

    # -- what the replies mean ------------------------------------------------------------------

    def _reply(self, want: Want) -> Generator[Step, Reply, Reply]:
        reply = yield want
        self.answered = True
        if reply.code == 421:
            # At any time (RFC 5321 §3.8): the server closes the connection.
            self._undecided(Verdict(Fate.ELSEWHERE, reply))
            raise Lost(str(reply))
        if reply.intermediate and want is not Want.DATA:
            # It waits for something that nobody has: what it was asked for is not done (§4.2.1).
            raise Lost(f"{want.value} answered with {reply.code}")
        return reply

    def _mail(self) -> Generator[Step, Reply, bool]:
        reply = yield from self._reply(Want.MAIL)
        if not reply.ok:
            fate = Fate.ELSEWHERE if reply.temporary else Fate.PERMANENT
            self._undecided(Verdict(fate, reply))
        return reply.ok

    def _rcpt(self, place: int, begun: bool) -> Generator[Step, Reply, None]:
        reply = yield from self._reply(Want.RCPT)
        if not begun:
            return  # whatever it says, there was no transaction
        if reply.ok:
            self.accepted.append(place)
        elif self.accepted and _too_many(reply):
            self.verdicts[place] = Verdict(Fate.ANOTHER, reply)
        else:
            self.verdicts[place] = _failure(reply)

    def _after_data(self, reply: Reply) -> Generator[Step, Reply, None]:
        if not reply.intermediate:
            if self.accepted:
                self._undecided(_failure(reply))
            if reply.ok:
                raise Lost(f"DATA answered with {reply.code}")
            yield from self._reset()
        elif not self.accepted:
            # It waits for a message that nobody is to get: an empty one, and its reply is nothing
            # (RFC 2920 §3.1).
            yield Send(b".\r\n")
            yield from self._reply(Want.FINAL)
        else:
            yield SendMessage(raw=False)
            self.sent = True
            yield from self._final()

    def _reset(self) -> Generator[Step, Reply, None]:
        yield Send(b"RSET\r\n")
        yield from self._reply(Want.RSET)

    def _final(self) -> Generator[Step, Reply, None]:
        places = list(self.accepted)
        if self.lmtp:
            for place in places:
                self._told(place, (yield from self._reply(Want.FINAL)))
            if places or not self.transfer.chunked:
                return
        reply = yield from self._reply(Want.FINAL)
        for place in places:
            self._told(place, reply)
        if not reply.ok and self.transfer.chunked:
            # A failed BDAT leaves the transaction in an unknown state (RFC 3030 §2).
            yield from self._reset()

    def _told(self, place: int, reply: Reply) -> None:
        self.verdicts[place] = Verdict(Fate.SENT, reply) if reply.ok else _failure(reply)

    # -- the end --------------------------------------------------------------------------------

    def _undecided(self, verdict: Verdict) -> None:
        self.verdicts = [each if each is not None else verdict for each in self.verdicts]

    def lost(self, why: str) -> None:
        """The connection is gone."""
        self.usable = False
        # A server that has answered nothing at all has not read the message either.
        if self.sent and self.answered:
            self._undecided(Verdict(Fate.TEMPORARY, None, f"{AGAIN} ({why})"))
        self._undecided(Verdict(Fate.ELSEWHERE, None, why))

    def result(self) -> Result:
        missing = Verdict(Fate.ELSEWHERE, None, "the server did not answer for this recipient")
        return Result([each or missing for each in self.verdicts], self.usable)


def _too_many(reply: Reply) -> bool:
    """Too many recipients for one transaction (RFC 5321 §4.5.3.1.10).

    552 is how RFC 821 had it; "552 5.2.2" is a full mailbox.
    """
    if reply.code == 452 or reply.status in ("4.5.3", "5.5.3"):
        return True
    return reply.code == 552 and reply.status is None


def _failure(reply: Reply) -> Verdict:
    if reply.code >= 500:
        return Verdict(Fate.PERMANENT, reply)
    if reply.temporary:
        return Verdict(Fate.TEMPORARY, reply)
    return Verdict(Fate.TEMPORARY, reply, f"an answer that does not belong here: {reply}")

"""One client's POP3 session: reads commands, runs them by the table, writes what they answer.

Promises: every command gets exactly one answer, in order, also when it is pipelined (answers to
what came together leave together); a dropped or idle connection deletes nothing; an error of ours
answers `-ERR [SYS/TEMP]` and is logged, or, in the middle of a message, closes the connection so
that no half message looks whole.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from typing import Protocol

from mailsuite.base.log import get_logger
from mailsuite.net import Connection, is_http_request
from mailsuite.pop3d.apop import timestamp
from mailsuite.pop3d.commands import messages
from mailsuite.pop3d.commands.row import RAW, Row, State
from mailsuite.pop3d.idle import Idle
from mailsuite.pop3d.lines import LINE_LIMIT, LineSplitter, LineTooLong
from mailsuite.pop3d.maildrop import Maildrop
from mailsuite.pop3d.replies import (
    Blocks,
    Err,
    Lines,
    Octets,
    Ok,
    Reply,
    Source,
    StartTls,
    Whole,
    first_line,
)
from mailsuite.pop3d.settings import Settings
from mailsuite.pop3d.syntax import parse
from mailsuite.pop3d.table import COMMANDS
from mailsuite.sasl import Credentials
from mailsuite.signin import Client, Exchange, Outcome, Refused, SignIn, Why
from mailsuite.store import StoreError, StoreUnavailable

log = get_logger("pop3d")
PROBE = (60, 15, 4)  # seconds, times: a client that has vanished must not keep its maildrop locked
FLUSH_AT = 1 << 16  # octets of answers that are kept while more commands are there
TURN = 32  # answers after which other sessions have their turn, however many commands came at once
SASL_LINE = 12_288
"""Octets of an answer to a challenge (RFC 4954 §4, RFC 5034 §4), and of AUTH with an initial
response: more than RFC 5034 lets a client send, but those that sign in with tokens do."""


class House(Protocol):
    """What a session needs of the door."""

    @property
    def sign_in(self) -> SignIn: ...
    def lock(self, account: str) -> bool: ...
    def unlock(self, account: str) -> None: ...
    def came_too_soon(self, account: str) -> int: ...
    def came(self, account: str) -> None: ...
    async def update(self, account: str, maildrop: Maildrop) -> int: ...
    async def open(self, account: str) -> Maildrop: ...


class Session:
    """Satisfies `commands.row.Context`."""

    __slots__ = (
        "_account",
        "_connection",
        "_ended",
        "_failures",
        "_faults",
        "_house",
        "_idle",
        "_lines",
        "_maildrop",
        "_unsent",
        "_unsent_octets",
        "settings",
        "timestamp",
        "user",
        "utf8",
    )

    def __init__(self, connection: Connection, house: House, settings: Settings) -> None:
        self.settings = settings
        self.user: str | None = None
        self.utf8 = False
        self.timestamp: str | None = None
        self._connection = connection
        self._house = house
        self._idle = Idle(connection, settings.idle_timeout)
        self._lines = LineSplitter(SASL_LINE)
        self._account: str | None = None
        self._maildrop: Maildrop | None = None
        self._failures = 0
        self._faults = 0
        self._ended = False
        self._unsent: list[bytes] = []
        self._unsent_octets = 0

    async def run(self) -> None:
        """From the greeting until one side closes."""
        self._connection.probe(*PROBE)
        self._connection.at_once = self._at_once
        try:
            await self._write(self._banner())
            while not self._ended:
                try:
                    line = await self._line()
                except LineTooLong:
                    await self._write(Err("the line is too long", fault=True))
                    continue
                if line is None:
                    break
                octets = None if self._maildrop is None else messages.at_once(self, line)
                if octets is not None:
                    await self._send(octets)
                else:
                    await self._write(await self._run(line))
            await self._flush()
        except TimeoutError:
            # RFC 1939 §3: close without a word, and delete nothing.
            log.info("idle too long", peer=self._connection.peer, account=self._account)
            self._connection.abort()
        finally:
            self._connection.at_once = None
            self._idle.stop()
            self._leave()

    def _banner(self) -> Ok:
        """With a timestamp where APOP may be used, now and not only after STLS."""
        text = f"{self.settings.hostname} POP3 ready"
        if self._house.sign_in.takes_digests(self.client):
            self.timestamp = timestamp(secrets.token_hex(16), self.settings.hostname)
            text += f" {self.timestamp}"
        return Ok(text)

    async def _line(self) -> bytes | None:
        """The next command line; None when the client has hung up."""
        while (line := self._lines.next()) is None:
            await self._flush()
            async with self._idle:
                data = await self._connection.read()
            if not data:
                return None
            self._lines.feed(data)
        return line

    def _at_once(self, data: bytes) -> bool:
        """What has come, while we wait, is one command that can be answered from memory."""
        if (
            self._maildrop is None
            or not data.endswith(b"\r\n")
            or len(data) > LINE_LIMIT
            or data.count(b"\n") > 1
            or self._lines.holds_some
            or self._connection.is_full
        ):
            return False
        octets = messages.at_once(self, data[:-2])
        if octets is None:
            return False
        self._idle.touch()
        self._connection.write(octets)
        return True

    # -- one command ----------------------------------------------------------------------------

    async def _run(self, line: bytes) -> Reply:
        command = parse(line)
        row = COMMANDS.get(command.keyword)
        if row is None and is_http_request(line):  # no password of PASS is taken for one
            return Err("this is a POP3 server", ends=True)
        if len(line) > LINE_LIMIT - 2 and command.keyword != "AUTH":
            return Err("the line is too long", fault=True)
        if row is None:
            return Err("unknown command", fault=True)
        if self.state not in row.states:
            return Err(f"not in {self.state.value} state", fault=True)
        if row.arguments == RAW:
            arguments = [command.argument] if command.argument else []
            least, most = 1, 1
        else:
            arguments = command.arguments
            least, most = row.arguments
        if not least <= len(arguments) <= most:
            return Err("wrong number of arguments", fault=True)
        return await self._handle(row, arguments)

    async def _handle(self, row: Row, arguments: list[bytes]) -> Reply:
        code, text = "SYS/TEMP", "something went wrong here, try again later"
        try:
            return await row.handler(self, arguments)
        except (ConnectionError, TimeoutError):
            raise
        except LineTooLong:
            return Err("the line is too long", fault=True)
        except StoreError as error:
            log.error("store failed", command=row.keyword, account=self._account, why=str(error))
            if isinstance(error, StoreUnavailable) and error.lasts:  # RFC 3206 §4
                code, text = "SYS/PERM", "the mailbox cannot be used, tell who runs this server"
        except Exception as error:
            log.error("command failed", command=row.keyword, account=self._account, exc_info=error)
        # RFC 1939 §6: a QUIT that could not delete everything ends the session all the same.
        if row.keyword == "QUIT":
            return Err("some deleted messages not removed", code=code, ends=True)
        return Err(text, code=code)

    # -- what handlers see ----------------------------------------------------------------------

    @property
    def state(self) -> State:
        return State.AUTHORIZATION if self._maildrop is None else State.TRANSACTION

    @property
    def account(self) -> str | None:
        return self._account

    @property
    def secure(self) -> bool:
        return self._connection.tls

    @property
    def maildrop(self) -> Maildrop:
        assert self._maildrop is not None
        return self._maildrop

    async def exchange(self, challenge: bytes) -> bytes:
        await self._send(b"+ " + challenge + b"\r\n")
        line = await self._line()
        if line is None:
            raise ConnectionResetError("the client has gone in the middle of AUTH")
        return line

    @property
    def client(self) -> Client:
        """Who it is, for the sign-in room."""
        connection = self._connection
        secure = connection.tls or self.settings.allow_plain_auth
        tls = connection.ssl_object if connection.tls else None
        return Client("pop3", connection.peer, secure, tls)

    def mechanisms(self) -> list[str]:
        return self._house.sign_in.mechanisms(self.client)

    def start(self, mechanism: str) -> Exchange | None:
        return self._house.sign_in.start(mechanism, self.client)

    def needs_tls(self, mechanism: str) -> bool:
        return self._house.sign_in.needs_tls(mechanism, self.client)

    async def sign_in(self, given: Credentials) -> Reply:
        return await self.admit(await self._house.sign_in.password(self.client, given))

    async def sign_in_by_digest(self, name: str, fits: Callable[[str], bool]) -> Reply:
        return await self.admit(await self._house.sign_in.digest(self.client, name, fits))

    async def admit(self, outcome: Outcome) -> Reply:
        if isinstance(outcome, Refused):
            return await self._refuse(outcome)
        account = outcome.account
        if not self._house.lock(account):
            return Err("the maildrop is open in another session", code="IN-USE")
        if wait := self._house.came_too_soon(account):
            self._house.unlock(account)
            return Err(f"too soon, come again in {wait} seconds", code="LOGIN-DELAY")
        try:
            self._maildrop = await self._house.open(account)
        except BaseException:
            self._house.unlock(account)
            raise
        self._account = account
        self._lines.limit = LINE_LIMIT
        self._house.came(account)
        return Ok(f"maildrop has {self._maildrop.count} messages ({self._maildrop.size} octets)")

    async def _refuse(self, outcome: Refused) -> Reply:
        """RFC 3206: [AUTH] makes a client ask for the password, [SYS/TEMP] has it come again.

        Neither says that the exchange was malformed: the password may well be right (§5).
        """
        text = outcome.text[0].lower() + outcome.text[1:]
        match outcome.why:
            case Why.UNAVAILABLE:
                return Err(text, code="SYS/TEMP")
            case Why.BANNED:
                return Err(text, code="SYS/TEMP", ends=True)
            case Why.MALFORMED:
                return Err(outcome.text, fault=True)
            case Why.WRONG | Why.FORBIDDEN:
                self._failures += 1
                await asyncio.sleep(outcome.wait)
                ends = self._failures >= self.settings.max_failures
                return Err(text, code="AUTH", ends=ends)

    async def update(self) -> int:
        assert self._account is not None
        return await self._house.update(self._account, self.maildrop)

    def _leave(self) -> None:
        """Give back the maildrop. What was marked stays."""
        if self._maildrop is not None:
            self._maildrop.close()
            self._maildrop = None
        if self._account is not None:
            self._house.unlock(self._account)
            self._account = None

    # -- answering ------------------------------------------------------------------------------

    async def _write(self, reply: Reply) -> None:
        match reply:
            case StartTls():
                await self._start_tls(first_line(reply))
            case Lines(_, lines):
                text = "".join(f"{line}\r\n" for line in lines)
                await self._send(first_line(reply) + text.encode() + b".\r\n")
            case Blocks(_, blocks):
                await self._write_blocks(first_line(reply), blocks)
            case Whole(_, octets):
                await self._send(first_line(reply) + octets)
            case Octets(_, source):
                try:
                    await self._write_octets(first_line(reply), source)
                finally:
                    source.close()
            case Ok(_, ends):
                await self._write_status(first_line(reply), ends)
            case Err(_, _, fault, ends):
                self._faults += fault
                if self._faults >= self.settings.max_faults:
                    reply, ends = Err("too many errors, bye"), True
                await self._write_status(first_line(reply), ends)

    async def _write_status(self, line: bytes, ends: bool) -> None:
        if ends:
            # The maildrop is free before the client can know that the session is over.
            self._leave()
            self._ended = True
        await self._send(line)

    async def _write_blocks(self, head: bytes, blocks: Iterator[bytes]) -> None:
        await self._send(head)
        for block in blocks:
            await self._send(block)
            await asyncio.sleep(0)  # a long list must not hold up the other sessions
        await self._send(b".\r\n")

    async def _write_octets(self, head: bytes, source: Source) -> None:
        while octets := await source.next():
            await self._send(head + octets)
            head = b""

    async def _start_tls(self, line: bytes) -> None:
        """What the client sent or said before TLS is forgotten (RFC 2595 §4)."""
        assert self.settings.tls is not None
        await self._flush()
        self._lines.clear()
        self.user = None
        await self._connection.start_tls(self.settings.tls, line)

    async def _send(self, octets: bytes) -> None:
        """Now, or with the answers to the commands that are there already."""
        self._unsent.append(octets)
        self._unsent_octets += len(octets)
        if self._unsent_octets >= FLUSH_AT or len(self._unsent) >= TURN:
            await self._flush()
            await asyncio.sleep(0)

    async def _flush(self) -> None:
        """Wait for a slow client, but no longer than for a silent one. Raises ConnectionError."""
        if not self._unsent:
            return
        self._connection.writelines(self._unsent)
        self._unsent, self._unsent_octets = [], 0
        if self._connection.is_full or self._connection.is_closing:
            async with self._idle:
                await self._connection.drain()

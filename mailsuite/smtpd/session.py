"""One client's session: its commands, one after another, and the limits it is held to.

Promises: commands only return their reply, and one place (`say`) writes and counts it; an error of
ours is `451 4.3.0` to the client and a traceback in the log; the session goes on after it. What
the commands do stands in `commands`, what extensions add in `extensions`.

The base class is aiosmtpd's; docs/decisions/0001-smtp-session.md says what of it is replaced.
"""

import asyncio
import socket

from mailsuite.accounts import DirectoryUnavailable
from mailsuite.base.log import get_logger
from mailsuite.net import Origin, is_http_request, peer_uid
from mailsuite.smtpd import reply as replies
from mailsuite.smtpd.context import Context
from mailsuite.smtpd.grammar import SyntaxRefused
from mailsuite.smtpd.model import MAX_AUTH_LINE, Client, Transaction
from mailsuite.smtpd.reply import Reply
from mailsuite.smtpd.turned import Turn, serve
from mailsuite.smtpd.wire import Wire

log = get_logger("smtpd")
COMMANDS_A_TURN = 100  # pipelined commands, after which other sessions get their turn


class SmtpSession(Wire):
    """One session; made by the listener for each connection.

    errors         error replies since the last accepted message
    idle_commands  commands that brought no mail forward, since then
    messages       accepted
    auth_failures  wrong names or passwords
    in_exchange    an answer to a challenge of AUTH is waited for
    turn           agreed on: the roles turn after the reply to this command
    grouped        the reply to the command at work may wait for those behind it (RFC 2920 §3.2)
    local_user     "uid 1000" of a program on this machine, None for clients from the network
    """

    # Made in `opened`, and again after STARTTLS.
    session: Client
    envelope: Transaction

    def __init__(
        self, context: Context, loop: asyncio.AbstractEventLoop, origin: Origin | None = None
    ) -> None:
        super().__init__(loop, MAX_AUTH_LINE, origin)
        self.context = context
        self.errors = 0
        self.idle_commands = 0
        self.messages = 0
        self.auth_failures = 0
        self.in_exchange = False
        self.turn: Turn | None = None
        self.grouped = False
        self.local_user: str | None = None
        self._counted = False
        self._ended = False
        self._began = loop.time()
        self._between_commands = False
        self._handler_coroutine: asyncio.Task[None] | None = None

    # -- what stands in for aiosmtpd's -----------------------------------------------------------

    def _create_session(self) -> Client:
        return Client(self.loop)

    def _create_envelope(self) -> Transaction:
        return Transaction()

    def _set_rset_state(self) -> None:
        self.envelope = self._create_envelope()

    # -- beginning and end ----------------------------------------------------------------------

    def opened(self) -> None:
        context = self.context
        if context.settings.kind in ("local", "lmtp"):
            self._name_local_peer()
        if not context.limits.enter(self.peer):
            context.counters.connections_refused += 1
            log.warning("too many connections", client=self.peer, open=context.limits.count)
            full = context.limits.full
            refusal = replies.TOO_MANY_CONNECTIONS if full else replies.TOO_MANY_FROM_THERE
            self.write(refusal.named(context.settings.hostname).render())
            self.hang_up()
            return
        self._counted = True
        context.counters.connections += 1
        if self.tls:
            context.counters.tls += 1
        context.sessions.add(self)
        self.forget()
        self._handler_coroutine = context.tasks.start(self._handle_client(), self.peer)

    def _name_local_peer(self) -> None:
        """Who comes by a Unix socket has no address, but a user id."""
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            if sock is not None and sock.family == socket.AF_UNIX:
                uid = peer_uid(sock)
                self.local_user = None if uid is None else f"uid {uid}"
                self.peer = self.local_user or "local"

    def closed(self) -> None:
        if self._counted:
            self._counted = False
            self.context.limits.leave(self.peer)
            self.context.sessions.discard(self)
            if not self.context.sessions:
                self.context.empty.set()

    def forget(self) -> None:
        """Know nothing of the client any more: the state of a new connection (RFC 3207 §4.2)."""
        self.session = self._create_session()
        self._set_rset_state()

    async def reset(self) -> None:
        """Drop the transaction, and what has come of its message."""
        if self.envelope.mail_from is not None:
            chunks = self.envelope.chunks
            self._set_rset_state()
            if chunks is not None:
                await chunks.reception.abandon()

    def took_message(self) -> None:
        """A message was accepted: what went wrong before it is forgiven."""
        self.messages += 1
        self.errors = 0
        self.idle_commands = 0

    @property
    def needs_tls(self) -> bool:
        """TLS has to come first (RFC 3207 §4)."""
        return self.context.settings.require_tls and not self.tls

    @property
    def no_hello(self) -> Reply:
        """The refusal of what comes before the client has said its name."""
        return replies.SEND_LHLO if self.context.settings.lmtp else replies.SEND_HELLO

    @property
    def lasts_too_long(self) -> bool:
        """It is time to go, as soon as no message is at work."""
        return self.loop.time() - self._began > self.context.settings.max_session

    def end(self) -> None:
        """Close after the command that is at work."""
        self._ended = True

    def timed_out(self) -> None:
        self.context.counters.timeouts += 1
        log.info("timeout", client=self.peer, helo=self.session.host_name)
        if self.in_data:
            self.say(replies.DATA_TIMED_OUT)
        else:
            self.say(replies.AUTH_TIMED_OUT if self.in_exchange else replies.TIMED_OUT)
        self.hang_up()

    def shut_down(self) -> None:
        """Say good-bye if the client is idle; else after the command that is at work."""
        if self._between_commands and self.waiting:
            self.say(replies.SHUTTING_DOWN)
            self.hang_up()

    async def _handle_client(self) -> None:
        try:
            self.say(self.context.greeting)
            await self._converse()
            if self.turn is not None:
                self._turn_round(self.turn)
        except asyncio.CancelledError:
            self.say(replies.SHUTTING_DOWN)
            raise
        finally:
            self._handler_coroutine = None
            self.hang_up()
            await self.reset()
            if self.turn is not None:
                await self.turn.mail.close()

    def _turn_round(self, turn: Turn) -> None:
        """Another task has the connection from now on; here only its end is told."""
        connection = self.pass_on()
        if connection is not None:
            self.turn = None
            self.context.turned.start(serve(self.context, connection, turn), self.peer)

    # -- the conversation -----------------------------------------------------------------------

    async def _converse(self) -> None:
        settings = self.context.settings
        turn = 0
        while not self._ended:
            self._between_commands = True
            line = await self.read_line(settings.command_timeout)
            self._between_commands = False
            if line is None:
                return
            answer = await self._obey(line)
            if answer is not None:
                self.say(answer)
                if self.turn is not None:
                    await self.flush()
                    return
                beyond = self.errors - settings.errors_before_delay
                if answer.is_error and answer.blamed and beyond > 0:
                    delay = settings.error_delay * beyond
                    await self.sleep(min(delay, settings.longest_error_delay))
            if self.context.stopping.is_set() and not self._ended:
                self.say(replies.SHUTTING_DOWN)
            turn += 1
            if turn >= COMMANDS_A_TURN or self.must_flush:
                turn = 0
                await self.flush()
                await asyncio.sleep(0)
            elif not self.grouped:
                await self.flush()

    def say(self, answer: Reply) -> None:
        """The one place where a reply is counted and leaves."""
        if answer.is_error:
            self.context.counters.errors += 1
            self.errors += answer.blamed
            if self.errors > self.context.settings.max_errors and not answer.close:
                log.info("too many errors", client=self.peer, helo=self.session.host_name)
                answer = replies.TOO_MANY_ERRORS
        if answer.close:
            self._ended = True
        self.write(answer.named(self.context.settings.hostname).render())

    async def _obey(self, line: bytes) -> Reply | None:
        try:
            return await self._dispatch(line)
        except SyntaxRefused as refusal:
            return refusal.reply
        except DirectoryUnavailable as error:
            return self.no_directory(error)
        except Exception:
            log.exception("command failed", client=self.peer)
            return self.failed()

    def no_directory(self, error: DirectoryUnavailable) -> Reply:
        """The operator's to mend: without it nobody can say who has a mailbox here."""
        log.error("directory not available", client=self.peer, why=str(error))
        self.failed()
        return replies.NO_DIRECTORY

    def failed(self) -> Reply:
        """What the client is told of an error of ours, which the log has with its traceback."""
        self.context.counters.failures += 1
        return replies.INTERNAL

    async def _dispatch(self, line: bytes) -> Reply | None:
        self.grouped = False
        if not line:
            return replies.LINE_TOO_LONG
        if line[-2:] != b"\r\n" or b"\r" in line[:-2] or b"\0" in line:
            return replies.BAD_LINE
        # White space before CRLF is tolerated (RFC 5321 §4.1.1).
        verb, _, rest = line.rstrip(b" \t\r\n").partition(b" ")
        command = self.context.commands.get(verb.upper())
        self.grouped = command is not None and command.grouped
        if command is None:
            if is_http_request(line[:-2]):
                return replies.NO_WEB_SERVER
            odmr = self.context.settings.odmr
            return replies.NOT_FOR_ODMR if odmr else replies.UNKNOWN_COMMAND
        if len(line) > command.max_line:
            return replies.LINE_TOO_LONG
        if self.needs_tls and not command.in_clear:
            return replies.TLS_REQUIRED
        try:
            argument = rest.lstrip(b" ").decode()
        except UnicodeDecodeError:
            return replies.NOT_UTF8
        if argument and command.no_argument:
            return replies.reply(501, "5.5.4", f"Syntax: {command.syntax}")
        if command.needs_hello and self.session.host_name is None:
            return self.no_hello
        if command.idle:
            self.idle_commands += 1
            if self.idle_commands > self.context.settings.max_idle_commands:
                return replies.TOO_MANY_COMMANDS
            if self.lasts_too_long and self.envelope.mail_from is None:
                return replies.SESSION_TOO_LONG
        return await command.handler(self, argument)

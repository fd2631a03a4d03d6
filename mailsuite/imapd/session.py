"""One IMAP connection: receives commands, keeps the state, answers each command once.

Promises: tagged replies are written in one place; a handler's unexpected exception costs that
command only and never shows its text to the client; EXPUNGE is told only where RFC 3501 §7.4.1
allows it, whatever the handler does; every wait has an end. Never touches the disk.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from mailsuite.base.log import get_logger
from mailsuite.imapd.announcer import News
from mailsuite.imapd.compression import CorruptStream
from mailsuite.imapd.enabled import Enabled
from mailsuite.imapd.namespace import Namespace
from mailsuite.imapd.progress import Progress, Report, no_report
from mailsuite.imapd.reply import HIGHESTMODSEQ, Bad, No, Refusal, Reply, from_store, uid_required
from mailsuite.imapd.row import SIGNED_IN, Row, State
from mailsuite.imapd.syntax import grammar, response
from mailsuite.imapd.syntax.grammar import BadCharset, BadMailboxName, Cursor, SyntaxProblem
from mailsuite.imapd.syntax.model import StoredLiteral
from mailsuite.imapd.syntax.receiver import (
    Chunk,
    Event,
    Hangup,
    Line,
    LiteralAnnounced,
    LiteralData,
    RawLine,
    Receiver,
    Refused,
)
from mailsuite.imapd.view import View
from mailsuite.imapd.waiting import beside, either
from mailsuite.imapd.watch import Watch
from mailsuite.imapd.wire import Wire
from mailsuite.net import Connection
from mailsuite.store import ACTOR, StoreError, StoreUnavailable, TempMessage

if TYPE_CHECKING:
    from mailsuite.imapd.door import Imapd

log = get_logger("imapd")
EARLY_LITERAL = 1 << 12
"""The largest literal before sign-in: a user name or a password."""

CLIENT_FIELDS = ("name", "version", "os", "os-version", "vendor")


class Goodbye(Exception):
    """The session ends with `* BYE` and this text."""


class Session:
    """What handlers work with. `state`, `account`, `store` and `view` tell where it stands."""

    __slots__ = (
        "__weakref__",
        "_deadline",
        "_errors",
        "_row",
        "_store",
        "account",
        "connection",
        "door",
        "enabled",
        "failed_sign_ins",
        "news",
        "receiver",
        "report",
        "state",
        "tag",
        "unfinished",
        "view",
        "wake",
        "watch",
        "wire",
    )

    def __init__(self, door: Imapd, connection: Connection) -> None:
        self.door = door
        self.connection = connection
        self.wire = Wire(connection)
        self.receiver = Receiver(door.settings.limits)
        self.state = State.NOT_AUTHENTICATED
        self.account = ""
        self.view: View | None = None
        self.enabled = Enabled()
        self.failed_sign_ins = 0
        self.unfinished = False
        """A response is half written (a streamed literal, say): nothing else may come now."""
        self.news = News()
        self.wake: Callable[[], object] | None = None
        """Called when there is something to tell that concerns no selected mailbox (IDLE)."""
        self.report: Report = no_report
        """Long commands tell it how far they are."""
        self.watch: Watch | None = None
        """What the client has asked for by NOTIFY."""
        self._deadline = asyncio.get_running_loop().time() + door.settings.login_timeout
        self._store: Namespace | None = None
        self._errors = 0
        self.tag = "*"
        self._row: Row | None = None

    async def run(self) -> None:
        """Serve the client. Ends by LOGOUT, by its hanging up, by a limit, or by cancellation."""
        ACTOR.set(self)
        try:
            self.write(b"* OK [CAPABILITY %b] " % self.capabilities())
            self.write(response.text(f"{self.door.settings.hostname} ready") + b"\r\n")
            while self.state is not State.LOGOUT:
                event = await self._next()
                if event is None:
                    return
                await self._take(event)
            await self.flush()
        except Goodbye as goodbye:
            self.write(b"* BYE " + response.text(str(goodbye)) + b"\r\n")
            self.wire.send()
        except asyncio.CancelledError:
            if not self.unfinished:
                self.write(b"* BYE Server shutting down\r\n")
                self.wire.send()
            raise
        finally:
            self.stop_watching()
            self.deselect()
            for sink in self.receiver.sinks:
                await _discard(sink)

    # -- what comes in --------------------------------------------------------------------------

    @property
    def patience(self) -> float:
        """Seconds that the client has for its next octets; to sign in, it has them all in all."""
        if self.state is State.NOT_AUTHENTICATED:
            return max(self._deadline - asyncio.get_running_loop().time(), 0)
        return self.door.settings.idle_timeout

    async def next_event(self, timeout: float) -> Event | None:
        """What the client sends next; None when it has hung up. Sends first what was written."""
        while (event := self.receiver.next_event()) is None:
            await self.flush()
            try:
                async with asyncio.timeout(timeout):
                    data = await self.wire.read()
            except CorruptStream:
                raise Goodbye("Compressed octets make no sense") from None
            except TimeoutError:
                raise Goodbye("Autologout; idle for too long") from None
            if not data:
                return None
            self.receiver.feed(data)
        return event

    async def _next(self) -> Event | None:
        """What the client sends next; with NOTIFY, what happens meanwhile is told to it."""
        if self.watch is None:
            return await self.next_event(self.patience)
        changed = asyncio.Event()
        async with beside(self.next_event(self.patience)) as event:
            self.on_news(changed.set)
            while not event.done():
                if self.receiver.between_commands:
                    await self.synchronize(may_expunge=self.watch.immediate)
                    await self.flush()
                await either(event, changed)
                changed.clear()
            self.on_news(None)
            return event.result()

    async def _take(self, event: Event) -> None:
        match event:
            case Line():
                await self._command(event.chunks)
            case LiteralAnnounced():
                await self._literal(event)
            case LiteralData(sink=TempMessage() as message):
                await message.write(event.data)
            case Refused():
                for sink in event.sinks:
                    await _discard(sink)
                self._answer(event.tag or "*", Reply(event.text, "", event.condition))
            case Hangup():
                for sink in event.sinks:
                    await _discard(sink)
                raise Goodbye(event.text)
            case _:
                raise TypeError(f"unexpected {type(event).__name__}")

    async def _literal(self, event: LiteralAnnounced) -> None:
        """Grant a literal, or refuse it before its octets come (RFC 9051 §4.3, RFC 7888)."""
        try:
            target = grammar.literal_target(event.chunks, utf8=self.utf8)
            if target is None:
                if self.state is State.NOT_AUTHENTICATED and event.size > EARLY_LITERAL:
                    raise Bad("Literal too large")
                granted = self.receiver.accept()
            else:
                granted = await self._stream(self._row_for(target.command), event)
        except (Refusal, StoreError) as error:
            reply = (
                error.reply if isinstance(error, Refusal) else from_store(error, try_create=True)
            )
            code = f"[{reply.code}] " if reply.code else ""
            self.receiver.refuse(reply.condition, code + reply.text)
            return
        if granted and event.synchronizing:
            self.write(b"+ OK\r\n")
            await self.flush()

    async def _stream(self, row: Row, event: LiteralAnnounced) -> bool:
        if row.admit is None:
            raise Bad("No literal expected")
        if self.view is not None and row.states is State.SELECTED:
            self._check_rights(row, self.view)
        sink = await row.admit(self, event)
        granted = self.receiver.stream(sink)
        if not granted:
            await _discard(sink)
        return granted

    # -- commands -------------------------------------------------------------------------------

    async def _command(self, chunks: Sequence[Chunk]) -> None:
        try:
            self.tag, name, cursor = grammar.command_head(chunks, utf8=self.utf8)
        except SyntaxProblem as problem:
            self._answer(grammar.tag_of(chunks) or "*", Reply(str(problem), "", "BAD"))
            return
        try:
            reply = await self._perform(name, cursor)
        finally:
            for chunk in chunks:
                if isinstance(chunk, StoredLiteral):
                    await _discard(chunk.sink)
        if self.unfinished:
            # An answer among a literal's octets would be taken for them, and kept by the client.
            self.connection.abort()
            raise ConnectionAbortedError("the answer broke off")
        if reply is not None:
            if reply.condition != "BAD":
                numbered = self._row is not None and self._row.uses_numbers
                immediate = self.watch is not None and self.watch.immediate
                await self.synchronize(may_expunge=immediate or not numbered)
            text = reply.text or f"{name} completed"
            self._answer(self.tag, Reply(text, self._code(reply), reply.condition))
        await self.flush()

    def _code(self, reply: Reply) -> str:
        """The reply's response code.

        While expunges wait to be told, a client that remembers mod-sequences must not go by those
        it has just seen, which may be greater (RFC 7162 §6).
        """
        view = self.view
        wanted = reply.code == HIGHESTMODSEQ
        if view is None or not self.enabled.condstore:
            return "" if wanted else reply.code
        if wanted or (not reply.code and reply.condition == "OK" and view.behind):
            return f"{HIGHESTMODSEQ} {view.told}"
        return reply.code

    async def _perform(self, name: str, cursor: Cursor) -> Reply | None:
        """Run the command's handler; whatever happens becomes a reply."""
        self._row = None
        try:
            row = self._row = self._row_for(name)
            if row.takes_numbers and self.enabled.uid_only:
                raise uid_required()
            arguments = grammar.parse(row.parser, cursor)
            if self.view is not None and row.states is State.SELECTED:
                self._check_rights(row, self.view)
            return await self._run(row, arguments)
        except Refusal as refusal:
            return refusal.reply
        except SyntaxProblem as problem:
            return Reply(str(problem), "", "BAD")
        except BadMailboxName as problem:
            return Reply(str(problem), "CANNOT", "NO")
        except BadCharset as problem:
            charsets = " ".join(problem.supported)
            return Reply("Charset is not known", f"BADCHARSET ({charsets})", "NO")
        except StoreError as error:
            if isinstance(error, StoreUnavailable):
                log.error("store unavailable", command=name, account=self.account, why=str(error))
            return from_store(error, try_create=self._row is not None and self._row.try_create)
        except (ConnectionError, ssl.SSLError, Goodbye):
            raise
        except Exception:
            log.exception("command failed", command=name, account=self.account)
            return Reply("Internal error", "SERVERBUG", "NO")

    async def _run(self, row: Row, arguments: tuple[object, ...]) -> Reply | None:
        if not row.long:
            return await row.handler(self, *arguments)
        with Progress(self.tag, self.door.settings.progress, self._interject) as progress:
            self.report = progress.at
            try:
                return await row.handler(self, *arguments)
            finally:
                self.report = no_report

    def _interject(self, line: bytes) -> None:
        """An untagged response that says nothing of the mailbox: sent at once, if it may be."""
        if not self.unfinished:
            self.write(line)
            self.wire.send()

    def _row_for(self, name: str) -> Row:
        """The command's row. Raises Bad if there is none or the state does not allow it."""
        row = self.door.commands.get(name)
        if row is None:
            raise Bad("Unknown command")
        if not row.states & self.state:
            if self.state is State.NOT_AUTHENTICATED:
                raise Bad("Sign in first")
            if self.state is State.AUTHENTICATED and row.states is State.SELECTED:
                raise Bad("No mailbox is selected")
            raise Bad("Not allowed in this state")
        return row

    def _check_rights(self, row: Row, view: View) -> None:
        """May the selected mailbox be read, and changed if the command would? Raises No."""
        rights = view.rights
        self._still_readable(view)
        if row.writes and view.read_only:
            raise No("Mailbox is selected read-only", "READ-ONLY")
        if not rights.issuperset(row.rights):
            raise No("You have not the right to do this", "NOPERM")

    @staticmethod
    def _still_readable(view: View) -> None:
        if "r" not in view.rights:
            # RFC 4314 §5.1.1: most clients are at a loss with NO to everything.
            raise Goodbye("You may no longer read the selected mailbox")

    async def synchronize(self, *, may_expunge: bool) -> None:
        """Tell what has happened, in the selected mailbox and, after NOTIFY, elsewhere."""
        self.write_all(self.news.take(utf8=self.utf8))
        view, arrived = self.view, range(0)
        if view is not None:
            if view.deleted:
                raise Goodbye("The selected mailbox has been deleted")
            self._still_readable(view)
            arriving = view.arriving
            self.write_all(view.sync(may_expunge))
            arrived = range(view.exists - arriving, view.exists)
        if self.watch is not None:
            await self.door.tell_watched(self, self.watch, arrived)
        if view is not None:  # after EXISTS and FETCH (RFC 5465 §7)
            for context in list(view.contexts.values()):
                self.write_all(await context.updates(self))

    def _answer(self, tag: str, reply: Reply) -> None:
        """The one place where commands are answered, and errors counted."""
        self.write(self._tagged(tag, reply))
        if reply.condition == "OK":
            self._errors = 0
        elif reply.condition == "BAD":
            self._errors += 1
            if self._errors >= self.door.settings.errors:
                raise Goodbye("Too many errors")

    @staticmethod
    def _tagged(tag: str, reply: Reply) -> bytes:
        code = f"[{reply.code}] " if reply.code else ""
        return f"{tag} {reply.condition} {code}".encode() + response.text(reply.text) + b"\r\n"

    def enable_condstore(self) -> None:
        """The client has shown that it knows mod-sequences (RFC 7162 §3.1)."""
        if not self.enabled.condstore:
            self.enabled.add("CONDSTORE")
            if self.view is not None:
                self.write(b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % self.view.told)

    # -- what goes out --------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Add octets to the answer. Follow big or many writes with `flush`."""
        self.wire.write(data)

    def write_all(self, chunks: Iterable[bytes]) -> None:
        """Add several pieces."""
        for chunk in chunks:
            self.write(chunk)

    async def flush(self) -> None:
        """Send what was written and wait while the client does not read.

        Raises ConnectionError when it is gone or has stopped reading.
        """
        await self.wire.flush(self.door.settings.write_timeout)

    async def breathe(self) -> None:
        """Send, and let other sessions have their turn: between the slices of long work."""
        await self.flush()
        await asyncio.sleep(0)

    async def read_line(self, timeout: float) -> bytes:
        """A line that is no command (AUTHENTICATE, IDLE). Raises Bad when it is too long."""
        self.receiver.expect_line()
        event = await self.next_event(timeout)
        match event:
            case None:
                raise ConnectionResetError("client has gone")
            case Refused():
                raise Bad(event.text)
            case Hangup():
                raise Goodbye(event.text)
            case RawLine():
                return event.data
            case _:
                raise TypeError(f"unexpected {type(event).__name__}")

    # -- states (RFC 3501 §3) -------------------------------------------------------------------

    @property
    def signed_in(self) -> bool:
        """It has an account."""
        return bool(self.state & SIGNED_IN)

    @property
    def secure(self) -> bool:
        """Passwords may cross this connection."""
        return self.connection.tls or (
            self.door.settings.allow_plain_auth and _is_loopback(self.connection.peer)
        )

    @property
    def utf8(self) -> bool:
        """Mailbox names go out as UTF-8 (RFC 6855, RFC 9051 §5.1)."""
        return self.enabled.utf8

    @property
    def store(self) -> Namespace:
        """All mailboxes that it can name; only in rows that ask for a signed-in state."""
        if self._store is None:
            raise Bad("Sign in first")
        return self._store

    @property
    def selected(self) -> View:
        """The selected mailbox; only in rows that ask for the selected state."""
        if self.view is None:
            raise Bad("No mailbox is selected")
        return self.view

    def capabilities(self) -> bytes:
        """What is announced now, in the table's order."""
        return " ".join([c.shown(self) for c in self.door.capabilities if c.when(self)]).encode()

    def is_own(self, user: str | None, host: str) -> bool:
        """Does `imap://user@host/` mean this account on this server?"""
        own, host = self.account.lower(), host.lower()
        domain = own.rpartition("@")[2]
        who = own if user is None else user.lower()
        here = host in (domain, self.door.settings.hostname.lower())
        return here and (who == own or (host == domain and f"{who}@{host}" == own))

    def note_client(self, fields: dict[str, str]) -> None:
        """Log what the client says of itself (RFC 2971)."""
        log.info(
            "client",
            account=self.account,
            peer=self.connection.peer,
            client={name: value[:100] for name, value in fields.items() if name in CLIENT_FIELDS},
        )

    async def sign_in(self, account: str) -> None:
        """Go over to the authenticated state."""
        own = await self.door.store.account(account)
        self._store = Namespace(own, self.door.store, self.door.directory)
        self.account = account
        self.state = State.AUTHENTICATED
        log.info("signed in", account=account, peer=self.connection.peer, tls=self.connection.tls)

    def select(self, view: View) -> None:
        """Go over to the selected state."""
        self.view = view
        self.state = State.SELECTED
        view.wanted = self._wanted
        self.door.announcer.join(self)

    @property
    def _wanted(self) -> frozenset[str] | None:
        return None if self.watch is None else frozenset(self.watch.selected.events)

    def start_watching(self, watch: Watch) -> None:
        """From now on only what it says is told (RFC 5465)."""
        self.stop_watching()
        self.watch = watch
        if self.view is not None:
            self.view.wanted = self._wanted

    def stop_watching(self) -> None:
        """Everything is told as if there had been no NOTIFY."""
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.stop()
        if self.view is not None:
            self.view.wanted = None

    def on_news(self, call: Callable[[], None] | None) -> None:
        """Have `call` called when there is something to tell, in or outside the mailbox."""
        self.wake = call
        if self.view is not None:
            self.view.wake = call

    def deselect(self) -> None:
        """Leave the selected mailbox, if there is one."""
        view, self.view = self.view, None
        if view is not None:
            view.close()
            if self.state is State.SELECTED:
                self.state = State.AUTHENTICATED

    def sign_out(self) -> None:
        """Answer OK and be as a new session over the same connection (RFC 8437 §3, §4.1)."""
        log.info("signed out", account=self.account, peer=self.connection.peer)
        self.stop_watching()
        self.deselect()
        self.state = State.NOT_AUTHENTICATED
        self.account = ""
        self._store = None
        self.enabled = Enabled()
        self.news = News()
        self._deadline = asyncio.get_running_loop().time() + self.door.settings.login_timeout
        self._answer(self.tag, Reply("Signed out"))
        self.wire.end_compression()

    def start_compression(self) -> None:
        """Answer OK, uncompressed, and compress what comes after it (RFC 4978 §3)."""
        self._answer(self.tag, Reply("DEFLATE active"))
        self.wire.compress(self.receiver.take_pending())

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Answer OK and go over to TLS; what the client sent after the command is discarded."""
        self.wire.send()
        await self.connection.start_tls(
            context, self._tagged(self.tag, Reply("Begin TLS negotiation now"))
        )
        self.receiver.reset()


async def _discard(sink: object) -> None:
    if isinstance(sink, TempMessage):
        await sink.discard()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False

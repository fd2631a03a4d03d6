"""One IMAP connection: its state, what comes in, what goes out; what a handler works with.

Promises: tagged replies are written in one place; every wait has an end. Never touches the disk.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mailsuite.base.log import get_logger
from mailsuite.imapd.announcer import News
from mailsuite.imapd.compression import CorruptStream
from mailsuite.imapd.enabled import Enabled
from mailsuite.imapd.namespace import Namespace
from mailsuite.imapd.progress import Report, no_report
from mailsuite.imapd.reply import Bad, Reply
from mailsuite.imapd.row import SIGNED_IN, State
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.receiver import (
    Event,
    Hangup,
    RawLine,
    Receiver,
    Refused,
)
from mailsuite.imapd.view import View
from mailsuite.imapd.watch import Watch
from mailsuite.imapd.wire import Wire
from mailsuite.net import Connection
from mailsuite.signin import Client

if TYPE_CHECKING:
    from mailsuite.imapd.contexts import Update
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

    @staticmethod
    def still_readable(view: View) -> None:
        if "r" not in view.rights:
            # RFC 4314 §5.1.1: most clients are at a loss with NO to everything.
            raise Goodbye("You may no longer read the selected mailbox")

    async def synchronize(self, *, may_expunge: bool, by_uid: bool = False) -> None:
        """Tell what has happened, in the selected mailbox and, after NOTIFY, elsewhere."""
        view, arrived = self.view, list[int]()
        updates: list[Update] = []
        if self.news.waiting:
            self.write_all(self.news.take(utf8=self.utf8))
        if self.watch is None and (view is None or view.is_synced):
            if view is not None:
                view.own_new.clear()
            return
        if view is not None:
            if view.deleted:
                raise Goodbye("The selected mailbox has been deleted")
            self.still_readable(view)
            arriving = view.arriving
            self.write_all(view.sync(may_expunge, by_uid=by_uid))
            while view.has_more:
                await self.breathe()
                self.write_all(view.more_flags(by_uid=by_uid))
            places = range(view.exists - arriving, view.exists)
            arrived = [place for place in places if view.uids[place] not in view.own_new]
            view.own_new.clear()
            updates = [await each.updates(self) for each in list(view.contexts.values())]
        await self.door.tell_watched(self, arrived, updates)
        for update in updates:  # after EXISTS and FETCH (RFC 5465 §7)
            self.write_all(update.lines)

    def answer(self, tag: str, reply: Reply, text: str = "") -> None:
        """The one place where commands are answered, and errors counted.

        `text`: what to say where the reply says nothing.
        """
        self.write(self._tagged(tag, reply, text))
        if reply.condition == "OK":
            self._errors = 0
        elif reply.condition == "BAD":
            self._errors += 1
            if self._errors >= self.door.settings.errors:
                raise Goodbye("Too many errors")

    @staticmethod
    def _tagged(tag: str, reply: Reply, text: str = "") -> bytes:
        code = f"[{reply.code}] " if reply.code else ""
        said = response.text(reply.text or text)
        return b"%b%b\r\n" % (f"{tag} {reply.condition} {code}".encode(), said)

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
        self.wire.write_all(chunks)

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
    def client(self) -> Client:
        """Who it is, for the sign-in room."""
        connection = self.connection
        tls = connection.ssl_object if connection.tls else None
        return Client("imap", connection.peer, self.secure, tls)

    @property
    def utf8(self) -> bool:
        """Mailbox names go out as UTF-8 (RFC 9755, RFC 9051 §5.1)."""
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

    def select(self, view: View) -> None:
        """Go over to the selected state."""
        self.view = view
        self.state = State.SELECTED
        view.wanted = self._wanted
        self.door.announcer.join(self)

    async def note_own(self, name: str, uids: Iterable[int]) -> None:
        """The client itself has put these messages there: it asks for what it wants of them.

        NOTIFY tells them by EXISTS only (RFC 5465 §5.2).
        """
        view = self.view
        if view is not None and self.watch is not None:
            place = await self.store.place(name)
            if place.store is view.mailbox.account and place.name == view.mailbox.name:
                view.own_new.update(uids)

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
        self.answer(self.tag, Reply("Signed out"))
        self.wire.end_compression()

    def start_compression(self) -> None:
        """Answer OK, uncompressed, and compress what comes after it (RFC 4978 §3)."""
        self.answer(self.tag, Reply("DEFLATE active"))
        self.wire.compress(self.receiver.take_pending())

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Answer OK and go over to TLS; what the client sent after the command is discarded."""
        self.wire.send()
        await self.connection.start_tls(
            context, self._tagged(self.tag, Reply("Begin TLS negotiation now"))
        )
        self.receiver.reset()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False

"""One IMAP connection's commands: received, checked against the table, run, answered once.

Promises: a handler's unexpected exception costs that command only and never shows its text to the
client; EXPUNGE is told only where RFC 3501 §7.4.1 allows it, whatever the handler does; a literal
is granted only after the command has been looked at as far as it has come.
"""

from __future__ import annotations

import asyncio
import ssl
from array import array
from collections.abc import Sequence
from dataclasses import replace

from mailsuite.base.log import get_logger
from mailsuite.imapd.progress import Progress, no_report
from mailsuite.imapd.reply import HIGHESTMODSEQ, Bad, No, Refusal, Reply, from_store, uid_required
from mailsuite.imapd.row import Row, State
from mailsuite.imapd.session import Goodbye, Session
from mailsuite.imapd.syntax import grammar, response
from mailsuite.imapd.syntax.grammar import BadCharset, BadMailboxName, Cursor, SyntaxProblem
from mailsuite.imapd.syntax.model import SearchArguments, StoredLiteral
from mailsuite.imapd.syntax.receiver import (
    Chunk,
    Event,
    Hangup,
    Line,
    LiteralAnnounced,
    LiteralData,
    Refused,
)
from mailsuite.imapd.syntax.search_keys import has_numbers
from mailsuite.imapd.view import View
from mailsuite.imapd.waiting import beside, either
from mailsuite.net import is_http_request
from mailsuite.store import ACTOR, StoreError, StoreUnavailable, TempMessage

log = get_logger("imapd")
EARLY_LITERAL = 1 << 12
"""The largest literal before sign-in: a user name or a password."""
SLICE = 0.005
"""Seconds of pipelined commands before other sessions get their turn."""


class Dispatch:
    """Runs one session."""

    __slots__ = ("_numbered", "_row", "_session", "_slice")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._row: Row | None = None
        self._numbered = False
        """The client may have message numbers in mind: none may change (RFC 3501 §7.4.1)."""
        self._slice = 0.0
        """The loop's time up to which answers to pipelined commands may be gathered."""

    async def run(self) -> None:
        """Serve the client. Ends by LOGOUT, by its hanging up, by a limit, or by cancellation."""
        session = self._session
        ACTOR.set(session)
        try:
            session.write(b"* OK [CAPABILITY %b] " % session.capabilities())
            session.write(response.text(f"{session.door.settings.hostname} ready") + b"\r\n")
            while session.state is not State.LOGOUT:
                event = await self._next()
                if event is None:
                    return
                await self._take(event)
            await session.flush()
        except Goodbye as goodbye:
            session.write(b"* BYE " + response.text(str(goodbye)) + b"\r\n")
            session.wire.send()
        except asyncio.CancelledError:
            if not session.unfinished:
                session.write(b"* BYE Server shutting down\r\n")
                session.wire.send()
            raise
        finally:
            session.stop_watching()
            session.deselect()
            for sink in session.receiver.sinks:
                await discard(sink)

    async def _next(self) -> Event | None:
        """What the client sends next; with NOTIFY, what happens meanwhile is told to it."""
        session = self._session
        if session.watch is None:
            return await session.next_event(session.patience)
        changed = asyncio.Event()
        async with beside(session.next_event(session.patience)) as event:
            session.on_news(changed.set)
            while not event.done():
                if session.receiver.between_commands:
                    await session.synchronize(may_expunge=session.watch.immediate)
                    await session.flush()
                await either(event, changed)
                changed.clear()
            session.on_news(None)
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
                    await discard(sink)
                self._session.answer(event.tag or "*", Reply(event.text, "", event.condition))
            case Hangup():
                for sink in event.sinks:
                    await discard(sink)
                raise Goodbye(event.text)
            case _:
                raise TypeError(f"unexpected {type(event).__name__}")

    async def _literal(self, event: LiteralAnnounced) -> None:
        """Grant a literal, or refuse it before its octets come (RFC 9051 §4.3, RFC 7888)."""
        session = self._session
        try:
            target = grammar.literal_target(event.chunks, utf8=session.utf8)
            if target is None:
                self._check_takes_literal(event.chunks)
                if session.state is State.NOT_AUTHENTICATED and event.size > EARLY_LITERAL:
                    raise Bad("Literal too large")
                granted = session.receiver.accept()
            else:
                granted = await self._stream(self._row_for(target.command), event)
        except (Refusal, StoreError) as error:
            reply = (
                error.reply if isinstance(error, Refusal) else from_store(error, try_create=True)
            )
            code = f"[{reply.code}] " if reply.code else ""
            session.receiver.refuse(reply.condition, code + reply.text)
            return
        if granted and event.synchronizing:
            session.write(b"+ OK\r\n")
            await session.flush()

    def _check_takes_literal(self, chunks: Sequence[Chunk]) -> None:
        """Raises Bad where no octets can make a command of it (RFC 9051 §2.2.1, §7.6)."""
        try:
            _, name, cursor = grammar.command_head(chunks, utf8=self._session.utf8)
            grammar.check_before_literal(self._row_for(name).parser, cursor)
        except SyntaxProblem as problem:
            raise Bad(str(problem)) from None

    async def _stream(self, row: Row, event: LiteralAnnounced) -> bool:
        session = self._session
        if row.admit is None:
            raise Bad("No literal expected")
        if session.view is not None and row.states is State.SELECTED:
            self._check_rights(row, session.view)
        sink = await row.admit(session, event)
        granted = session.receiver.stream(sink)
        if not granted:
            await discard(sink)
        return granted

    # -- commands -------------------------------------------------------------------------------

    async def _command(self, chunks: Sequence[Chunk]) -> None:
        session = self._session
        if session.state is State.NOT_AUTHENTICATED and _is_http(chunks):
            raise Goodbye("This is an IMAP server")
        try:
            session.tag, name, cursor = grammar.command_head(chunks, utf8=session.utf8, whole=True)
        except SyntaxProblem as problem:
            session.answer(grammar.tag_of(chunks) or "*", Reply(str(problem), "", "BAD"))
            return
        try:
            reply = await self._perform(name, cursor)
        finally:
            for chunk in chunks:
                if isinstance(chunk, StoredLiteral):
                    await discard(chunk.sink)
        if session.unfinished:
            # An answer among a literal's octets would be taken for them, and kept by the client.
            session.connection.abort()
            raise ConnectionAbortedError("the answer broke off")
        if reply is not None:
            if reply.condition != "BAD":
                immediate = session.watch is not None and session.watch.immediate
                may_expunge = immediate or not self._numbered
                by_uid = name.startswith("UID ")
                await session.synchronize(may_expunge=may_expunge, by_uid=by_uid)
            if (code := self._code(reply)) != reply.code:
                reply = replace(reply, code=code)
            session.answer(session.tag, reply, f"{name} completed")
        await self._send()

    async def _send(self) -> None:
        """Send the answer; with those of commands that are here already, if these are quick."""
        session, loop = self._session, asyncio.get_running_loop()
        if not session.receiver.pending:
            self._slice = 0.0
            await session.flush()
            return
        if not self._slice:
            self._slice = loop.time() + SLICE
        if loop.time() < self._slice:
            session.wire.send_soon()
        else:
            self._slice = 0.0
            await session.breathe()

    def _code(self, reply: Reply) -> str:
        """The reply's response code.

        While changes wait to be told, a client that remembers mod-sequences must not go by those
        it has just seen, which may be greater (RFC 7162 §6).
        """
        view = self._session.view
        wanted = reply.code == HIGHESTMODSEQ
        if view is None or not self._session.enabled.condstore:
            return "" if wanted else reply.code
        if wanted or (not reply.code and reply.condition == "OK" and view.behind):
            return f"{HIGHESTMODSEQ} {view.told}"
        if view.behind:
            self._session.write(b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % view.told)
        return reply.code

    async def _perform(self, name: str, cursor: Cursor) -> Reply | None:
        """Run the command's handler; whatever happens becomes a reply."""
        session = self._session
        self._row, self._numbered = None, False
        try:
            row = self._row = self._row_for(name)
            self._numbered = row.uses_numbers
            if row.takes_numbers and session.enabled.uid_only:
                raise uid_required()
            arguments = grammar.parse(row.parser, cursor)
            self._numbered = row.uses_numbers or _searches_numbers(arguments)
            if session.view is not None and row.states is State.SELECTED:
                self._check_rights(row, session.view)
                if name.startswith("UID ") and session.watch is None:
                    session.write_all(session.view.before_uids())
            return await self._run(row, arguments)
        except Refusal as refusal:
            return refusal.reply
        except SyntaxProblem as problem:
            return Reply(str(problem), "", "BAD")
        except BadMailboxName as problem:
            return Reply(str(problem), "CANNOT", "NO")
        except BadCharset as problem:
            if problem.saving and session.view is not None:
                # A search that fails leaves nothing (RFC 5182 §2.1).
                session.view.saved = array("I")
            charsets = " ".join(problem.supported)
            return Reply("Charset is not known", f"BADCHARSET ({charsets})", "NO")
        except StoreError as error:
            if isinstance(error, StoreUnavailable):
                log.error(
                    "store unavailable", command=name, account=session.account, why=str(error)
                )
            return from_store(error, try_create=self._row is not None and self._row.try_create)
        except (ConnectionError, ssl.SSLError, Goodbye):
            raise
        except Exception:
            log.exception("command failed", command=name, account=session.account)
            return Reply("Internal error", "SERVERBUG", "NO")

    async def _run(self, row: Row, arguments: tuple[object, ...]) -> Reply | None:
        session = self._session
        if not row.long:
            return await row.handler(session, *arguments)
        with Progress(session.tag, session.door.settings.progress, self._interject) as progress:
            session.report = progress.at
            try:
                return await row.handler(session, *arguments)
            finally:
                session.report = no_report

    def _interject(self, line: bytes) -> None:
        """An untagged response that says nothing of the mailbox: sent at once, if it may be."""
        session = self._session
        if not session.unfinished:
            session.write(line)
            session.wire.send()

    def _row_for(self, name: str) -> Row:
        """The command's row. Raises Bad if there is none or the state does not allow it."""
        session = self._session
        row = session.door.commands.get(name)
        if row is None:
            raise Bad("Unknown command")
        if not int.__and__(row.states, session.state):  # Flag's own takes a microsecond
            if session.state is State.NOT_AUTHENTICATED:
                raise Bad("Sign in first")
            if session.state is State.AUTHENTICATED and row.states is State.SELECTED:
                raise Bad("No mailbox is selected")
            raise Bad("Not allowed in this state")
        return row

    def _check_rights(self, row: Row, view: View) -> None:
        """May the selected mailbox be read, and changed if the command would? Raises No."""
        rights = view.rights
        self._session.still_readable(view)
        if row.writes and view.read_only:
            raise No("Mailbox is selected read-only", "READ-ONLY")
        if not rights.issuperset(row.rights):
            raise No("You have not the right to do this", "NOPERM")


def _searches_numbers(arguments: tuple[object, ...]) -> bool:
    """There are message numbers in the program of a UID SEARCH or its like (RFC 7162 §3.2.10.2)."""
    return any(isinstance(one, SearchArguments) and has_numbers(one.key) for one in arguments)


def _is_http(chunks: Sequence[Chunk]) -> bool:
    return isinstance(chunks[0], bytes) and is_http_request(chunks[0])


async def discard(sink: object) -> None:
    """Throw the octets of a streamed literal away."""
    if isinstance(sink, TempMessage):
        await sink.discard()

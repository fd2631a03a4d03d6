"""IDLE (RFC 2177): changes are told as they happen, until the client says DONE."""

from __future__ import annotations

import asyncio

from mailsuite.imapd.commands.general import look
from mailsuite.imapd.reply import OK, Bad, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import grammar
from mailsuite.imapd.waiting import beside, either


async def idle(session: Session) -> Reply:
    settings = session.door.settings
    session.write(b"+ idling\r\n")
    changed = asyncio.Event()
    async with beside(session.read_line(session.patience)) as line:
        session.on_news(changed.set)
        try:
            while not line.done():
                changed.clear()
                await session.synchronize(may_expunge=True)
                await session.flush()
                await either(line, changed, settings.keep_alive)
                if not changed.is_set() and not line.done():
                    # Keeps the connection open through routers that forget quiet ones.
                    session.write(b"* OK Still here\r\n")
                    await look(session)
        finally:
            session.on_news(None)
            session.receiver.expect_command()  # also where it fails before the client ends it
        return _ended(session, line.result())


def _ended(session: Session, line: bytes) -> Reply:
    if line.strip().upper() == b"DONE":
        return OK
    try:
        grammar.command_head([line])
    except grammar.SyntaxProblem:
        pass
    else:
        # Some clients send their next command without DONE: it gets its answer.
        session.receiver.unread(line)
    raise Bad("Expected DONE")

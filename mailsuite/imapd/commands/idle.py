"""IDLE (RFC 2177): changes are told as they happen, until the client says DONE."""

from __future__ import annotations

import asyncio
from typing import Any

from mailsuite.imapd.reply import OK, Bad, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import grammar


async def idle(session: Session) -> Reply:
    settings = session.door.settings
    session.write(b"+ idling\r\n")
    line = asyncio.ensure_future(session.read_line(session.patience))
    changed = asyncio.Event()
    session.wake = changed.set
    if session.view is not None:
        session.view.wake = changed.set
    try:
        while not line.done():
            changed.clear()
            await session.synchronize(may_expunge=True)
            await session.flush()
            await _either(line, changed, settings.keep_alive)
            if not changed.is_set() and not line.done():
                # Keeps the connection open through routers that forget quiet ones.
                session.write(b"* OK Still here\r\n")
                if session.view is not None:
                    await session.view.refresh()
        return _ended(session, line.result())
    finally:
        line.cancel()
        await asyncio.wait([line])
        if not line.cancelled():
            line.exception()  # asked for, so that it is not reported as overlooked
        session.wake = None
        if session.view is not None:
            session.view.wake = None


async def _either(line: asyncio.Future[bytes], changed: asyncio.Event, timeout: float) -> None:
    """Wait for a line, a change, or the end of the time."""
    change = asyncio.ensure_future(changed.wait())
    waits: list[asyncio.Future[Any]] = [line, change]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        change.cancel()


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

"""THREAD and UID THREAD (RFC 5256)."""

from __future__ import annotations

from mailsuite.imapd import modseq, results
from mailsuite.imapd.reply import OK, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import SearchArguments
from mailsuite.imapd.thread_tree import rendered


async def thread(session: Session, algorithm: str, arguments: SearchArguments) -> Reply:
    return await _thread(session, algorithm, arguments, by_uid=False)


async def uid_thread(session: Session, algorithm: str, arguments: SearchArguments) -> Reply:
    return await _thread(session, algorithm, arguments, by_uid=True)


async def _thread(
    session: Session, algorithm: str, arguments: SearchArguments, *, by_uid: bool
) -> Reply:
    view = session.selected
    results.check_charset(session, arguments, needed=True)
    _, found = await results.search(session, arguments)
    if modseq.asked(arguments.key):
        session.enable_condstore()
    cache = session.door.sort_cache
    shape = await cache.threaded(view, algorithm, found, session.report)
    numbers = view.uids if by_uid else range(1, view.exists + 1)
    session.unfinished = True
    session.write(b"* THREAD")
    if shape:
        session.write(b" ")
        for piece in rendered(shape, numbers):
            session.write(piece)
            await session.breathe()
    session.write(b"\r\n")
    session.unfinished = False
    return OK

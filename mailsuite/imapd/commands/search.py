"""SEARCH and UID SEARCH (RFC 3501 §6.4.4), ESEARCH (RFC 4731), PARTIAL (RFC 9394), relevancy scores
(RFC 6203).
"""

from __future__ import annotations

import dataclasses

from mailsuite.imapd import positions, results
from mailsuite.imapd.reply import Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import SearchArguments


async def search(session: Session, arguments: SearchArguments) -> Reply:
    return await _search(session, arguments, by_uid=False)


async def uid_search(session: Session, arguments: SearchArguments) -> Reply:
    return await _search(session, arguments, by_uid=True)


async def _search(session: Session, arguments: SearchArguments, *, by_uid: bool) -> Reply:
    if arguments.returns is None and session.enabled.rev2:  # RFC 9051 §6.4.4
        arguments = dataclasses.replace(arguments, returns=frozenset({"ALL"}))
    found, inside = await results.search(session, arguments)
    places = positions.listed(inside)
    return await results.answer(session, arguments, found, places, by_uid=by_uid)

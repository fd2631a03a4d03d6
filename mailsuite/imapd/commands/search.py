"""SEARCH and UID SEARCH (RFC 3501 §6.4.4), ESEARCH (RFC 4731), PARTIAL (RFC 9394), relevancy scores
(RFC 6203); CANCELUPDATE (RFC 5267).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mailsuite.imapd import positions, results
from mailsuite.imapd.positions import Positions
from mailsuite.imapd.reply import OK, Bad, Reply
from mailsuite.imapd.search import Search
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import SearchArguments


async def search(session: Session, arguments: SearchArguments) -> Reply:
    return await _search(session, arguments, by_uid=False)


async def uid_search(session: Session, arguments: SearchArguments) -> Reply:
    return await _search(session, arguments, by_uid=True)


async def _search(session: Session, arguments: SearchArguments, *, by_uid: bool) -> Reply:
    results.check_charset(session, arguments)
    if arguments.returns is None and session.enabled.rev2:  # RFC 9051 §6.4.4
        arguments = dataclasses.replace(arguments, returns=frozenset({"ALL"}))
    return await results.run(session, arguments, _ascending, by_uid=by_uid)


async def _ascending(search: Search, found: Positions) -> Sequence[int]:
    return positions.listed(found)


async def cancel_update(session: Session, tags: tuple[str, ...]) -> Reply:
    """No more notices for these searches (RFC 5267 §4.3.5): for all of them, or for none."""
    contexts = session.selected.contexts
    if any(tag not in contexts for tag in tags):
        raise Bad("No search with this tag is kept up to date")
    for tag in tags:
        contexts.pop(tag, None)
    return OK

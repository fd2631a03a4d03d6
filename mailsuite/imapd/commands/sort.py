"""SORT and UID SORT (RFC 5256), with return options (ESORT, RFC 5267), by display names (RFC 5957)
and by relevancy (RFC 6203 §5).
"""

from __future__ import annotations

from collections.abc import Sequence

from mailsuite.imapd import positions, results
from mailsuite.imapd.reply import Reply
from mailsuite.imapd.search import Search
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import SearchArguments


async def sort(session: Session, arguments: SearchArguments) -> Reply:
    return await _sort(session, arguments, by_uid=False)


async def uid_sort(session: Session, arguments: SearchArguments) -> Reply:
    return await _sort(session, arguments, by_uid=True)


async def _sort(session: Session, arguments: SearchArguments, *, by_uid: bool) -> Reply:
    found, inside = await results.search(session, arguments)
    places = await in_order(session, found, arguments, inside)
    return await results.answer(session, arguments, found, places, by_uid=by_uid)


async def in_order(
    session: Session, search: Search, arguments: SearchArguments, found: positions.Positions
) -> Sequence[int]:
    """The positions found, as the criteria say."""
    own: dict[str, list[int]] = {}
    if any(one.key == "RELEVANCY" for one in arguments.criteria):
        # The most relevant first. Scores belong to this search, not to the mailbox.
        own["RELEVANCY"] = [-search.relevancy(place) for place in range(len(found))]
    return await session.door.sort_cache.sorted(
        session.selected, arguments.criteria, found, session.report, own
    )

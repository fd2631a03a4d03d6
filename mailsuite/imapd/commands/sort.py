"""SORT and UID SORT (RFC 5256), with return options (ESORT, RFC 5267), by display names (RFC 5957)
and by relevancy (RFC 6203 §5).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mailsuite.imapd import results
from mailsuite.imapd.positions import Positions
from mailsuite.imapd.reply import Reply
from mailsuite.imapd.search import Search
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import SearchArguments


async def sort(session: Session, arguments: SearchArguments) -> Reply:
    return await _sort(session, arguments, by_uid=False)


async def uid_sort(session: Session, arguments: SearchArguments) -> Reply:
    return await _sort(session, arguments, by_uid=True)


async def _sort(session: Session, arguments: SearchArguments, *, by_uid: bool) -> Reply:
    results.check_charset(session, arguments, needed=True)
    criteria = arguments.criteria

    async def order(search: Search, found: Positions) -> Sequence[int]:
        own: dict[str, Sequence[int]] = {}
        if any(one.key == "RELEVANCY" for one in criteria):
            # Scores belong to this search, not to the mailbox.
            own["RELEVANCY"] = await session.door.threads.compute(_relevancy, search, len(found))
        cache = session.door.sort_cache
        return await cache.sorted(session.selected, criteria, found, session.report, own)

    return await results.run(session, arguments, order, by_uid=by_uid)


def _relevancy(search: Search, count: int) -> array[int]:
    """The column by which the most relevant come first."""
    return array("b", (-search.relevancy(place) for place in range(count)))

"""SEARCH and UID SEARCH (RFC 3501 §6.4.4), ESEARCH (RFC 4731), the saved result (RFC 5182),
relevancy scores (RFC 6203).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

from mailsuite.imapd.reply import OK, No, Reply
from mailsuite.imapd.search import Search
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import SearchArguments
from mailsuite.store import StoreError

SLICE = 5000
"""Numbers rendered before other sessions get their turn."""


async def search(session: Session, arguments: SearchArguments) -> Reply:
    return await _search(session, arguments, by_uid=False)


async def uid_search(session: Session, arguments: SearchArguments) -> Reply:
    return await _search(session, arguments, by_uid=True)


async def _search(session: Session, arguments: SearchArguments, *, by_uid: bool) -> Reply:
    view = session.selected
    returns = arguments.returns
    try:
        found = Search(view, session.door.threads)
        positions = await found.run(arguments.key)
    except (No, StoreError):
        if returns and "SAVE" in returns:
            view.saved = array("I")  # RFC 5182 §2.1: a search that failed leaves nothing
        raise
    if returns is None:
        await _write_search(session, positions, by_uid=by_uid)
        return OK
    if "SAVE" in returns:
        view.saved = array("I", [view.uids[p] for p in _to_save(positions, returns)])
    if returns != {"SAVE"}:
        scores = map(found.relevancy, positions) if "RELEVANCY" in returns else None
        session.write(_esearch(session, positions, returns, scores, by_uid=by_uid))
    return OK


async def _write_search(session: Session, positions: Sequence[int], *, by_uid: bool) -> None:
    uids = session.selected.uids
    session.unfinished = True
    session.write(b"* SEARCH")
    for start in range(0, len(positions), SLICE):
        batch = positions[start : start + SLICE]
        numbers = (uids[p] for p in batch) if by_uid else (p + 1 for p in batch)
        session.write(b" " + " ".join(map(str, numbers)).encode())
        await session.breathe()
    session.write(b"\r\n")
    session.unfinished = False


def _to_save(positions: Sequence[int], returns: frozenset[str]) -> Sequence[int]:
    """MIN and MAX alone save only what they tell (RFC 5182 §2.4)."""
    if not positions or returns & {"ALL", "COUNT"} or not returns & {"MIN", "MAX"}:
        return positions
    ends = [("MIN", positions[0]), ("MAX", positions[-1])]
    return sorted({position for name, position in ends if name in returns})


def _esearch(
    session: Session,
    positions: Sequence[int],
    returns: frozenset[str],
    scores: Iterable[int] | None,
    *,
    by_uid: bool,
) -> bytes:
    """MIN, MAX and ALL are left out when nothing matches (RFC 4731 §3.1)."""
    uids = session.selected.uids
    numbers = [uids[p] for p in positions] if by_uid else [p + 1 for p in positions]
    items = [b"* ESEARCH (TAG " + response.string(session.tag.encode()) + b")"]
    if by_uid:
        items.append(b"UID")
    if numbers and "MIN" in returns:
        items.append(b"MIN %d" % numbers[0])
    if numbers and "MAX" in returns:
        items.append(b"MAX %d" % numbers[-1])
    if numbers and "ALL" in returns:
        items.append(b"ALL " + response.sequence_set(numbers))
    if "COUNT" in returns:
        items.append(b"COUNT %d" % len(numbers))
    if scores is not None:  # RFC 6203 §4, in the order of ALL
        items.append(b"RELEVANCY (" + " ".join(map(str, scores)).encode() + b")")
    return b" ".join(items) + b"\r\n"

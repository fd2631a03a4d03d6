"""SEARCH and UID SEARCH (RFC 3501 §6.4.4), ESEARCH (RFC 4731), the saved result (RFC 5182),
relevancy scores (RFC 6203), mod-sequences (RFC 7162).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from mailsuite.imapd import modseq
from mailsuite.imapd.reply import OK, No, Reply, uid_required
from mailsuite.imapd.search import Search
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import SearchArguments, SearchKey, SearchSequence
from mailsuite.imapd.syntax.search_keys import contains
from mailsuite.imapd.view import View
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
    if session.enabled.uid_only and contains(arguments.key, _is_numbers):
        raise uid_required()
    if returns is None and session.enabled.rev2:  # RFC 9051 §6.4.4
        returns = frozenset({"ALL"})
    highest = None
    try:
        found = Search(view, session.door.threads)
        positions = await found.run(arguments.key)
    except (No, StoreError):
        if returns and "SAVE" in returns:
            view.saved = array("I")  # RFC 5182 §2.1: a search that failed leaves nothing
        raise
    if modseq.asked(arguments.key):
        session.enable_condstore()
        highest = modseq.highest(view, positions, returns or frozenset()) if positions else None
    if returns is None:
        await _write_search(session, positions, highest, by_uid=by_uid)
        return OK
    if "SAVE" in returns:
        view.saved = array("I", [view.uids[p] for p in _to_save(positions, returns)])
    if returns != {"SAVE"}:
        scores = map(found.relevancy, positions) if "RELEVANCY" in returns else None
        await _write_esearch(session, positions, returns, scores, highest, by_uid=by_uid)
    return OK


def _is_numbers(key: SearchKey) -> bool:
    return isinstance(key, SearchSequence) and not key.numbers.saved


async def _write_search(
    session: Session, positions: Sequence[int], highest: int | None, *, by_uid: bool
) -> None:
    session.unfinished = True
    session.write(b"* SEARCH")
    if positions:
        session.write(b" ")
        numbers = _numbers(session.selected, positions, by_uid=by_uid)
        await _write_slices(session, (b"%d" % number for number in numbers), b" ")
    if highest is not None:
        session.write(b" (MODSEQ %d)" % highest)
    session.write(b"\r\n")
    session.unfinished = False


async def _write_esearch(
    session: Session,
    positions: Sequence[int],
    returns: frozenset[str],
    scores: Iterable[int] | None,
    highest: int | None,
    *,
    by_uid: bool,
) -> None:
    """MIN, MAX and ALL are left out when nothing matches (RFC 4731 §3.1)."""
    numbers = _numbers(session.selected, positions, by_uid=by_uid)
    session.unfinished = True
    session.write(b"* ESEARCH (TAG " + response.string(session.tag.encode()) + b")")
    if by_uid:
        session.write(b" UID")
    if numbers and "MIN" in returns:
        session.write(b" MIN %d" % numbers[0])
    if numbers and "MAX" in returns:
        session.write(b" MAX %d" % numbers[-1])
    if numbers and "ALL" in returns:
        session.write(b" ALL ")
        await _write_slices(session, response.runs(numbers), b",")
    if "COUNT" in returns:
        session.write(b" COUNT %d" % len(numbers))
    if scores is not None:  # RFC 6203 §4, in the order of ALL
        session.write(b" RELEVANCY (")
        await _write_slices(session, (b"%d" % score for score in scores), b" ")
        session.write(b")")
    if highest is not None:
        session.write(b" MODSEQ %d" % highest)
    session.write(b"\r\n")
    session.unfinished = False


def _numbers(view: View, positions: Sequence[int], *, by_uid: bool) -> Sequence[int]:
    """The messages as the client knows them."""
    if len(positions) == view.exists:
        return view.uids[: view.exists] if by_uid else range(1, view.exists + 1)
    return array("I", map(view.uids.__getitem__ if by_uid else (1).__add__, positions))


async def _write_slices(session: Session, texts: Iterator[bytes], between: bytes) -> None:
    """Write texts, some at a time; other sessions have their turn."""
    some = between.join(islice(texts, SLICE))
    while some:
        session.write(some)
        await session.breathe()
        some = between.join(islice(texts, SLICE))
        if some:
            session.write(between)


def _to_save(positions: Sequence[int], returns: frozenset[str]) -> Sequence[int]:
    """MIN and MAX alone save only what they tell (RFC 5182 §2.4)."""
    if not positions or returns & {"ALL", "COUNT"} or not returns & {"MIN", "MAX"}:
        return positions
    ends = [("MIN", positions[0]), ("MAX", positions[-1])]
    return sorted({position for name, position in ends if name in returns})

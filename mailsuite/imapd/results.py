"""What SEARCH, SORT and THREAD have in common: the search itself, its answer, the saved result.

RFC 4731, RFC 5182, RFC 5267, RFC 9394. Long answers are written in slices, no faster than the
client reads.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from mailsuite.imapd import contexts, modseq, positions
from mailsuite.imapd.partial import cut
from mailsuite.imapd.positions import Positions
from mailsuite.imapd.reply import OK, Bad, No, Reply, uid_required
from mailsuite.imapd.search import Search
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import SearchArguments
from mailsuite.imapd.syntax.search_keys import dated, has_numbers
from mailsuite.imapd.view import View
from mailsuite.store import StoreError

SLICE = 5000
"""Numbers rendered before other sessions get their turn."""
NUMBERS_AT_ONCE = 10_000


async def search(session: Session, arguments: SearchArguments) -> tuple[Search, Positions]:
    """What matches in the selected mailbox. When that fails, the saved result is empty."""
    view = session.selected
    check_numbers(session, arguments)
    found = Search(view, session.door.threads, session.report)
    try:
        return found, await found.run(dated(arguments.key, time.time()))
    except (No, StoreError):
        if arguments.returns and "SAVE" in arguments.returns:
            view.saved = array("I")  # RFC 5182 §2.1
        raise


def check_charset(session: Session, arguments: SearchArguments, *, needed: bool = False) -> None:
    """Raises Bad for a charset after ENABLE UTF8=ACCEPT: there is but one (RFC 9755 §3).

    `needed`: the command must name one.
    """
    allowed = "UTF-8" if needed else None
    if "UTF8=ACCEPT" in session.enabled and arguments.charset != allowed:
        raise Bad("After ENABLE UTF8=ACCEPT all is UTF-8, there is no other CHARSET")


def check_numbers(session: Session, arguments: SearchArguments) -> None:
    """Raises Bad for sequence numbers of a client that has given them up (RFC 9586)."""
    if session.enabled.uid_only and has_numbers(arguments.key):
        raise uid_required()


Order: TypeAlias = Callable[[Search, Positions], Awaitable[Sequence[int]]]


async def run(session: Session, arguments: SearchArguments, order: Order, *, by_uid: bool) -> Reply:
    """A whole SEARCH or SORT. `order` puts the positions found into the order asked for."""
    view, returns = session.selected, arguments.returns
    context = contexts.begin(session, arguments, by_uid=by_uid)
    try:
        found, inside = await search(session, arguments)
        places = await order(found, inside)
        if context is not None:
            context.results = array("I", [view.uids[place] for place in places])
    except BaseException:
        if context is not None:
            view.contexts.pop(context.tag, None)
        raise
    chosen = told(arguments, places)
    highest = None
    if modseq.asked(arguments.key):
        session.enable_condstore()
        highest = modseq.highest(view, chosen) if chosen else None
    ascending = not arguments.criteria
    numbers = await numbers_of(view, places, by_uid=by_uid, ascending=ascending)
    if returns is None:
        name = b"SORT" if arguments.criteria else b"SEARCH"
        await _write_numbers(session, name, numbers, highest)
        return OK
    if "SAVE" in returns:
        if chosen is places:
            chosen = positions.listed(inside)
        saved = await numbers_of(view, sorted(chosen), by_uid=True)
        view.saved = array("I", saved)
    if returns != {"SAVE"}:
        extra = Extra(highest, scores_of(found, arguments, places))
        await write_esearch(session, arguments, numbers, extra, by_uid=by_uid)
    return OK


def told(arguments: SearchArguments, places: Sequence[int]) -> Collection[int]:
    """What the options tell of: MIN, MAX and PARTIAL alone of some, all others of all.

    That is what SAVE saves and MODSEQ looks at (RFC 5182 §2.4, RFC 9394 §3.2, RFC 4731 §3.2).
    """
    returns = arguments.returns or frozenset()
    if returns & {"ALL", "COUNT"} or not returns & {"MIN", "MAX", "PARTIAL"}:
        return places
    some = {"MIN": places[:1], "MAX": places[-1:]}
    if arguments.partial is not None:
        some["PARTIAL"] = cut(places, arguments.partial)
    return {place for name, these in some.items() if name in returns for place in these}


def scores_of(
    found: Search, arguments: SearchArguments, places: Sequence[int]
) -> Iterable[int] | None:
    """RELEVANCY: of all that was found, or with PARTIAL of what is told, in the same order."""
    if "RELEVANCY" not in (arguments.returns or ()):
        return None
    if arguments.partial is not None:
        places = cut(places, arguments.partial)
    return map(found.relevancy, places)


async def _write_numbers(
    session: Session, name: bytes, numbers: Sequence[int], highest: int | None
) -> None:
    session.unfinished = True
    session.write(b"* " + name)
    if numbers:
        session.write(b" ")
        await write_slices(session, (b"%d" % number for number in numbers), b" ")
    if highest is not None:
        session.write(b" (MODSEQ %d)" % highest)
    session.write(b"\r\n")
    session.unfinished = False


@dataclass(frozen=True, slots=True)
class Extra:
    """What ESEARCH may tell besides.

    highest  MODSEQ
    scores   RELEVANCY, in the order of the numbers that are told
    where    what stands behind the tag (RFC 7377)
    """

    highest: int | None = None
    scores: Iterable[int] | None = None
    where: bytes = b""


async def write_esearch(
    session: Session,
    arguments: SearchArguments,
    numbers: Sequence[int],
    extra: Extra,
    *,
    by_uid: bool,
) -> None:
    """`* ESEARCH`; `numbers` in the order asked for.

    MIN, MAX and ALL are left out when nothing matches (RFC 4731 §3.1).
    """
    returns = arguments.returns or frozenset()
    runs = response.runs_in_order if arguments.criteria else response.runs
    session.unfinished = True
    session.write(b"* ESEARCH (TAG " + response.string(session.tag.encode()) + extra.where + b")")
    if by_uid:
        session.write(b" UID")
    if numbers and "MIN" in returns:
        session.write(b" MIN %d" % numbers[0])
    if numbers and "MAX" in returns:
        session.write(b" MAX %d" % numbers[-1])
    if numbers and "ALL" in returns:
        session.write(b" ALL ")
        await write_slices(session, runs(numbers), b",")
    if arguments.partial is not None:
        session.write(b" PARTIAL (%d:%d " % arguments.partial)
        if some := cut(numbers, arguments.partial):
            await write_slices(session, runs(some), b",")
            session.write(b")")
        else:
            session.write(b"NIL)")
    if "COUNT" in returns:
        session.write(b" COUNT %d" % len(numbers))
    if extra.scores is not None:  # RFC 6203 §4, in the order of ALL
        session.write(b" RELEVANCY (")
        await write_slices(session, (b"%d" % score for score in extra.scores), b" ")
        session.write(b")")
    if extra.highest is not None:
        session.write(b" MODSEQ %d" % extra.highest)
    session.write(b"\r\n")
    session.unfinished = False


async def numbers_of(
    view: View, places: Sequence[int], *, by_uid: bool, ascending: bool = True
) -> Sequence[int]:
    """The messages as the client knows them."""
    if ascending and len(places) == view.exists:
        return view.uids[: view.exists] if by_uid else range(1, view.exists + 1)
    number_of = view.uids.__getitem__ if by_uid else (1).__add__
    numbers = array("I")
    for start in range(0, len(places), NUMBERS_AT_ONCE):
        numbers.extend(map(number_of, places[start : start + NUMBERS_AT_ONCE]))
        await asyncio.sleep(0)
    return numbers


async def write_slices(session: Session, texts: Iterator[bytes], between: bytes) -> None:
    """Write texts, some at a time; other sessions have their turn."""
    some = between.join(islice(texts, SLICE))
    while some:
        session.write(some)
        await session.breathe()
        some = between.join(islice(texts, SLICE))
        if some:
            session.write(between)

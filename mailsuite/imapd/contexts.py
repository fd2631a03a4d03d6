"""Search contexts: the client is told how the results of a SEARCH or SORT change (RFC 5267 §4.3).

Whatever changes, only messages that are new or have other flags are looked at again. What the
client has been told, applied to the first result, is what the same command would answer now, but
for messages that are gone and not yet told to be: they leave the results at once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from mailsuite.base.log import get_logger
from mailsuite.imapd import positions
from mailsuite.imapd.positions import Positions
from mailsuite.imapd.reply import Bad, Refusal
from mailsuite.imapd.search import Search
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import (
    STAR,
    FetchItem,
    SearchArguments,
    SearchFlag,
    SearchKey,
    SearchModseq,
    SearchSequence,
    SearchUid,
    SearchWithin,
    SequenceSet,
)
from mailsuite.imapd.syntax.search_keys import contains, rewritten
from mailsuite.imapd.view import View
from mailsuite.store import StoreError

log = get_logger("imapd")
MAX_CONTEXTS = 20
"""Of one session."""


@dataclass(frozen=True, slots=True)
class Update:
    """What there is to tell of one context.

    lines  ESEARCH
    new    UIDs of results that have just arrived, of which `fetch` is told before that
    """

    lines: Sequence[bytes] = ()
    new: Sequence[int] = ()
    fetch: tuple[FetchItem, ...] = ()


class Context:
    """One SEARCH or SORT with UPDATE.

    results  UIDs, in the order asked for
    """

    def __init__(
        self, session: Session, arguments: SearchArguments, *, by_uid: bool, where: bytes
    ) -> None:
        view = session.selected
        self._where = where
        self.tag = session.tag
        self.results: array[int] = array("I")
        self._by_uid = by_uid
        self._arguments = replace(arguments, key=_lasting(arguments.key, view))
        self._flagged = contains(self._arguments.key, _depends_on_flags)
        self._relative = contains(self._arguments.key, _depends_on_others)
        self._touched: set[int] = set()
        self._seen = view.uids[view.exists - 1] if view.exists else 0
        self._ends = (view.exists, len(view.attachment.expunged))

    def touch(self, uids: Iterable[int]) -> None:
        """The flags of these messages are others now."""
        if self._flagged:
            self._touched.update(uids)

    # -- expunges ----------------------------------------------------------------------------------

    def removals(self, view: View) -> Iterator[bytes]:
        """What to tell before messages leave the view."""
        gone = set(view.attachment.expunged)
        if gone and (lost := gone.intersection(self.results)):
            yield self._response(self._removed(view, lost))

    # -- all other changes -------------------------------------------------------------------------

    async def updates(self, session: Session) -> Update:
        """What to tell after the view has been brought up to date.

        Items are told of messages that are new, not only among the results (RFC 5465 §7).
        """
        latest = self._seen
        among = self._to_look_at(session.selected)
        if among.find(1) < 0:
            return Update()
        try:
            known = set(self.results)
            items = await self._looked_at(session, among)
        except (Refusal, StoreError) as error:
            log.warning("search context ends", account=session.account, why=str(error))
            session.selected.contexts.pop(self.tag, None)
            return Update((_no_update(self.tag, b"The search failed"),))
        lines = (self._response(items),) if items else ()
        if not self._arguments.fetch:
            return Update(lines)
        new = sorted(uid for uid in self.results if uid > latest and uid not in known)
        return Update(lines, new, self._arguments.fetch)

    def _to_look_at(self, view: View) -> Positions:
        uids, count = view.uids, view.exists
        gone = view.attachment.expunged
        first = bisect_right(uids, self._seen, 0, count)
        touched, self._touched = self._touched, set()
        before, self._ends = self._ends, (count, len(gone))
        self._seen = uids[count - 1] if count else 0
        if self._relative and before != self._ends:
            among = positions.every(count)
        else:
            among = positions.of([*_places(view, touched), *range(first, count)], count)
        return positions.without(among, positions.of(_places(view, gone), count))

    async def _looked_at(self, session: Session, among: Positions) -> bytes:
        view = session.selected
        search = Search(view, session.door.threads)
        found = await search.run(self._arguments.key, among)
        matching = {view.uids[place] for place in positions.listed(found)}
        looked_at = {view.uids[place] for place in positions.listed(among)}
        known = set(self.results)
        lost, new = known & looked_at - matching, matching - known
        items = self._removed(view, lost) if lost else b""
        return items + await self._added(session, known - lost | new, new) if new else items

    def _removed(self, view: View, lost: set[int]) -> bytes:
        """Take these out of the results."""
        before = self.results
        self.results = array("I", [uid for uid in before if uid not in lost])
        if not self._arguments.criteria:
            return b" REMOVEFROM (0 %b)" % self._set(view, sorted(lost))
        places = [place for place, uid in enumerate(before) if uid in lost]
        # From the end, so that no removal shifts one that is still to come.
        pairs = [
            b"%d %b" % (piece.start + 1, self._set(view, before[piece.start : piece.stop]))
            for piece in reversed(_runs(places))
        ]
        return b" REMOVEFROM (%b)" % b" ".join(pairs)

    async def _added(self, session: Session, results: set[int], new: set[int]) -> bytes:
        """Put these into the results, which are then `results`."""
        view = session.selected
        if not self._arguments.criteria:
            self.results = array("I", sorted(results))
            return b" ADDTO (0 %b)" % self._set(view, sorted(new))
        inside = bytes(map(results.__contains__, view.uids[: view.exists]))
        criteria = self._arguments.criteria
        order = await session.door.sort_cache.sorted(view, criteria, inside, session.report)
        self.results = array("I", [view.uids[place] for place in order])
        places = [place for place, uid in enumerate(self.results) if uid in new]
        pairs = [
            b"%d %b" % (piece.start + 1, self._set(view, self.results[piece.start : piece.stop]))
            for piece in _runs(places)
        ]
        return b" ADDTO (%b)" % b" ".join(pairs)

    # -- what it looks like ------------------------------------------------------------------------

    def _set(self, view: View, uids: Sequence[int]) -> bytes:
        numbers = uids if self._by_uid else [place + 1 for place in _places(view, uids)]
        return b",".join(response.runs_in_order(numbers))

    def _response(self, items: bytes) -> bytes:
        uid = b" UID" if self._by_uid else b""
        tag = response.string(self.tag.encode())
        return b"* ESEARCH (TAG %b%b)%b%b\r\n" % (tag, self._where, uid, items)


def begin(
    session: Session, arguments: SearchArguments, *, by_uid: bool, where: bytes = b""
) -> Context | None:
    """Start a context, if the command asks for one, before its search; `results` are to be filled.

    Where it cannot be, the client is told, and the rest of its command is done (§4.3.1). Raises
    Bad for a tag in use. `where`: further correlators, as `results.Extra` has them.
    """
    if "UPDATE" not in (arguments.returns or ()):
        return None
    contexts = session.selected.contexts
    if session.tag in contexts:
        raise Bad("Tag reuse")
    unsteady = contains(arguments.key, lambda key: isinstance(key, SearchWithin)) or any(
        one.key == "RELEVANCY" for one in arguments.criteria
    )
    if unsteady or len(contexts) >= MAX_CONTEXTS:
        why = b"Too many contexts" if not unsteady else b"These results change by themselves"
        refuse(session, why)
        return None
    context = contexts[session.tag] = Context(session, arguments, by_uid=by_uid, where=where)
    return context


def refuse(session: Session, why: bytes) -> None:
    """There will be no updates for the present command."""
    session.write(_no_update(session.tag, why))


def _no_update(tag: str, why: bytes) -> bytes:
    return b"* NO [NOUPDATE %b] %b\r\n" % (response.string(tag.encode()), why)


def _lasting(key: SearchKey, view: View) -> SearchKey:
    """Sequence numbers and the saved result mean what they mean now (§4.3)."""

    def fixed(leaf: SearchKey) -> SearchKey:
        if isinstance(leaf, SearchSequence):
            ranges = view.resolve(leaf.numbers, by_uid=leaf.numbers.saved, strict=False)
        elif isinstance(leaf, SearchUid) and leaf.uids.saved:
            ranges = view.resolve(leaf.uids, by_uid=True)
        else:
            return leaf
        uids = view.uids
        return SearchUid(
            SequenceSet(tuple((uids[piece.start], uids[piece.stop - 1]) for piece in ranges))
        )

    return rewritten(key, fixed)


def _depends_on_flags(key: SearchKey) -> bool:
    return isinstance(key, SearchFlag | SearchModseq)


def _depends_on_others(key: SearchKey) -> bool:
    """`*` is another message when one arrives, or when the last one goes."""
    return isinstance(key, SearchUid) and any(STAR in ends for ends in key.uids.ranges)


def _places(view: View, uids: Iterable[int]) -> Iterator[int]:
    known, count = view.uids, view.exists
    for uid in uids:
        place = bisect_left(known, uid, 0, count)
        if place < count and known[place] == uid:
            yield place


def _runs(places: Sequence[int]) -> list[range]:
    """Ascending numbers as ranges."""
    found: list[range] = []
    for place in places:
        if found and found[-1].stop == place:
            found[-1] = range(found[-1].start, place + 1)
        else:
            found.append(range(place, place + 1))
    return found

"""What a client has missed of a mailbox since a mod-sequence (RFC 7162 §3.2.5, §3.2.6, §3.2.10).

Promises: whatever the history of expunges has lost is made up for, by naming more UIDs than were
expunged, never fewer; a message that the session still counts is not named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailsuite.base import ranges
from mailsuite.imapd.syntax.model import STAR, SequenceSet
from mailsuite.imapd.view import View, vanished


def known(view: View, uids: SequenceSet | None) -> list[range]:
    """The UIDs that a client asks about, present or not; None: all that there may have been.

    `*` is the greatest UID ever given: a client that says 1:* does not know which ones are gone.
    """
    last = view.mailbox.uidnext - 1
    if uids is None:
        return ranges.merged([range(1, last + 1)])
    if uids.saved:
        return list(ranges.runs(view.saved))
    pieces = []
    for low, high in uids.ranges:
        low, high = sorted(last if n == STAR else n for n in (low, high))
        pieces.append(range(low, min(high, last) + 1))
    return ranges.merged(pieces)


async def earlier(view: View, since: int, uids: Sequence[range]) -> Iterator[bytes]:
    """VANISHED (EARLIER) for those of `uids` that were expunged after `since`."""
    gone = ranges.both(await view.mailbox.vanished(since), uids)
    return vanished(ranges.without(gone, view.uids, view.exists), b"(EARLIER) ")


def unmoved(view: View, numbers: SequenceSet, uids: SequenceSet) -> int:
    """The greatest UID of a client's list that still has the number given there, or 0.

    Nothing below it is gone (RFC 7162 §3.2.5.2). Both lists ascend and are of one length.
    """
    found = 0
    for number, uid, length in _pairs(numbers, uids):
        # Once something has been expunged, all numbers after it are others: the last that fits.
        low, high = 0, min(length, max(view.exists - number + 1, 0))
        while low < high:
            middle = (low + high) // 2
            if view.uids[number + middle - 1] == uid + middle:
                low = middle + 1
            else:
                high = middle
        if low:
            found = uid + low - 1
    return found


def _pairs(numbers: SequenceSet, uids: SequenceSet) -> Iterator[tuple[int, int, int]]:
    """(number, UID, how many of both follow each other)"""
    left = [range(low, high + 1) for low, high in reversed(numbers.ranges)]
    right = [range(low, high + 1) for low, high in reversed(uids.ranges)]
    while left:
        one, other = left.pop(), right.pop()
        length = min(len(one), len(other))
        yield one.start, other.start, length
        if len(one) > length:
            left.append(one[length:])
        if len(other) > length:
            right.append(other[length:])

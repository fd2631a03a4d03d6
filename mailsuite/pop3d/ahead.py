"""Reading ahead: a client that fetches one message after the other is given them from memory.

Promises: nothing is read ahead for a client that picks single messages; no more is held than twice
`OCTETS`, and each message is let go as it is given. Whether a message is still there is for others
to ask.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

OCTETS = 1 << 19
MESSAGES = 256
GROWTH = 4
LARGEST = 1 << 16
"""Octets of a message that is ever held; a larger one is read from its file, slice by slice."""
Found: TypeAlias = Sequence[tuple[int, bytes | None]]


class ReadAhead:
    """Of one session, for one way to look at messages. Loop thread only; `close` it in the end.

    fetch   gives some octets for each UID from the front of those it is asked for, in their order;
            None stands for what can't be had that way
    uids    UIDs of all messages, `sizes` their octets
    """

    __slots__ = ("_coming", "_count", "_end", "_fetch", "_held", "_last", "_low", "_sizes", "_uids")

    def __init__(
        self,
        fetch: Callable[[Sequence[int]], Awaitable[Found]],
        uids: Sequence[int],
        sizes: Sequence[int],
    ) -> None:
        self._fetch = fetch
        self._uids = uids
        self._sizes = sizes
        self._held: dict[int, bytes | None] = {}
        self._low = 0  # so few are left that more are sent for
        self._coming: asyncio.Task[Found] | None = None
        self._end = 0  # the place after those that are held or coming
        self._count = 1
        self._last = -1

    def peek(self, place: int) -> bytes | None:
        """The octets at this place, if they are held and the next in turn; see `passed`."""
        return self._held.get(self._uids[place]) if place == self._last + 1 else None

    def passed(self, place: int) -> None:
        """What `peek` has shown is given: let go of it."""
        self._last = place
        if len(self._held) <= self._low and self._coming is None:
            self._send_for(self._end)
        del self._held[self._uids[place]]

    async def get(self, place: int) -> bytes | None:
        """The octets at this place, counted from 0; None: they must be had in another way.

        Raises StoreError.
        """
        sequential, self._last = place == self._last + 1, place
        uid = self._uids[place]
        if uid not in self._held and self._coming is not None:
            await self._take(self._coming)
        if uid in self._held:
            if len(self._held) <= self._low and self._coming is None and sequential:
                self._send_for(self._end)
            return self._held.pop(uid)
        if self._sizes[place] > LARGEST:
            return None
        self._count = self._count if sequential else 1
        self._send_for(place)
        assert self._coming is not None
        await self._take(self._coming)
        return self._held.pop(uid, None)

    def _send_for(self, place: int) -> None:
        """Begin to read, from this place on, as many as may be held."""
        left, end = OCTETS, place
        while end < min(place + self._count, len(self._uids)):
            size = self._sizes[end]
            if size > LARGEST or (size > left and end > place):
                break
            left -= size
            end += 1
        if end > place:
            self._end = end
            self._count = min(self._count * GROWTH, MESSAGES)
            self._coming = asyncio.ensure_future(self._read(self._uids[place:end]))

    async def _read(self, uids: Sequence[int]) -> Found:
        return await self._fetch(uids)

    async def _take(self, coming: asyncio.Task[Found]) -> None:
        """What was sent for takes the place of what is held."""
        try:
            self._held = dict(await coming)
        finally:
            self._coming = None
        self._low = len(self._held) // 2

    def close(self) -> None:
        """Let go of everything; what is being read comes to nothing."""
        self._held.clear()
        if self._coming is not None:
            self._coming.cancel()
            self._coming.add_done_callback(_unwanted)
            self._coming = None


def _unwanted(coming: asyncio.Task[Found]) -> None:
    if not coming.cancelled():
        coming.exception()  # nobody will ask for these messages, so nobody is to be told

"""An open message: its octets as they go over the wire."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType

from mailsuite.base.tasks import Threads
from mailsuite.store import content
from mailsuite.store.errors import StoreUnavailable


class MessageFile:
    """Made by `Mailbox.open_message`. Readable until `close`, even if the message is expunged.

    size   octets as they go over the wire (CRLF line ends)
    """

    __slots__ = ("_data", "_fd", "_reading", "_threads", "size")

    def __init__(self, source: int | bytes, size: int, threads: Threads) -> None:
        """`source`: a file descriptor, closed in the end, or the octets of a small message."""
        self._fd: int | None = None
        self._data: bytes | None = None
        if isinstance(source, int):
            self._fd = source
        else:
            self._data = source
        self._threads = threads
        self._reading: asyncio.Future[bytes] | None = None
        self.size = size

    async def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """`length` octets from `offset` on (None: to the end); fewer at the end.

        One reader at a time. Raises StoreUnavailable.
        """
        left = max(self.size - offset, 0)
        length = left if length is None else min(length, left)
        if self._data is not None:
            return self._data[offset : offset + length]
        if self._fd is None:
            raise ValueError("the message is closed")
        if not length:
            return b""
        reading = asyncio.ensure_future(self._threads.run(content.pread, self._fd, length, offset))
        self._reading = reading
        try:
            return await asyncio.shield(reading)
        except OSError as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Give the file back; idempotent. Also: `with await mailbox.open_message(uid) as file`."""
        fd, self._fd = self._fd, None
        self._data = None
        if fd is None:
            return
        if self._reading is not None and not self._reading.done():
            # The reader was cancelled, its thread still reads: not before that has ended.
            self._reading.add_done_callback(lambda _: os.close(fd))
        else:
            os.close(fd)

    def __enter__(self) -> MessageFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

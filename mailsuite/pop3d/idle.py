"""How long a session waits for its client: one timer for all of its waits.

A timer for each wait costs more than many a command. Promises: a wait that lasts `timeout` seconds
aborts the connection and raises TimeoutError; nothing else is ever cut short.
"""

import asyncio
from types import TracebackType

from mailsuite.net import Connection


class Idle:
    """`async with idle:` around each wait, one at a time; `stop` in the end."""

    __slots__ = ("_connection", "_expired", "_since", "_timeout", "_timer")

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._timer: asyncio.TimerHandle | None = None
        self._since: float | None = None
        self._expired = False

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._timeout, self._look, loop)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._since = None
        if self._expired and (kind is None or issubclass(kind, ConnectionError)):
            raise TimeoutError from error

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """When the wait that was under way at the last look may have lasted long enough."""
        self._timer = None
        if self._since is None:
            return
        left = self._since + self._timeout - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self._look, loop)
        else:
            self._expired = True
            self._connection.abort()

    def touch(self) -> None:
        """The client has been heard of during the wait: it begins anew."""
        if self._since is not None:
            self._since = asyncio.get_running_loop().time()

    def stop(self) -> None:
        """No wait follows."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

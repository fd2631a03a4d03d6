"""Who listens to which folder: one inotify instance for all of a store's watches.

Promises: whatever has happened in a watched folder is known once `drain` has said so, without a
look at the disk; a folder may have several listeners; never blocks. Loop thread only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import TypeAlias

from mailsuite.store import inotify

Listener: TypeAlias = Callable[[int, str], None]
"""Called with inotify's mask and the name that has come or gone; it must be quick."""
LOST = inotify.IGNORED | inotify.Q_OVERFLOW
"""From here on nobody tells what happens in the folder, or nobody has told."""
GULPS = 4
PAUSE = 0.01
"""Seconds in which further notices are gathered; the kernel has room for thousands."""


class Notices:
    """Opens its instance at the first use."""

    def __init__(self) -> None:
        self._inotify: inotify.Inotify | None = None
        self._listeners: dict[int, dict[Listener, None]] = {}
        self._closed = False
        self._pause: asyncio.TimerHandle | None = None

    def add(self, path: str, listener: Listener) -> int:
        """Tell a listener what comes and goes in a folder; the number to `remove` it by.

        Raises OSError: there is no such folder, no watch left, or this is closed.
        """
        if self._closed:
            raise OSError("closed")
        if self._inotify is None:
            self._inotify = inotify.Inotify()
            self._listen()
        number = self._inotify.add(path)
        self._listeners.setdefault(number, {})[listener] = None
        return number

    def remove(self, number: int, listener: Listener) -> None:
        """This listener is told no more."""
        listeners = self._listeners.get(number)
        if listeners is None or listener not in listeners:
            return  # the watch has ended with its folder
        del listeners[listener]
        if not listeners:
            del self._listeners[number]
            if self._inotify is not None:
                with contextlib.suppress(OSError):  # the folder is gone, and the watch with it
                    self._inotify.remove(number)

    def drain(self) -> bool:
        """Tell of all that has happened up to now; False: there is too much to do it at once."""
        source = self._inotify
        if source is None or source.is_quiet:
            return True
        return any(not self._read(source) for _ in range(GULPS))

    def close(self) -> None:
        """Watch nothing any more."""
        self._closed = True
        if self._pause is not None:
            self._pause.cancel()
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None
        self._listeners.clear()

    def _listen(self) -> None:
        self._pause = None
        if self._inotify is not None:
            asyncio.get_running_loop().add_reader(self._inotify.fd, self._hear, self._inotify)

    def _hear(self, source: inotify.Inotify) -> None:
        """Tell of what there is, and wait a little: a thread that renames thousands of files must
        not wait for the loop at each of them."""
        self._read(source)
        loop = asyncio.get_running_loop()
        loop.remove_reader(source.fd)
        self._pause = loop.call_later(PAUSE, self._listen)

    def _read(self, source: inotify.Inotify) -> bool:
        """Tell of some; whether there was anything."""
        found = False
        for number, mask, name in source.events():
            found = True
            if mask & inotify.Q_OVERFLOW:
                for listeners in list(self._listeners.values()):
                    _tell(listeners, mask, name)
            elif mask & inotify.IGNORED:
                _tell(self._listeners.pop(number, ()), mask, name)
            else:
                for listener in tuple(self._listeners.get(number, ())):
                    listener(mask, name)
        return found


def _tell(listeners: Iterable[Listener], mask: int, name: str) -> None:
    for listener in list(listeners):
        listener(mask, name)

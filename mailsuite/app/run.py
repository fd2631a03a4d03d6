"""The life of a process that serves: event loop, signals, service manager, control socket.

Promises: SIGINT and SIGTERM stop it in order, a second one at once; SIGHUP reloads. Returns the
exit code; raises UserError for what the person at the terminal can mend.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop

from mailsuite.app.handlers import handlers
from mailsuite.app.server import Server
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.control import Server as ControlServer
from mailsuite.control import notify

log = get_logger("app")
GARBAGE = (10_000, 10, 100)
"""When Python looks for cycles of objects. By its own numbers (700, 10, 10) it looks through all
objects while 500,000 messages are put in order, and everybody waits for a tenth of a second."""
ONE_SIGNAL = 1.0
"""Seconds in which a second signal is the first one again: timeout(1) sends it to the process and
to its group. After that it is somebody who can't wait."""
Reload = Callable[[], Awaitable[None]]


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run `main` in a fresh event loop; its result is the exit code.

    What it writes is for its own user alone, also in a data folder that others may look into.
    """
    os.umask(0o077)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    except asyncio.CancelledError:  # by a second signal
        log.warning("stopped at once, what was under way is broken off")
        return 1


async def serve_until_stopped(
    server: Server, *, ready: Callable[[], None], reload: Reload | None = None
) -> int:
    """Start `server`, call `ready` once it accepts, and stop it when a signal says so."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    this = asyncio.current_task()

    asked = 0.0

    def on_stop() -> None:
        nonlocal asked
        if not stop.is_set():
            asked = loop.time()
            stop.set()
        elif loop.time() - asked > ONE_SIGNAL and this is not None:
            this.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_stop)
    reloads = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, reloads.set)
    control = ControlServer(server.config.data, handlers(server, reload or _nothing_to_reload))
    try:
        gc.set_threshold(*GARBAGE)
        await server.start()
        await control.start()
        gc.collect()
        gc.freeze()  # what is there by now stays, and need not be looked at again
        reloading = loop.create_task(_reload_on_signal(reloads, reload or _nothing_to_reload))
        try:
            ready()
            notify.ready()
            await stop.wait()
            log.info("stopping")
        finally:
            notify.stopping()
            reloading.cancel()
            await asyncio.wait([reloading])
    finally:
        await control.stop()
        await server.stop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
    return 0


async def _nothing_to_reload() -> None:
    log.info("nothing to reload")


async def _reload_on_signal(signalled: asyncio.Event, reload: Reload) -> None:
    while True:
        await signalled.wait()
        signalled.clear()
        notify.reloading()
        try:
            await reload()
        except (UserError, OSError) as error:
            log.error("settings not reloaded; what was in force stays", why=str(error))
        notify.ready()

"""What the operator may ask of a running server over the control socket."""

import platform
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

import apsw

from mailsuite import __version__
from mailsuite.app.server import Server

Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]


def handlers(server: Server, reload: Callable[[], Awaitable[None]]) -> Mapping[str, Handler]:
    """The requests by name; answers are plain JSON values."""
    queue = server.queue_operations()

    async def status(_: Mapping[str, Any]) -> Any:
        return await describe(server)

    async def do_reload(_: Mapping[str, Any]) -> Any:
        await reload()
        return {}

    return {"status": status, "reload": do_reload, **queue}


async def describe(server: Server) -> dict[str, Any]:
    """Listeners, sessions, queue, versions."""
    sessions = server.sessions()
    return {
        "version": __version__,
        "hostname": server.hostname,
        "data": str(server.config.data),
        "started_at": server.started_at,
        "listeners": [
            asdict(at) | {"sessions": sessions.get(at.name, 0)} for at in server.listening
        ],
        "connections": server.limits.count,
        "counters": server.counters(),
        "queue": await server.queue.counts(),
        "loop_lag": round(server.lag.worst, 4),
        "versions": {
            "python": platform.python_version(),
            "sqlite": apsw.sqlite_lib_version(),
            "openssl": ssl.OPENSSL_VERSION,
        },
    }

"""What the operator may ask of a running server over the control socket.

Answers are plain JSON values; `control.Server` calls the handlers with their arguments by name.
"""

import dataclasses
import platform
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import apsw

from mailsuite import __version__
from mailsuite.app.server import Server
from mailsuite.control import Handler
from mailsuite.remote import from_dict


def handlers(server: Server, reload: Callable[[], Awaitable[None]]) -> Mapping[str, Handler]:
    """The requests by name."""

    async def status() -> Any:
        return await describe(server)

    async def do_reload() -> Any:
        await reload()

    async def queue_list(after: str = "", limit: int = 1000) -> Any:
        found = await server.queue.list(after=after, limit=limit)
        return [dataclasses.asdict(entry) for entry in found]

    async def queue_show(id: str) -> Any:
        return dataclasses.asdict(await server.queue.show(id))

    async def queue_counts() -> Any:
        return dataclasses.asdict(await server.queue.counts())

    async def queue_retry(id: str | None = None) -> Any:
        server.outbound.retry_now()
        return await server.queue.retry(id)

    async def queue_hold(id: str) -> Any:
        return await server.queue.hold(id)

    async def queue_release(id: str) -> Any:
        return await server.queue.release(id)

    async def queue_drop(id: str) -> Any:
        await server.queue.drop(id)

    async def transfer_start(request: dict[str, Any]) -> Any:
        return await server.transfers.start(request)

    async def transfer_look(number: int) -> Any:
        return server.transfers.look(number)

    async def transfer_stop(number: int) -> Any:
        await server.transfers.stop(number)

    async def fetch_add(settings: dict[str, Any], credential: dict[str, Any]) -> Any:
        return await server.fetcher.add(settings, from_dict(credential))

    async def fetch_login(
        number: int, credential: dict[str, Any], certificate: str, key: str
    ) -> Any:
        return await server.fetcher.login(number, from_dict(credential), certificate, key)

    async def fetch_list() -> Any:
        return await server.fetcher.listing()

    async def fetch_run(number: int | None = None) -> Any:
        return await server.fetcher.run(number)

    async def fetch_remove(number: int) -> Any:
        return await server.fetcher.remove(number)

    return {
        "status": status,
        "reload": do_reload,
        "queue.list": queue_list,
        "queue.show": queue_show,
        "queue.counts": queue_counts,
        "queue.retry": queue_retry,
        "queue.hold": queue_hold,
        "queue.release": queue_release,
        "queue.drop": queue_drop,
        "fetch.add": fetch_add,
        "fetch.login": fetch_login,
        "fetch.list": fetch_list,
        "fetch.run": fetch_run,
        "fetch.remove": fetch_remove,
        "transfer.start": transfer_start,
        "transfer.look": transfer_look,
        "transfer.stop": transfer_stop,
    }


async def describe(server: Server) -> dict[str, Any]:
    """Listeners, sessions, queue, versions."""
    sessions = server.sessions()
    return {
        "version": __version__,
        "hostname": server.hostname,
        "data": str(server.config.data),
        "started_at": server.started_at,
        "listeners": [
            dataclasses.asdict(at) | {"sessions": sessions.get(at.name, 0)}
            for at in server.listening
        ],
        "connections": server.limits.count,
        "counters": server.counters(),
        "proxied": server.proxied(),
        "queue": dataclasses.asdict(await server.queue.counts()),
        "fetch": [
            {name: row[name] for name in ("id", "user", "host", "account", "failures", "error")}
            for row in await server.fetcher.listing()
        ],
        "relay": [
            dataclasses.asdict(each)
            for each in (server.outbound.courier.destinations() if server.outbound.courier else ())
        ],
        "loop_lag": round(server.lag.worst, 4),
        "versions": {
            "python": platform.python_version(),
            "sqlite": apsw.sqlite_lib_version(),
            "openssl": ssl.OPENSSL_VERSION,
        },
    }

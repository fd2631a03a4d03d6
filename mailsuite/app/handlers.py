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
from mailsuite.control import Caller, Handler
from mailsuite.remote import from_dict


def handlers(server: Server, reload: Callable[[], Awaitable[None]]) -> Mapping[str, Handler]:
    """The requests by name.

    What of the server answers them is there when they come, not yet when this is called.
    """

    async def status() -> Any:
        return await describe(server)

    async def do_reload() -> Any:
        await reload()

    return {
        "status": status,
        "reload": do_reload,
        **_queue(server),
        **_fetch(server),
        **_transfer(server),
    }


def _queue(server: Server) -> dict[str, Handler]:
    async def list_(after: str = "", limit: int = 1000) -> Any:
        found = await server.queue.list(after=after, limit=limit)
        return [dataclasses.asdict(entry) for entry in found]

    async def show(id: str) -> Any:
        return dataclasses.asdict(await server.queue.show(id))

    async def counts() -> Any:
        return dataclasses.asdict(await server.queue.counts())

    async def retry(id: str | None = None) -> Any:
        server.outbound.retry_now()
        return await server.queue.retry(id)

    async def hold(id: str) -> Any:
        return await server.queue.hold(id)

    async def release(id: str) -> Any:
        return await server.queue.release(id)

    async def drop(id: str) -> Any:
        await server.queue.drop(id)

    return {
        "queue.list": list_,
        "queue.show": show,
        "queue.counts": counts,
        "queue.retry": retry,
        "queue.hold": hold,
        "queue.release": release,
        "queue.drop": drop,
    }


def _fetch(server: Server) -> dict[str, Handler]:
    async def add(settings: dict[str, Any], credential: dict[str, Any]) -> Any:
        return await server.fetcher.add(settings, from_dict(credential))

    async def login(number: int, credential: dict[str, Any], certificate: str, key: str) -> Any:
        return await server.fetcher.login(number, from_dict(credential), certificate, key)

    async def list_() -> Any:
        return await server.fetcher.listing()

    async def run(number: int | None = None) -> Any:
        return await server.fetcher.run(number)

    async def remove(number: int) -> Any:
        return await server.fetcher.remove(number)

    return {
        "fetch.add": add,
        "fetch.login": login,
        "fetch.list": list_,
        "fetch.run": run,
        "fetch.remove": remove,
    }


def _transfer(server: Server) -> dict[str, Handler]:
    async def start(caller: Caller, request: dict[str, Any]) -> Any:
        number = await server.transfers.start(request)
        caller.at_end(lambda: server.transfers.leave(number))
        return number

    async def look(number: int) -> Any:
        return server.transfers.look(number)

    async def stop(number: int) -> Any:
        await server.transfers.stop(number)

    return {"transfer.start": start, "transfer.look": look, "transfer.stop": stop}


async def describe(server: Server) -> dict[str, Any]:
    """Listeners, sessions, queue, versions."""
    sessions = server.doors.sessions()
    return {
        "version": __version__,
        "hostname": server.hostname,
        "data": str(server.config.data),
        "started_at": server.started_at,
        "listeners": [
            dataclasses.asdict(at) | {"sessions": sessions.get(at.name, 0)}
            for at in server.listening
        ],
        "connections": server.doors.connections,
        "counters": server.doors.counters(),
        "proxied": server.doors.proxied(),
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

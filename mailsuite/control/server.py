"""The control socket, the server's side.

A request is `{"call": name, "args": {…}}` and a newline; the answer `{"result": …}` or
`{"error": text}`. Promises: requests of other users than ours and root are refused; a request has
a bound on its length, a connection on its idle time, their number a bound too; a handler's failure
is logged and costs that request only.
"""

import asyncio
import inspect
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks
from mailsuite.control.client import SOCKET
from mailsuite.net import bind_unix, peer_uid
from mailsuite.net.unix import remove

MAX_REQUEST = 1 << 16  # octets of a line
MAX_CONNECTIONS = 32
IDLE = 60.0  # seconds for the next request, and for taking an answer

Handler: TypeAlias = Callable[..., Awaitable[Any]]
log = get_logger("control")


class Caller:
    """Whom a request is from: one connection, for handlers that have a parameter `caller`."""

    def __init__(self) -> None:
        self._at_end: list[Callable[[], None]] = []

    def at_end(self, call: Callable[[], None]) -> None:
        """Have this called once the connection has ended, in whatever way."""
        self._at_end.append(call)

    def ended(self) -> None:
        """It has."""
        for call in self._at_end:
            call()


class Server:
    """Answers requests by the handlers of `app`, called with the request's `args` by name.

    A handler gives a value that JSON can hold. It raises UserError for what the person at the
    command line is to be told.
    """

    def __init__(self, data: Path, handlers: Mapping[str, Handler]) -> None:
        """The socket is made in the folder `data` by `start`."""
        self._data = data
        self._handlers = dict(handlers)
        self._tasks = Tasks("control")
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None

    async def start(self) -> None:
        """Listen from now on. UserError when another server has the data folder."""
        sock, self._inode = bind_unix(
            self._data / SOCKET,
            mode=0o600,
            busy="another mailsuite is running in this data folder",
        )
        try:
            self._server = await asyncio.start_unix_server(
                self._opened, sock=sock, limit=MAX_REQUEST, backlog=MAX_CONNECTIONS
            )
        except BaseException:
            sock.close()
            raise

    async def stop(self) -> None:
        """Answer no more and remove the socket."""
        if self._server is not None:
            self._server.close()
        await self._tasks.cancel()
        remove(self._data / SOCKET, self._inode)

    def _opened(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = peer_uid(writer.get_extra_info("socket"))
        if uid not in (None, 0, os.geteuid()) or len(self._tasks) >= MAX_CONNECTIONS:
            log.warning("refused", uid=uid, connections=len(self._tasks))
            writer.close()
            return
        self._tasks.start(self._serve(reader, writer), "connection")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Caller()
        try:
            await self._talk(reader, writer, caller)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            writer.close()
        caller.ended()  # not where we are the ones who stop

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: Caller
    ) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE):
                    line = await reader.readline()
            except ValueError:  # longer than the limit
                writer.write(b'{"error": "the request is too long"}\n')
                return
            if not line.endswith(b"\n"):
                return
            answer = await self._answer(line, caller)
            writer.write(json.dumps(answer).encode() + b"\n")
            async with asyncio.timeout(IDLE):
                await writer.drain()

    async def _answer(self, line: bytes, caller: Caller) -> dict[str, Any]:
        try:
            request = json.loads(line)
            name, arguments = request["call"], request.get("args", {})
            handler = self._handlers[name]
            signature = inspect.signature(handler)
            if "caller" in signature.parameters:
                handler = partial(handler, caller)
                signature = inspect.signature(handler)
            signature.bind(**arguments)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {
                "error": "the running server does not know this request; "
                "it may be of another version: restart it"
            }
        try:
            return {"result": await handler(**arguments)}
        except UserError as error:
            return {"error": str(error)}
        except Exception:  # a bug in a handler must not end the server's control
            log.exception("request failed", call=name)
            return {"error": f"{name} failed inside the server; its log has the details"}

"""A connection that another protocol object has had until now."""

import asyncio
from collections.abc import Callable

from mailsuite.net.connection import Connection


def adopt(
    transport: asyncio.Transport,
    *,
    peer: str,
    octets: bytes,
    ended: bool,
    on_close: Callable[[], None],
) -> Connection:
    """The `transport` as a `Connection`, which hears of it from now on.

    peer      address of the other side
    octets    what has come and was not read
    ended     the other side sends no more
    on_close  called once, when the connection is gone
    """
    connection = Connection(lambda connection: None, lambda connection: on_close())
    transport.set_protocol(connection)
    connection.connection_made(transport)
    connection.peer = peer
    transport.resume_reading()
    if octets:
        connection.data_received(octets)
    if ended:
        connection.eof_received()
    return connection

"""The sockets of all listeners: bound together before root is given up, or none of them."""

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mailsuite.app.announce import Listening
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.config import Endpoint
from mailsuite.net import bind, bind_unix
from mailsuite.net.unix import remove

log = get_logger("app")


@dataclass(frozen=True, slots=True)
class Socket:
    """A bound socket and what it is for; `inode` is what a Unix socket's file is known by."""

    endpoint: Endpoint
    sock: socket.socket
    inode: tuple[int, int] | None = None

    @property
    def listening(self) -> Listening:
        """Where it is, with the port that the system chose; a Unix socket has a file and port 0."""
        if self.endpoint.path is not None:
            return Listening(self.endpoint.name, str(self.endpoint.path), 0, "none")
        host, port = self.sock.getsockname()[:2]
        return Listening(self.endpoint.name, host, port, self.endpoint.tls)


def bind_all(endpoints: Sequence[Endpoint]) -> list[Socket]:
    """Bind every listener's socket, or none: UserError tells the first that is not to be had."""
    sockets: list[Socket] = []
    try:
        for endpoint in endpoints:
            if endpoint.path is not None:
                sockets.append(_bind_path(endpoint, endpoint.path))
                continue
            try:
                sockets.append(Socket(endpoint, bind(endpoint.address, endpoint.port)))
            except UserError as error:
                if endpoint.address != "::" or not _no_ipv6(error):
                    raise
                log.warning("this machine has no IPv6", listener=endpoint.name)
    except BaseException:
        for done in sockets:
            unbind(done)
        raise
    return sockets


def _bind_path(endpoint: Endpoint, path: Path) -> Socket:
    # Who may connect is a matter of the folder's permissions.
    sock, inode = bind_unix(path, mode=0o666, busy=f"{path}: another server has this socket")
    return Socket(endpoint, sock, inode)


def unbind(bound: Socket) -> None:
    """Close a socket; the file of a Unix socket goes with it."""
    bound.sock.close()
    if bound.endpoint.path is not None:
        remove(bound.endpoint.path, bound.inode)


def _no_ipv6(error: UserError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

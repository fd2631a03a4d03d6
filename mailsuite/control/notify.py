"""What the service manager is told (sd_notify(3)); nothing where there is none.

One datagram a notice to the socket that the environment names; needs no library. A notice that
can't be sent is no reason to stop serving mail.
"""

import os
import socket
import time


def ready(status: str = "") -> bool:
    """The server accepts connections (after a start or a reload)."""
    return _send("READY=1", _status(status))


def reloading() -> bool:
    """A reload has begun; `ready` ends it (Type=notify-reload asks for the time)."""
    return _send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping(status: str = "") -> bool:
    """The server drains and ends."""
    return _send("STOPPING=1", _status(status))


def status(text: str) -> bool:
    """One line for `systemctl status`."""
    return _send(_status(text))


def _status(text: str) -> str:
    return "STATUS=" + text.replace("\n", " ") if text else ""


def _send(*lines: str) -> bool:
    """False when there is nobody to tell or it could not be told."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return False
    message = "\n".join(line for line in lines if line).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect("\0" + name[1:] if name.startswith("@") else name)
            sock.sendall(message)
        except OSError:
            return False
    return True

"""An IMAP client that costs next to nothing: it looks for the tagged answer, for nothing else."""

import socket
import time

BUFFER = 1 << 20
TAIL = 1 << 14


class Client:
    """One session. Raises RuntimeError when a command is not answered OK."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 3600)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(BUFFER)
        self._count = 0
        self.octets = 0
        self.line()
        self.time(f'LOGIN "{user}" "{password}"')

    def line(self) -> bytes:
        """What comes next, once it ends in a line end (a greeting, a `+`)."""
        data = b""
        while not data.endswith(b"\r\n"):
            data += self._take()
        return data

    def _take(self) -> bytes:
        data = self.sock.recv(BUFFER)
        if not data:
            raise RuntimeError("the server has hung up")
        return data

    def send(self, command: str) -> bytes:
        """Send a command; its tag."""
        self._count += 1
        tag = b"zq%d" % self._count
        self.sock.sendall(tag + b" " + command.encode() + b"\r\n")
        return tag

    def time(self, command: str) -> float:
        """Seconds from the command's line to the last octet of its answer."""
        began = time.perf_counter()
        self.finish(self.send(command))
        return time.perf_counter() - began

    def finish(self, tag: bytes) -> None:
        """Read until a tagged answer; how many octets came is in `octets`."""
        buffer, tail, self.octets = memoryview(self._buffer), b"\r\n", 0
        mark = b"\r\n" + tag + b" "
        while True:
            got = self.sock.recv_into(buffer)
            if not got:
                raise RuntimeError("the server has hung up")
            self.octets += got
            tail = (tail + bytes(buffer[max(0, got - TAIL) : got]))[-TAIL:]
            if tail.endswith(b"\r\n") and (at := tail.rfind(mark)) >= 0:
                answer = tail[at + len(mark) :]
                if not answer.startswith(b"OK"):
                    raise RuntimeError(answer.decode("utf-8", "replace").strip())
                return

    def ask(self, command: str) -> bytes:
        """The whole answer; for small ones."""
        tag = self.send(command)
        data = b""
        while True:
            data += self._take()
            lines = data.split(b"\r\n")
            if data.endswith(b"\r\n") and lines[-2].startswith(tag + b" "):
                if not lines[-2].startswith(tag + b" OK"):
                    raise RuntimeError(lines[-2].decode("utf-8", "replace"))
                return data

    def try_(self, command: str) -> bool:
        """Whether it is answered OK."""
        try:
            self.time(command)
        except RuntimeError:
            return False
        return True

    def append(self, mailbox: str, message: bytes) -> float:
        """Append a message without waiting for `+` (LITERAL+); seconds."""
        began = time.perf_counter()
        self._count += 1
        tag = b"zq%d" % self._count
        head = b"%b APPEND %b {%d+}\r\n" % (tag, mailbox.encode(), len(message))
        self.sock.sendall(head + message + b"\r\n")
        self.finish(tag)
        return time.perf_counter() - began

    def idle(self) -> None:
        """Go to IDLE."""
        self.send("IDLE")
        self.line()

    def close(self) -> None:
        """Hang up."""
        self.sock.close()

"""A POP3 client that costs next to nothing: it looks for the end of an answer, for nothing else."""

import socket
import time

BUFFER = 1 << 20
END = b"\r\n.\r\n"


class Client:
    """One session, at first not signed in. Raises RuntimeError when a command is refused."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 600)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(BUFFER))
        self.octets = 0
        self.status()

    def status(self) -> bytes:
        """The rest of a single-line answer."""
        data = b""
        while not data.endswith(b"\r\n"):
            data += self._some()
        if not data.startswith(b"+OK"):
            raise RuntimeError(data.decode("utf-8", "replace").strip())
        return data

    def _some(self) -> bytes:
        got = self.sock.recv_into(self._buffer)
        if not got:
            raise RuntimeError("the server has hung up")
        self.octets += got
        return bytes(self._buffer[:got])

    def ask(self, line: str) -> bytes:
        """A command with a single-line answer."""
        self.sock.sendall(line.encode() + b"\r\n")
        return self.status()

    def sign_in(self, user: str, password: str) -> float:
        """Seconds from PASS to the answer of STAT."""
        self.ask(f"USER {user}")
        began = time.perf_counter()
        self.ask(f"PASS {password}")
        self.ask("STAT")
        return time.perf_counter() - began

    def all_of(self, line: str) -> float:
        """A command with a multi-line answer; seconds."""
        began = time.perf_counter()
        self.sock.sendall(line.encode() + b"\r\n")
        tail, first = b"", True
        while not tail.endswith(END):
            piece = self._some()
            if first and not piece.startswith(b"+OK"):
                raise RuntimeError(piece.decode("utf-8", "replace").strip())
            first = False
            tail = (tail + piece[-len(END) :])[-len(END) :]
        return time.perf_counter() - began

    def each(self, lines: list[str]) -> float:
        """Commands with multi-line answers, one after the other; seconds."""
        began = time.perf_counter()
        for line in lines:
            self.all_of(line)
        return time.perf_counter() - began

    def together(self, lines: list[str]) -> float:
        """The same, all sent at once (RFC 2449 §6.6); seconds. No answer may hold a lone dot."""
        began = time.perf_counter()
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
        ends, tail = 0, b""
        while ends < len(lines):
            piece = tail + self._some()
            ends += piece.count(END)
            tail = piece[-len(END) + 1 :]
        return time.perf_counter() - began

    def all_ok(self, lines: list[str]) -> None:
        """Commands with single-line answers, all sent at once."""
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
        data = b""
        while data.count(b"\n") < len(lines):
            data += self._some()
        if data.count(b"+OK") != len(lines):
            raise RuntimeError(data.decode("utf-8", "replace"))

    def quit(self) -> None:
        """End the session: once this has returned, the maildrop is free."""
        self.ask("QUIT")
        self.sock.close()

"""The control socket, the command line's side. Blocking; knows no event loop."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mailsuite.base.errors import UserError
from mailsuite.net import connect_unix

SOCKET = "control.sock"
MAX_ANSWER = 1 << 28  # octets


class NotRunning(UserError):
    """No server is running in that data folder."""


class Client:
    """A connection to the server that runs in a data folder."""

    def __init__(self, data: Path, *, timeout: float = 60.0) -> None:
        """Connect. Raises NotRunning, or UserError when this user may not; `timeout` in seconds."""
        self._data = data
        try:
            self._socket = connect_unix(data / SOCKET, timeout)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            raise NotRunning(f"no server is running in {data}") from error
        except PermissionError as error:
            raise UserError(
                f"{data}: this user may not talk to the server there; "
                "run this as the server's user or as root"
            ) from error
        except OSError as error:
            raise UserError(f"{data / SOCKET}: {error.strerror or error}") from error
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def call(self, name: str, **arguments: Any) -> Any:
        """Ask one thing; gives its result. Raises UserError with what the server said is wrong."""
        try:
            request = json.dumps({"call": name, "args": arguments})
            self._socket.sendall(request.encode() + b"\n")
            line = self._file.readline(MAX_ANSWER)
        except TimeoutError as error:
            raise UserError(f"the server in {self._data} does not answer") from error
        except OSError as error:
            raise UserError(f"the server in {self._data} hung up: {error.strerror}") from error
        if not line.endswith(b"\n"):
            who = "root" if os.geteuid() == 0 else "this user"
            raise UserError(f"the server in {self._data} hung up on {who}")
        answer = json.loads(line)
        if "error" in answer:
            raise UserError(str(answer["error"]))
        return answer["result"]

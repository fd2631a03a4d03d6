"""Programs that want a screen get one that nobody sees."""

import os
import pty
import subprocess
import threading
from pathlib import Path

from e2e_harness import CLIENT_TIMEOUT, Server, environment


def in_a_terminal(server: Server, *command: str | Path) -> str:
    """Run a program that wants a screen; it must end by itself with exit status 0.

    Gives what it has shown, with its control sequences.
    """
    master, slave = pty.openpty()
    shown = bytearray()

    def look() -> None:
        try:
            while octets := os.read(master, 4096):
                shown.extend(octets)
        except OSError:
            pass  # the terminal's other side is closed

    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=server.folder,
        env=environment(server.home) | {"LINES": "40", "COLUMNS": "100"},
        start_new_session=True,
    )
    os.close(slave)
    reader = threading.Thread(target=look, daemon=True)
    reader.start()
    try:
        status = process.wait(CLIENT_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"{command[0]} hangs:\n{shown.decode(errors='replace')}") from None
    finally:
        reader.join(5)
        os.close(master)
    text = shown.decode(errors="replace")
    assert status == 0, text
    return text

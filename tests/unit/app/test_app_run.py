"""The life of the process: how it ends."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from mailsuite.app.run import run


@pytest.fixture(autouse=True)
def _mask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_second_signal_is_an_exit_code_and_no_traceback() -> None:
    """Who cannot wait for the end has it at once; nothing of ours is wrong then."""
    ended = []

    async def main() -> int:
        this = asyncio.current_task()
        assert this is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return 0

    assert run(main()) == 1
    assert ended


def test_what_is_written_is_for_the_own_user_alone() -> None:
    async def main() -> int:
        return os.umask(0o077)

    assert run(main()) == 0o077

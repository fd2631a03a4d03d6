"""Log lines: gathered for a turn of the event loop, in order, none lost at the end."""

import asyncio
import io
import os
import subprocess
import sys
import threading

from mailsuite.base.log_output import Lines


class Stream(io.StringIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


async def test_lines_of_one_turn_are_one_write() -> None:
    stream = Stream()
    lines = Lines(stream)
    for turn in range(3):
        for number in range(4):
            lines.msg(f"{turn}.{number}")
        assert stream.writes == turn
        await asyncio.sleep(0)
        assert stream.writes == turn + 1
    written = stream.getvalue().splitlines()
    assert written == [f"{turn}.{number}" for turn in range(3) for number in range(4)]


async def test_threads_and_the_loop_keep_their_own_order() -> None:
    stream = Stream()
    lines = Lines(stream)

    def say(name: str) -> None:
        for number in range(300):
            lines.msg(f"{name} {number}")

    threads = [threading.Thread(target=say, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for number in range(300):
        lines.msg(f"loop {number}")
        await asyncio.sleep(0)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    written = stream.getvalue().splitlines()
    assert len(written) == 900
    for name in ("a", "b", "loop"):
        assert [line for line in written if line.startswith(f"{name} ")] == [
            f"{name} {number}" for number in range(300)
        ]


def test_what_is_said_last_is_written_before_a_crash() -> None:
    program = (
        "import asyncio, sys\n"
        "from mailsuite.base import log\n"
        "async def main():\n"
        "    log.get_logger('test').warning('last words')\n"
        "    raise RuntimeError\n"
        "log.configure(json=True)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert b'"event": "last words"' in done.stderr
    assert done.returncode == 1


async def test_a_reader_that_has_gone_stops_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        lines = Lines(stream)
        await asyncio.to_thread(lines.msg, "in a thread")
        lines.msg("on the loop")
        lines.flush()
        lines.msg("x" * 100_000)
        lines.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)  # what is left can be written at its end
        os.dup2(nowhere, writer)
        os.close(nowhere)
    lines.msg("after it was closed")
    lines.flush()


def test_a_loop_that_has_ended_holds_nothing_up() -> None:
    stream = Stream()
    lines = Lines(stream)

    async def say() -> None:
        lines.msg("a")
        await asyncio.sleep(0)

    ended = asyncio.new_event_loop()
    ended.call_soon(lines.msg, "before")
    ended.call_soon(ended.stop)
    ended.run_forever()  # what it was to write is written by nobody
    ended.close()
    assert not stream.writes
    asyncio.run(say())
    assert stream.getvalue().splitlines() == ["before", "a"]

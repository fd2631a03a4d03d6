"""What is written down of messages is found again, with what followed from them, for a while."""

import asyncio
import io
from pathlib import Path

import pytest

from mailsuite.base import log
from mailsuite.base.tasks import Threads
from mailsuite.history import Recorder, stories


class Clock:
    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def written(path: Path, clock: Clock, *events: dict[str, object], keep: float = 1e6) -> None:
    threads = Threads("history-test", 1)
    recorder = Recorder(path, threads, clock, keep=keep)
    recorder.start()
    try:
        for event in events:
            recorder.take(event)
        await asyncio.sleep(0)
    finally:
        await recorder.stop()
        threads.close()


async def test_by_message_id_and_by_queue_id_with_what_followed(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "history.db"
    await written(
        path,
        clock,
        {"event": "accepted", "id": "A", "message_id": "<1@x.test>", "size": 7, "level": "info"},
        {"event": "accepted", "id": "Z", "message_id": "<2@x.test>"},
        {"event": "bounced", "id": "A", "to": "b@far.test", "text": "nö\nbye"},
        {"event": "follow-up", "id": "B", "of": "A", "to": "a@x.test"},
        {"event": "sent", "id": "B", "to": "a@x.test"},
    )
    for wanted in ("<1@x.test>", "1@x.test", " A "):
        first, second = stories(path, wanted)
        assert (first.id, first.message_id, first.parent) == ("A", "<1@x.test>", None)
        assert [event.fields["event"] for event in first.events] == ["accepted", "bounced"]
        assert first.events[0].fields == {"event": "accepted", "size": 7}
        assert first.events[1].fields["text"] == "nö\nbye" and first.events[1].at == clock.time
        assert (second.id, second.parent, len(second.events)) == ("B", "A", 2)
    assert stories(path, "nothing") == []
    assert stories(tmp_path / "none.db", "A") == []


async def test_what_is_old_is_forgotten(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "history.db"
    old = [{"event": "sent", "id": f"OLD{number}"} for number in range(2500)]
    await written(path, clock, *old, keep=100)
    assert stories(path, "OLD1000")
    clock.time += 101
    await written(path, clock, {"event": "sent", "id": "NEW"}, keep=100)
    assert not stories(path, "OLD1000") and not stories(path, "OLD0")
    assert stories(path, "NEW")


async def test_a_disk_that_refuses_costs_the_history_only(tmp_path: Path, clock: Clock) -> None:
    await written(tmp_path / "missing" / "history.db", clock, {"event": "sent", "id": "A"})


def test_the_log_gives_what_it_does_not_write() -> None:
    taken: list[str] = []
    written_lines = io.StringIO()
    log.configure(level="error", stream=written_lines)
    log.record(lambda event: taken.append(str(event["event"])))
    try:
        logger = log.get_logger("test")
        logger.info("noted", id="A")
        logger.info("not about a message")
        logger.error("written", id="A")
    finally:
        log.record(None)
    assert taken == ["noted", "written"]
    lines = written_lines.getvalue()
    assert "written" in lines and "noted" not in lines

"""The interpreter changes threads more often as long as, and only while, one computes for long."""

import sys
import threading

import pytest

from mailsuite.base.computing import BRIEF, brief_turns
from mailsuite.base.tasks import Threads


def test_brief_until_the_last_one_ends() -> None:
    usual = sys.getswitchinterval()
    entered, leave = threading.Event(), threading.Event()

    def compute() -> None:
        with brief_turns:
            entered.set()
            leave.wait()

    other = threading.Thread(target=compute)
    with brief_turns:
        other.start()
        assert entered.wait(10)
        assert sys.getswitchinterval() == pytest.approx(BRIEF)
    assert sys.getswitchinterval() == pytest.approx(BRIEF)
    leave.set()
    other.join()
    assert sys.getswitchinterval() == pytest.approx(usual)


async def test_threads_compute() -> None:
    usual = sys.getswitchinterval()
    threads = Threads("test", 1)
    try:
        assert await threads.compute(sys.getswitchinterval) == pytest.approx(BRIEF)
        with pytest.raises(ZeroDivisionError):
            await threads.compute(divmod, 1, 0)
        assert sys.getswitchinterval() == pytest.approx(usual)
    finally:
        threads.close()

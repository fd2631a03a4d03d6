"""The machine's zone."""

import time
from collections.abc import Iterator

import pytest

from mailsuite.base.clock import zone


@pytest.fixture
def kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("kolkata")
def test_zone() -> None:
    assert zone(1.7e9) == 330

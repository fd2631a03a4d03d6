"""Log lines in a file are those that structlog would write."""

import sys
from typing import Any

import pytest
import structlog

from mailsuite.base.log_lines import PlainLines, visible

CONSOLE = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)


def fail(*_: object) -> str:
    raise AssertionError("left to the other one")


EVENTS: list[dict[str, Any]] = [
    {"event": "accepted", "level": "info", "timestamp": "2026-11-28T04:54:01.1Z"},
    {
        "event": "accepted",
        "level": "info",
        "timestamp": "2026-11-28T04:54:01.1Z",
        "id": "A",
        "b": 1,
    },
    {"event": "x" * 40, "level": "warning", "zeta": None, "alpha": True, "real": 1.5},
    {"event": "", "level": "critical", "text": "two words", "sign": "a=b", "quote": 'a"b'},
    {"event": "no level", "apostrophe": "it's", "lines": "a\r\nb", "tab": "a\tb", "empty": ""},
    {"event": "others", "level": "error", "names": ["a", "b c"], "octets": b"x", "letter": "ä"},
    {"event": 7, "level": "debug"},
    {"level": "info", "id": "x"},
    {"event": "trailing blanks   ", "level": "info"},
]


@pytest.mark.parametrize("event", EVENTS)
def test_lines_are_the_same(event: dict[str, Any]) -> None:
    assert PlainLines(fail)(None, "info", dict(event)) == CONSOLE(None, "info", dict(event))


def test_tracebacks_are_left_to_the_console_renderer() -> None:
    try:
        raise ValueError("broken part")
    except ValueError:
        event = {"event": "failed", "level": "error", "exc_info": sys.exc_info()}
    line = PlainLines(CONSOLE)(None, "error", dict(event))
    assert line == CONSOLE(None, "error", dict(event))
    assert "ValueError: broken part" in line


@pytest.mark.parametrize(
    "letter", ["\x1b", "\x9b", "\x0b", "\x0c", "\x85", "\u2028", "\ud800", "\u202e"]
)
def test_what_a_peer_has_said_moves_no_cursor_and_ends_no_line(letter: str) -> None:
    event = {"event": "sign-in failed", "level": "warning", "name": f"x{letter}[2J"}
    for line in (
        PlainLines(fail)(None, "warning", dict(event)),
        PlainLines(CONSOLE)(None, "warning", dict(event, exc_info=None)),
        CONSOLE(None, "warning", visible(None, "warning", dict(event))),
    ):
        assert line.isprintable() and repr(event["name"]) in line

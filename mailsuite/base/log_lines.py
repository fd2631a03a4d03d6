"""Pure. A log event as a line for people, when it goes into a file.

The same characters as structlog's ConsoleRenderer without colours, in a tenth of its time: a busy
server writes two lines for each message. What carries a traceback is left to that one. Promises: no
character that a terminal obeys, or that some program takes for the end of a line, comes out of what
a peer has said.
"""

import re
from collections.abc import Callable, MutableMapping
from typing import Any

Event = MutableMapping[str, Any]
Render = Callable[[Any, str, Event], str]

_LEVEL = 9
_EVENT = 30
_RARE = frozenset({"exc_info", "exception", "stack", "logger", "logger_name"})
_QUOTED = re.compile("[ \t=\r\n\"']")


class _Shown:
    """Text that a ConsoleRenderer writes as Python would, with its special characters escaped."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def visible(logger: Any, name: str, event: Event) -> Event:
    """A structlog processor, before a ConsoleRenderer: it quotes only some special characters."""
    for key, value in event.items():
        if key not in _RARE and isinstance(value, str) and not value.isprintable():
            event[key] = _Shown(value)
    return event


class PlainLines:
    """A structlog renderer; `console` makes the lines that are rare."""

    __slots__ = ("_console",)

    def __init__(self, console: Render) -> None:
        self._console = console

    def __call__(self, logger: Any, name: str, event: Event) -> str:
        """The line, without its end."""
        if not _RARE.isdisjoint(event):
            return self._console(logger, name, visible(logger, name, event))
        parts: list[str] = []
        if (when := event.pop("timestamp", None)) is not None:
            parts.append(str(when))
        if (level := event.pop("level", None)) is not None:
            parts.append(f"[{level:<{_LEVEL}}]")
        if (what := event.pop("event", None)) is not None:
            parts.append(f"{what!s:<{_EVENT}}")
        for key in sorted(event):
            value = event[key]
            plain = isinstance(value, str) and value.isprintable() and not _QUOTED.search(value)
            parts.append(f"{key}={value if plain else repr(value)}")
        return " ".join(parts).rstrip(" ")

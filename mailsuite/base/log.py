"""One log: events with fields, as readable lines for people or as JSON for programs.

A log line never carries message text or secrets.
"""

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog

from mailsuite.base.log_lines import PlainLines, visible
from mailsuite.base.log_output import Lines

Logger = structlog.stdlib.BoundLogger
Event = MutableMapping[str, Any]

_LEVELS = logging.getLevelNamesMapping()
_recorder: Callable[[Mapping[str, Any]], None] | None = None


def get_logger(room: str) -> Logger:
    """The logger of a room: ``get_logger("smtpd").info("accepted", queue_id=...)``."""
    return cast(Logger, structlog.get_logger(room=room))


def record(recorder: Callable[[Mapping[str, Any]], None] | None) -> None:
    """Give `recorder` every event from now on that has an `id`, also what is not written.

    It is called from any thread, and must be quick and not raise.
    """
    global _recorder
    _recorder = recorder


def _recorded(logger: Any, name: str, event: Event) -> Event:
    if _recorder is not None and "id" in event:
        _recorder(event)
    return event


def configure(*, json: bool = False, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up the log for the whole process; `level` is debug, info, warning or error."""
    out = stream or sys.stderr
    threshold = _LEVELS[level.upper()]

    def drop_minor(logger: Any, name: str, event: Event) -> Event:
        if _LEVELS[str(event["level"]).upper()] < threshold:
            raise structlog.DropEvent
        return event

    lines = Lines(out)
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _recorded,
        drop_minor,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if json:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain tracebacks: the pretty ones show local variables, and so mail and passwords.
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        processors += [visible, renderer] if out.isatty() else [PlainLines(renderer)]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(min(threshold, logging.INFO)),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    # Libraries that use the standard log (asyncio, aiosmtpd) report here only what went wrong.
    logging.basicConfig(stream=out, level=logging.WARNING, format="%(name)s: %(message)s")

"""One log: events with fields, as readable lines for people or as JSON for programs.

A log line never carries message text or secrets.
"""

import logging
import sys
from typing import Any, TextIO, cast

import structlog

Logger = structlog.stdlib.BoundLogger


def get_logger(room: str) -> Logger:
    """The logger of a room: ``get_logger("smtpd").info("accepted", queue_id=...)``."""
    return cast(Logger, structlog.get_logger(room=room))


def configure(*, json: bool = False, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up the log for the whole process; `level` is debug, info, warning or error."""
    out = stream or sys.stderr
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if json:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain tracebacks: the pretty ones show local variables, and so mail and passwords.
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        processors.append(renderer)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # Libraries that use the standard log (asyncio, aiosmtpd) report here only what went wrong.
    logging.basicConfig(stream=out, level=logging.WARNING, format="%(name)s: %(message)s")

"""What commands print: tables for people, JSON for programs, remarks on standard error.

Promises: a terminal that lacks a character shows another in its place; what can't be written (a
full disk) is a mistake that is told, and a reader that has gone (`| head`) ends the command.
"""

import contextlib
import errno
import io
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from mailsuite.base.errors import UserError


def prepare() -> None:
    """Streams that can be used: each of the three is there, and takes every character.

    A program may start with a standard stream closed. What it opens next would then be in its
    place, and be written to.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The least number that is free is taken, and those below are there by now.
            opened = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(opened, mode, encoding="utf-8", closefd=False))
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "replace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """What is written here is written, or UserError says why not. What is left goes nowhere."""
    try:
        yield
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            raise SystemExit(1) from error
        raise UserError(f"cannot write to the standard output: {error.strerror}") from error


def write(text: str) -> None:
    """Text as it is, on standard output. Raises UserError."""
    with writing():
        sys.stdout.write(text)


def write_octets(octets: bytes) -> None:
    """The same for octets."""
    with writing():
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()


def finish() -> None:
    """Everything is out, and nothing is tried again at the exit. Raises UserError."""
    with writing():
        sys.stdout.flush()


def say(text: str) -> None:
    """A line for the person, on standard output."""
    write(clean(text) + "\n")


def warn(text: str) -> None:
    """A remark on standard error; the command goes on."""
    sys.stderr.write(f"mailsuite: warning: {clean(text)}\n")


def note(text: str) -> None:
    """Something for a person beside the answer, on standard error, so that pipes see the answer."""
    sys.stderr.write(clean(text) + "\n")


def fail(text: str) -> None:
    """Why the command was not done, on standard error. Several lines are several reasons."""
    first, *others = text.splitlines() or [""]
    lines = [f"mailsuite: {first}"] if not others else ["mailsuite: several mistakes:", first]
    sys.stderr.write("\n".join(clean(line) for line in [*lines, *others]) + "\n")


def emit(value: Any) -> None:
    """JSON on standard output, ASCII whatever the terminal's encoding."""
    write(json.dumps(value, indent=2) + "\n")


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    empty: str,
    right: Sequence[str] = (),
) -> None:
    """A table for people; `right` names the columns of numbers, `empty` is said without rows."""
    cells = [[clean(str(cell)) for cell in row] for row in rows]
    if not cells:
        say(empty)
        return
    if sys.stdout.isatty() and _is_far_too_wide(columns, cells):
        _say_lists(columns, cells)
        return
    from rich.table import Table
    from rich.text import Text

    made = Table(
        box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0),
        show_header=any(columns),
    )  # fmt: skip
    for place, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column in right else "left"
        # What names the row stays whole, to be copied.
        made.add_column(column, justify=justify, overflow="fold", no_wrap=place == 0)
    for row in cells:
        made.add_row(*(Text(cell) for cell in row))
    draw(made)


def _is_far_too_wide(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> bool:
    """Whether so much would have to be folded that nobody could read it."""
    from rich.cells import cell_len
    from rich.console import Console

    widths = [max(map(cell_len, column)) + 2 for column in zip(columns, *cells, strict=True)]
    return 3 * sum(widths) > 4 * Console().width


def _say_lists(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Each row as lines of its own, for a narrow terminal."""
    width = max(map(len, columns))
    for place, row in enumerate(cells):
        if place:
            say("")
        for column, cell in zip(columns, row, strict=True):
            say(f"{column:<{width}}  {cell}")


def draw(drawing: Any) -> None:
    """What `rich` draws. Into a pipe or file every row is one line, however long."""
    from rich.console import Console

    console = Console(highlight=False) if sys.stdout.isatty() else Console(width=10_000)
    with writing(), console.capture() as capture:
        console.print(drawing)
    for line in capture.get().splitlines():
        write(line.rstrip() + "\n")


def clean(text: str) -> str:
    """Text without what would steer the terminal: addresses in the queue come from strangers."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def moment(seconds: float | None) -> str:
    """A time since the epoch as the person's clock shows it."""
    if seconds is None:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def span(seconds: float) -> str:
    """A length of time, in its two largest units: "3d 4h"."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= length or (unit == "s" and not parts):
            parts.append(f"{left // length}{unit}")
            left %= length
    return " ".join(parts[:2])


def size(octets: int) -> str:
    """A size to three digits: "12.3 MB"."""
    value, unit = float(octets), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}" if unit != "B" else f"{octets} B"

"""What commands print: tables for people, JSON for programs, remarks on standard error."""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any


def say(text: str) -> None:
    """A line for the person, on standard output."""
    sys.stdout.write(clean(text) + "\n")


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
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in cells:
        made.add_row(*(Text(cell) for cell in row))
    # Into a pipe or file every row is one line, however long.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(width=10_000)
    with console.capture() as capture:
        console.print(made)
    for line in capture.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")


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

"""Pure. Text in the form `format=flowed` (RFC 3676): long lines broken so that readers join them.

Promises: joined again by §4.4, the paragraphs are those that went in, but for blanks at their ends.
"""

WIDTH = 72
_SIGNATURE = "-- "


def flow(text: str) -> str:
    """`text`, whose lines end with LF, flowed. Quoted lines (`>`) are left as they are."""
    return "\n".join(part for line in text.split("\n") for part in _flowed(line))


def _flowed(line: str) -> list[str]:
    if line == _SIGNATURE:
        return [line]
    line = line.rstrip(" ")
    if line.startswith(">"):
        return [line]
    parts: list[str] = []
    while len(line) > WIDTH and (cut := _cut(line)):
        parts.append(_stuffed(line[:cut]))
        line = line[cut:]
    parts.append(_stuffed(line))
    return parts


def _cut(line: str) -> int:
    """Where a word begins behind which the rest may go on the next line; 0 where none does."""
    cut = line.rfind(" ", 1, WIDTH) + 1 or line.find(" ", WIDTH) + 1
    # What follows begins with a word, so that the blank before it marks the soft break.
    while 0 < cut < len(line) and line[cut] == " ":
        cut += 1
    if line[: cut - 1] == "--":  # would be read as a signature's line
        cut = line.find(" ", cut) + 1
        while 0 < cut < len(line) and line[cut] == " ":
            cut += 1
    return cut if 0 < cut < len(line) and line[:cut].strip(" ") else 0


def _stuffed(line: str) -> str:
    """With a blank before what has a meaning at the start of a line (§4.4)."""
    return f" {line}" if line.startswith((" ", ">", "From ")) else line

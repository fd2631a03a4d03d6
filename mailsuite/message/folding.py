"""Pure. Header lines that are longer than any way takes, folded where they have white space.

Promises: unfolding (RFC 5322 §2.2.3) gives the same octets as before; a line without white space
stays as it is; linear time.
"""

import re

from mailsuite.message.traits import MAX_LINE, Source, has_long_line

# White space between two words; the first word of a line stays where it is.
_SPACE = re.compile(rb"[ \t](?=[^\s])")
_LAST_SPACE = re.compile(rb"[ \t]*+[^ \t]++.*[ \t](?=[^\s])", re.DOTALL)


def fold_points(data: Source, start: int, end: int) -> list[int]:
    """Offsets at which a CRLF makes the header lines from `start` to `end` short enough."""
    points: list[int] = []
    if not has_long_line(data, start, end):
        return points
    line = start
    while line < end:
        newline = data.find(b"\n", line, end)
        stop = end if newline < 0 else newline
        while stop - line > MAX_LINE:
            # The last white space in reach, else the first behind it.
            match = _LAST_SPACE.match(data, line, line + MAX_LINE + 1) or _SPACE.search(
                data, line + MAX_LINE, stop
            )
            if match is None:
                break
            line = match.end() - 1
            points.append(line)
        line = stop + 1
    return points


def fold_long_lines(block: bytes) -> bytes:
    """A header block with its overlong lines folded; the same object where there are none."""
    points = fold_points(block, 0, len(block))
    if not points:
        return block
    return b"\r\n".join(
        block[at:to] for at, to in zip([0, *points], [*points, len(block)], strict=True)
    )

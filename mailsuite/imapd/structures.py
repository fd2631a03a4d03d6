"""Pure. What is made of a BODYSTRUCTURE, as `facets` keeps it: BODY without extension data, one
part's structure (RFC 5524), the form for clients that know no message/global.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from mailsuite.imapd.parts import part_at
from mailsuite.imapd.syntax.model import Section

# Everything is read once, from left to right: structures may come from anybody, with thousands of
# parts, one inside the other.
_QUOTED = rb'"(?:[^"\\]++|\\.)*+"'
_TOKEN = re.compile(_QUOTED + rb'|\{([0-9]+)\}\r\n|[^ ()"{]++', re.DOTALL)
_TO_BRACKET = re.compile(rb'(?:[^()"{]++|' + _QUOTED + rb")*+(?:[()]|\{([0-9]++)\}\r\n)", re.DOTALL)
_LIST = rb"\(" + _QUOTED + rb"(?: " + _QUOTED + rb")*+\)"
_ITEM = rb"(?:NIL|" + _QUOTED + rb"|" + _LIST + rb")"
_VALUE = rb"(?:NIL|[0-9]++|" + _QUOTED + rb"|\(" + _ITEM + rb"(?: " + _ITEM + rb")*+\))"
_PLAIN_LEAF = re.compile(
    rb'(\((?:"text"(?: ' + _VALUE + rb'){7}|(?!"text"|"message")' + _QUOTED + rb"(?: " + _VALUE
    # with the extension data
    + rb"){6}))(?: " + _VALUE + rb"){4}\)",
    re.DOTALL,
)  # fmt: skip
_GLOBAL = b'"message" "global"'
_OPEN, _SPACE = b"( "


def _end(data: bytes, at: int) -> int:
    """Where the value ends that begins at `at`: a list as a whole."""
    if data[at] == _OPEN:
        return _end_of_list(data, at + 1)
    token = _TOKEN.match(data, at)
    assert token is not None
    return token.end() + int(token[1] or 0)


def _end_of_list(data: bytes, at: int) -> int:
    """Behind the bracket that closes the list inside of which `at` is."""
    depth = 1
    while depth:
        step = _TO_BRACKET.match(data, at)
        assert step is not None
        at = step.end()
        if step[1] is not None:
            at += int(step[1])
        else:
            depth += 1 if data[at - 1] == _OPEN else -1
    return at


def _behind(data: bytes, at: int, count: int) -> int:
    """Where the last ends of `count` values, the first of which begins at `at`."""
    for _ in range(count - 1):
        at = _end(data, at) + 1
    return _end(data, at)


def _inside(data: bytes, at: int) -> int | None:
    """Of the part that begins at `at`: where what it has ends, if the message in it is told next.

    That is its envelope, a list, which no other kind of part has there.
    """
    if data[at + 1 : at + 10].lower() != b'"message"':
        return None
    end = _behind(data, at + 1, 7)
    return end if data[end : end + 2] == b" (" else None


def body(bodystructure: bytes) -> bytes:
    """BODY, the form without extension data, from the octets of BODYSTRUCTURE.

    `bodystructure` must be what `compute` gave.
    """
    out: list[bytes] = []
    _add_body(bodystructure, 0, out)
    return b"".join(out)


def _add_body(data: bytes, at: int, out: list[bytes]) -> int:
    """One `body`; where it ends."""
    if (leaf := _PLAIN_LEAF.match(data, at)) is not None:  # nearly every part
        out += leaf[1], b")"
        return leaf.end()
    start = at
    if data[at + 1] == _OPEN:
        at += 1
        out.append(b"(")
        while data[at] == _OPEN:
            at = _add_body(data, at, out)
        end = _end(data, at + 1)  # the subtype
        out.append(data[at:end])
    elif (inside := _inside(data, at)) is not None:
        end = _end(data, inside + 1)
        out.append(data[start : end + 1])
        at = _add_body(data, end + 1, out)
        end = _end(data, at + 1)  # lines
        out.append(data[at:end])
    else:
        end = _behind(data, at + 1, 8 if data[at + 1 : at + 7].lower() == b'"text"' else 7)
        out.append(data[start:end])
    out.append(b")")
    return _end_of_list(data, end)


def as_basic(structure: bytes) -> bytes:
    """The structure for a client of RFC 3501 alone, whose `media-message` is message/rfc822.

    Each message/global is a part without a structure in it (RFC 9755 §6). `structure`: of either
    form.
    """
    if _GLOBAL not in structure:
        return structure
    out: list[bytes] = []
    _add_basic(structure, 0, out)
    return b"".join(out)


def conversion(
    structures: Sequence[bytes], *, basic: bool, plain: bool
) -> Callable[[], Sequence[bytes]] | None:
    """What makes `as_basic` and BODY (`plain`) of many structures; None: they are so already."""
    basic = basic and _GLOBAL in b"".join(structures)  # in a fifth of the time of one by one
    if not (basic or plain):
        return None

    def convert() -> Sequence[bytes]:
        found: Iterable[bytes] = map(as_basic, structures) if basic else structures
        return [body(each) for each in found] if plain else list(found)

    return convert


def _add_basic(data: bytes, at: int, out: list[bytes]) -> int:
    """One part in the basic form; where it ends."""
    start = at
    if data[at + 1] == _OPEN:
        at += 1
        out.append(b"(")
        while data[at] == _OPEN:
            at = _add_basic(data, at, out)
    elif (inside := _inside(data, at)) is None:
        at = _end(data, at)
        out.append(data[start:at])
        return at
    elif data.startswith(_GLOBAL, at + 1):
        out.append(data[start:inside])
        at = _behind(data, inside + 1, 3)  # envelope, structure, lines
    else:
        end = _end(data, inside + 1)
        out.append(data[start : end + 1])
        at = _add_basic(data, end + 1, out)
    end = _end_of_list(data, at)
    out.append(data[at:end])
    return end


def part_structure(bodystructure: bytes, numbers: Sequence[int]) -> bytes | None:
    """The structure of one part (RFC 5524), () for the message; None: there is no such part.

    `bodystructure` must be what `compute` gave.
    """
    data, at, is_message = bodystructure, 0, True
    for number in numbers:
        if not is_message and (inside := _inside(data, at)) is not None:
            at, is_message = _end(data, inside + 1) + 1, True
        if data[at + 1] == _OPEN:
            at += 1
            for _ in range(number - 1):
                at = _end(data, at)
                if data[at] != _OPEN:
                    return None
        elif not is_message or number != 1:
            return None
        is_message = False
    return data[at : _end(data, at)]


def is_leaf(parts: bytes, section: Section) -> bool:
    """A section names one part that has no parts, and no message, in it."""
    found = part_at(parts, section.part) if section.part and not section.text else None
    return found is not None and found.leaf


def as_sent(structure: bytes, encoding: bytes, size: int, lines: int) -> bytes:
    """The structure of a leaf whose octets are sent in another encoding."""
    before = _behind(structure, 1, 5)
    behind = end = _behind(structure, before + 1, 2)
    sent = b' "%b" %d' % (encoding, size)
    if structure[1:7].lower() == b'"text"':
        sent += b" %d" % lines
        behind = _end(structure, end + 1)
    return structure[:before] + sent + structure[behind:]

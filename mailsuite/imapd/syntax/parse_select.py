"""Pure. SELECT and EXAMINE with their parameters (RFC 9051 §6.3.2, RFC 4466 §2.1, RFC 7162)."""

from __future__ import annotations

from itertools import pairwise

from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.model import STAR, Resync, SelectArguments, SequenceSet
from mailsuite.imapd.syntax.parse_mailbox import both_names
from mailsuite.imapd.syntax.parse_values import mod_sequence, sequence_set


def select(cursor: Cursor) -> tuple[SelectArguments]:
    """(SelectArguments,)"""
    cursor.sp()
    name, given = both_names(cursor)
    condstore = False
    resync = None
    if cursor.skip(b" "):
        cursor.expect(b"(")
        while True:
            parameter = cursor.word("a parameter")
            if parameter == "CONDSTORE":
                condstore = True
            elif parameter == "QRESYNC" and resync is None:
                cursor.sp()
                resync = _resync(cursor)
            else:
                raise cursor.problem(f"unknown parameter, or twice: '{parameter[:40]}'")
            if cursor.skip(b")"):
                break
            cursor.sp()
    return (SelectArguments(name, condstore, resync, given),)


def _resync(cursor: Cursor) -> Resync:
    """`"(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`"""
    cursor.expect(b"(")
    uidvalidity = cursor.number("a UIDVALIDITY", low=1)
    cursor.sp()
    modseq = mod_sequence(cursor)
    known = matches = None
    space = cursor.skip(b" ")
    if space and not cursor.next_is(b"("):
        known = _known_set(cursor)
        space = cursor.skip(b" ")
    if space:
        cursor.expect(b"(")
        numbers = _known_set(cursor)
        cursor.sp()
        matches = numbers, _known_set(cursor)
        if not all(map(_ascends, matches)) or len({_size(each) for each in matches}) > 1:
            raise cursor.problem("message numbers and UIDs must ascend, and be as many")
        cursor.expect(b")")
    cursor.expect(b")")
    return Resync(uidvalidity, modseq, known, matches)


def _known_set(cursor: Cursor) -> SequenceSet:
    """`known-uids`, `known-sequence-set`, `known-uid-set`: without "*" (RFC 7162 §7)."""
    found = sequence_set(cursor)
    if found.saved or any(high == STAR for _, high in found.ranges):
        raise cursor.problem('"*" and "$" may not stand here')
    return found


def _ascends(numbers: SequenceSet) -> bool:
    return all(before[1] < after[0] for before, after in pairwise(numbers.ranges))


def _size(numbers: SequenceSet) -> int:
    return sum(high - low + 1 for low, high in numbers.ranges)

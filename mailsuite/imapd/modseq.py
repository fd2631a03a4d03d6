"""Mod-sequences in the answers to searches (RFC 7162 §3.1.6, §3.1.9, §3.1.10, RFC 4731 §3.2)."""

from __future__ import annotations

from collections.abc import Sequence, Set

from mailsuite.imapd.syntax.model import SearchKey, SearchModseq
from mailsuite.imapd.syntax.search_keys import contains
from mailsuite.imapd.view import View


def asked(key: SearchKey) -> bool:
    """MODSEQ is one of the program's criteria: the answer tells the highest one."""
    return contains(key, lambda each: isinstance(each, SearchModseq))


def highest(view: View, positions: Sequence[int], returns: Set[str] = frozenset()) -> int:
    """The highest mod-sequence of the messages that the answer tells of; there must be some.

    `returns`: the result options; MIN and MAX alone tell of one message each.
    """
    if returns & {"MIN", "MAX"} and not returns & {"ALL", "COUNT"}:
        ends = [("MIN", positions[0]), ("MAX", positions[-1])]
        positions = [position for name, position in ends if name in returns]
    uids, mailbox = view.uids, view.mailbox
    if uids is mailbox.uids:
        return max(map(mailbox.modseqs.__getitem__, positions))
    return max(view.modseq(uids[position]) for position in positions)

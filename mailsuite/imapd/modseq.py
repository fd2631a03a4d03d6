"""Mod-sequences in the answers to searches (RFC 7162 §3.1.6, §3.1.9, §3.1.10, RFC 4731 §3.2)."""

from __future__ import annotations

from collections.abc import Collection

from mailsuite.imapd.syntax.model import SearchKey, SearchModseq
from mailsuite.imapd.syntax.search_keys import contains
from mailsuite.imapd.view import View


def asked(key: SearchKey) -> bool:
    """MODSEQ is one of the program's criteria: the answer tells the highest one."""
    return contains(key, lambda each: isinstance(each, SearchModseq))


def highest(view: View, places: Collection[int]) -> int:
    """The highest mod-sequence of messages, of which there must be some."""
    uids, mailbox = view.uids, view.mailbox
    if uids is mailbox.uids:
        return max(map(mailbox.modseqs.__getitem__, places))
    return max(view.modseq(uids[place]) for place in places)

r"""Pure. What a session may do with a mailbox: rights, and the flags that they let change.

RFC 4314 §2.1, §4. \Seen is one flag for all who share a mailbox, as all others are.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from mailsuite.store import ALL_RIGHTS, Scope

WRITING = frozenset("iewst")
"""With none of these a mailbox is selected read-only (RFC 4314 §5.2)."""
ANNOTATING = frozenset("rswip")
"""Any of them, and "l", lets annotations be read and set (RFC 5464 §3.3)."""
_MEMBERS = {"c": "kx", "d": "et"}
"""The rights of RFC 2086 that are several now (RFC 4314 §2.1.1)."""


@lru_cache(maxsize=256)
def scope(rights: frozenset[str]) -> Scope:
    """Flags that may be changed with these rights."""
    return Scope(seen="s" in rights, deleted="t" in rights, others="w" in rights)


def may_set(flag: str, rights: frozenset[str]) -> bool:
    """May this flag be changed?"""
    return {r"\Seen": "s", r"\Deleted": "t"}.get(flag, "w") in rights


def settable(flags: Iterable[str], rights: frozenset[str]) -> frozenset[str]:
    """Those of the flags that may be changed."""
    return frozenset(flag for flag in flags if may_set(flag, rights))


def expanded(letters: str) -> str:
    """Rights as a client writes them, "c" and "d" as what they stand for.

    Raises ValueError for what is no right (§3.1: it must not be passed over).
    """
    rights = "".join(_MEMBERS.get(letter, letter) for letter in letters)
    for letter in rights:
        if letter not in ALL_RIGHTS:
            raise ValueError(letter)
    return rights


def told(rights: str) -> str:
    """Rights as a client is told of them, "c" and "d" added."""
    virtual = [letter for letter, members in _MEMBERS.items() if set(members) & set(rights)]
    return rights + "".join(virtual)

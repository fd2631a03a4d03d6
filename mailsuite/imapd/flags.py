"""Pure. Which flags a client may set (RFC 3501 §2.3.2)."""

from __future__ import annotations

from collections.abc import Iterable

from mailsuite.imapd.reply import Bad

SYSTEM_FLAGS = (r"\Answered", r"\Flagged", r"\Deleted", r"\Seen", r"\Draft")
_KNOWN = {flag.lower(): flag for flag in SYSTEM_FLAGS}


def check_flags(flags: Iterable[str]) -> frozenset[str]:
    r"""The flags, system flags in their one spelling. Raises Bad for `\Recent` and unknown ones."""
    found = set()
    for flag in flags:
        if flag.startswith("\\"):
            known = _KNOWN.get(flag.lower())
            if known is None:
                raise Bad(f"{flag} can't be set")
            found.add(known)
        else:
            found.add(flag)
    return frozenset(found)

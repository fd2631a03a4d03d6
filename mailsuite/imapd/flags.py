"""Pure. Which flags a client may set (RFC 3501 §2.3.2)."""

from __future__ import annotations

from collections.abc import Iterable

SYSTEM_FLAGS = (r"\Answered", r"\Flagged", r"\Deleted", r"\Seen", r"\Draft")
_KNOWN = {flag.lower(): flag for flag in SYSTEM_FLAGS}


def settable_flags(flags: Iterable[str]) -> frozenset[str]:
    r"""System flags in their one spelling, and keywords, each in the spelling that comes first.

    Other flags that begin with `\` are in no PERMANENTFLAGS: to set them is no error, and changes
    nothing (RFC 3501 §7.1, appendix B 59).
    """
    found: dict[str, str] = {}
    for flag in flags:
        name = flag.lower()
        if not name.startswith("\\"):
            found.setdefault(name, flag)
        elif name in _KNOWN:
            found[name] = _KNOWN[name]
    return frozenset(found.values())

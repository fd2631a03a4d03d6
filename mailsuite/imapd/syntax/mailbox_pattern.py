"""Pure. LIST wildcards: `*` matches anything, `%` anything but the separator (RFC 9051 §6.3.9)."""

from __future__ import annotations


class MailboxPattern:
    """One pattern, ready to be matched against many names."""

    def __init__(self, pattern: str, *, separator: str = "/") -> None: ...

    def matches(self, name: str) -> bool:
        """Is `name` matched whole? "INBOX" as first level in any case."""
        return False


def join_reference(reference: str, pattern: str) -> str:
    """The canonical pattern of LIST's two arguments (RFC 9051 §6.3.9)."""
    return reference + pattern

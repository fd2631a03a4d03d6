"""A POP3 client: a pure reader and dialogue, and a thin session over a connection."""

from mailsuite.remote.pop3.session import Item, Pop3Session, open_pop3

__all__ = ["Item", "Pop3Session", "open_pop3"]

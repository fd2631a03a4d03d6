"""An IMAP client: pure machines, and a thin session over a connection."""

from mailsuite.remote.imap.command import sets, string
from mailsuite.remote.imap.response import (
    Data,
    Fetched,
    Listed,
    Text,
    fetched,
    listed,
    namespaces,
    number,
    status,
)
from mailsuite.remote.imap.session import ImapSession, open_imap

__all__ = [
    "Data",
    "Fetched",
    "ImapSession",
    "Listed",
    "Text",
    "fetched",
    "listed",
    "namespaces",
    "number",
    "open_imap",
    "sets",
    "status",
    "string",
]

"""The IMAP door: what all IMAP sessions share, and the function that runs one.

One `Imapd` may serve several listeners. It owns none of the objects that it is given.
"""

from __future__ import annotations

import ssl

from mailsuite.accounts import Lookups
from mailsuite.base.tasks import Threads
from mailsuite.imapd.announcer import Announcer
from mailsuite.imapd.commands import notify
from mailsuite.imapd.dispatch import Dispatch
from mailsuite.imapd.session import Session
from mailsuite.imapd.settings import Settings
from mailsuite.imapd.sort_cache import SortCache
from mailsuite.imapd.table import CAPABILITIES, COMMANDS
from mailsuite.net import Connection
from mailsuite.signin import SignIn
from mailsuite.store import Store

BUSY = b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n"
"""What a listener says to a client that is over the limits."""


class Imapd:
    """The door. `session` is what `net.Listener` calls with each connection."""

    def __init__(
        self,
        settings: Settings,
        sign_in: SignIn,
        directory: Lookups,
        store: Store,
        threads: Threads,
        tls: ssl.SSLContext | None = None,
        *,
        beside: Imapd | None = None,
    ) -> None:
        """`threads` search and sort. `tls` is for STARTTLS; None: it is not offered.

        `beside`: another door over the same store, to whose sessions news go from here as well.
        """
        self.settings = settings
        self.sign_in = sign_in
        self.directory = directory
        self.store = store
        self.threads = threads
        self.tls = tls
        self.commands = COMMANDS
        self.capabilities = CAPABILITIES
        self.tell_watched = notify.tell
        self.announcer: Announcer = Announcer() if beside is None else beside.announcer
        self.sort_cache: SortCache = SortCache(threads) if beside is None else beside.sort_cache

    async def session(self, connection: Connection) -> None:
        """Serve one client until it or we say goodbye."""
        await Dispatch(Session(self, connection)).run()

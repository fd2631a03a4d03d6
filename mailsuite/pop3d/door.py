"""The door itself: what all POP3 sessions share, and one session for each connection.

Promises: a maildrop is open in one session at a time (RFC 1939 §3, the exclusive-access lock), and
is free again when that session has ended in whatever way.
"""

from dataclasses import replace

from mailsuite.net import Connection
from mailsuite.pop3d.maildrop import Maildrop, Sizes
from mailsuite.pop3d.session import Session
from mailsuite.pop3d.settings import Settings
from mailsuite.signin import SignIn
from mailsuite.store import Store

BUSY = b"-ERR [SYS/TEMP] too many connections, try again later\r\n"


class Pop3d:
    """Gives `net.Listener` its sessions; one object for all POP3 listeners."""

    def __init__(self, settings: Settings, *, sign_in: SignIn, store: Store) -> None:
        self.settings = settings  # replaced by a reload: for sessions that begin after it
        self.sign_in = sign_in
        self._store = store
        self._open: set[str] = set()
        self._sizes = Sizes()

    async def session(self, connection: Connection) -> None:
        """Serve one client until it has gone."""
        await Session(connection, self, self.settings).run()

    async def session_without_tls(self, connection: Connection) -> None:
        """The same for a listener that never goes over to TLS: STLS is not offered."""
        await Session(connection, self, replace(self.settings, tls=None)).run()

    # -- what a session asks of it (see session.House) ------------------------------------------

    def lock(self, account: str) -> bool:
        """Take the maildrop; False while another session has it."""
        if account in self._open:
            return False
        self._open.add(account)
        return True

    def unlock(self, account: str) -> None:
        self._open.discard(account)

    async def open(self, account: str) -> Maildrop:
        """The maildrop as it is now. Raises StoreError."""
        return await Maildrop.open(await self._store.account(account), self._sizes)

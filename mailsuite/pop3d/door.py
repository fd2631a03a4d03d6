"""The door itself: what all POP3 sessions share, and one session for each connection.

Promises: a maildrop is open in one session at a time (RFC 1939 §3, the exclusive-access lock), and
is free again when that session has ended in whatever way.
"""

from dataclasses import replace
from math import ceil
from ssl import SSLContext

from mailsuite.base.clock import Clock
from mailsuite.net import Connection
from mailsuite.pop3d.maildrop import Maildrop, Sizes
from mailsuite.pop3d.session import Session
from mailsuite.pop3d.settings import Settings
from mailsuite.signin import SignIn
from mailsuite.store import Store

MANY = 1000  # accounts that are noted before those that came long ago are forgotten
BUSY = b"-ERR [SYS/TEMP] too many connections, try again later\r\n"


class Pop3d:
    """Gives `net.Listener` its sessions; one object for all POP3 listeners."""

    def __init__(self, settings: Settings, *, sign_in: SignIn, store: Store, clock: Clock) -> None:
        self.settings = settings  # replaced by a reload: for sessions that begin after it
        self.sign_in = sign_in
        self._store = store
        self._open: set[str] = set()
        self._sizes = Sizes()
        self._clock = clock
        self._came: dict[str, float] = {}
        self._look_at = MANY

    async def session(self, connection: Connection) -> None:
        """Serve one client until it has gone."""
        await Session(connection, self, self.settings).run()

    async def session_with(self, tls: SSLContext | None, connection: Connection) -> None:
        """The same for a listener with another TLS context; None: STLS is not offered."""
        await Session(connection, self, replace(self.settings, tls=tls)).run()

    # -- what a session asks of it (see session.House) ------------------------------------------

    def lock(self, account: str) -> bool:
        """Take the maildrop; False while another session has it."""
        if account in self._open:
            return False
        self._open.add(account)
        return True

    def came_too_soon(self, account: str) -> int:
        """Seconds until the account may sign in again (RFC 2449 §6.5); 0: it may now.

        To be asked after the password has been found right, so that it tells strangers nothing.
        """
        came = self._came.get(account)
        if came is None:
            return 0
        delay = self.settings.policies.of(account).login_delay
        return max(ceil(came + delay - self._clock.monotonic()), 0)

    def came(self, account: str) -> None:
        """The account has signed in."""
        policies, now = self.settings.policies, self._clock.monotonic()
        if policies.of(account).login_delay:
            self._came[account] = now
        if len(self._came) >= self._look_at:
            since = now - policies.longest_delay
            self._came = {name: at for name, at in self._came.items() if at > since}
            self._look_at = max(2 * len(self._came), MANY)

    async def update(self, account: str, maildrop: Maildrop) -> int:
        """The end of a session that asked for it; how many messages were removed. StoreError."""
        expire = self.settings.policies.of(account).expire
        return await maildrop.update(expire, self._clock.now())

    def unlock(self, account: str) -> None:
        self._open.discard(account)

    async def open(self, account: str) -> Maildrop:
        """The maildrop as it is now. Raises StoreError."""
        return await Maildrop.open(await self._store.account(account), self._sizes)

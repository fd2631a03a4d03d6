"""One remote account: visits by its schedule, at once when it is asked for or told of new mail.

Promises: one visit at a time; a visit that fails is made again after a growing wait, which a
restart does not shorten; how it fares is written down after each visit.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import replace

from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import committed
from mailsuite.fetch import imap_visit, pop3_visit
from mailsuite.fetch.model import Fares, Remote
from mailsuite.fetch.visit import Needs, Told
from mailsuite.queue import QueueUnavailable
from mailsuite.remote import Credential, RemoteError, SignInRefused, packed, unpacked
from mailsuite.remote.access import Access
from mailsuite.remote.imap import ImapSession
from mailsuite.vault import Vault

log = get_logger("fetch")
FIRST_WAIT = 60.0  # seconds
LONGEST_WAIT = 6 * 3600.0
REFUSED_WAIT = 900.0
"""After a refused password: servers lock out whoever tries often."""
IDLE_WAIT = 24 * 60.0
"""RFC 2177: IDLE is begun anew at least every 29 minutes."""
UNEXPECTED = "it failed inside the server; its log has the details"


class Runner:
    """See the module. `run` goes on until it is cancelled.

    visiting  a visit is going on
    idling    the server over there tells of new mail
    """

    def __init__(
        self,
        remote: Remote,
        needs: Needs,
        vault: Vault,
        gate: asyncio.Semaphore,
        exists: Callable[[str], bool],
    ) -> None:
        """
        gate    bounds the visits at once
        exists  whether the local account is there; in a thread
        """
        self.remote = remote
        self.visiting = False
        self.idling = False
        self._needs = needs
        self._vault = vault
        self._gate = gate
        self._exists = exists
        self._opened: Access | None = None
        self._wake = asyncio.Event()
        self._waiting: list[asyncio.Future[tuple[int, str]]] = []

    async def visited(self) -> tuple[int, str]:
        """Have a visit made now, and wait for its end: (messages fetched, error or "")."""
        done: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._wake.set()
        return await done

    async def run(self) -> None:
        """Visits, one after the other."""
        fares = await self._needs.threads.run(self._needs.database.fares, self.remote.id)
        wait = fares.next - self._now() if fares.failures else 0.0
        session: ImapSession | None = None
        try:
            while True:
                await self._wait(wait)
                waiting, self._waiting = self._waiting, []
                self._wake.clear()
                async with self._gate:
                    session, told, error = await self._visit(session)
                fares = self._after(fares, told, error)
                await self._note(fares)
                self._tell(waiting, told.fetched, fares.error)
                wait = fares.next - self._now()
                if session is not None and self._wake.is_set():
                    wait = 0.0
                elif session is not None:
                    session = await self._idle(session)
                    wait = 0.0
        finally:
            if session is not None:
                session.abort()
            self._tell(self._waiting, 0, "the server stops")

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()

    @staticmethod
    def _tell(waiting: list[asyncio.Future[tuple[int, str]]], count: int, error: str) -> None:
        for one in waiting:
            if not one.done():
                one.set_result((count, error))

    def _now(self) -> float:
        return self._needs.into.clock.now()

    # -- a visit -----------------------------------------------------------------------------------

    async def _visit(
        self, session: ImapSession | None
    ) -> tuple[ImapSession | None, Told, Exception | None]:
        """On a session that was idle, or a new one.

        A session to idle on, if there is one; what was fetched; what went wrong.
        """
        self.visiting = True
        told = Told()
        try:
            if not await asyncio.to_thread(self._exists, self.remote.account):
                raise UserError(f"there is no user {self.remote.account} here any more")
            access = await self._access()
            if self.remote.protocol == "pop3":
                pop3 = await access.pop3()
                try:
                    return None, await pop3_visit.visit(self._needs, self.remote, pop3), None
                finally:
                    pop3.abort()
            if session is None:
                session = await access.imap()
            try:
                told = await imap_visit.visit(self._needs, self.remote, session)
            except BaseException:
                session.abort()
                raise
            if self.remote.idle and "IDLE" in session.capabilities:
                return session, told, None
            await session.logout()
        except (UserError, QueueUnavailable) as error:
            return None, told, error
        except Exception:  # a bug must not end the visits to this account for ever
            log.exception("visit failed", remote=self.remote.id, host=self.remote.host)
            return None, told, UserError(UNEXPECTED)
        finally:
            self.visiting = False
        return None, told, None

    async def _access(self) -> Access:
        """Opened once: an access token is kept in it. Raises UserError."""
        if self._opened is None:
            remote = self.remote
            secret = await asyncio.to_thread(self._vault.open, remote.sealed, remote.about)
            self._opened = Access(remote.endpoint, unpacked(remote.method, secret), keep=self._keep)
        return self._opened

    async def _keep(self, credential: Credential) -> None:
        """Another refresh token has taken its place."""
        sealed = await asyncio.to_thread(self._vault.seal, packed(credential), self.remote.about)
        self.remote = replace(self.remote, sealed=sealed)
        call = self._needs.database.sign_in_by
        await committed(self._needs.threads.run(call, self.remote))

    def _after(self, fares: Fares, told: Told, error: Exception | None) -> Fares:
        now = self._now()
        if error is None:
            if told.fetched:
                log.info("fetched", remote=self.remote.id, host=self.remote.host, new=told.fetched)
            return replace(
                fares,
                visited=now,
                good=now,
                next=now + self.remote.interval,
                failures=0,
                error="",
                trouble=str(told),
            )
        failures = fares.failures + 1
        first = REFUSED_WAIT if isinstance(error, SignInRefused) else FIRST_WAIT
        wait = min(first * 2 ** min(failures - 1, 20), LONGEST_WAIT)
        wait *= random.uniform(0.9, 1.1)
        log.warning(
            "not fetched",
            remote=self.remote.id,
            host=self.remote.host,
            failures=failures,
            why=str(error),
        )
        return replace(fares, visited=now, next=now + wait, failures=failures, error=str(error))

    async def _note(self, fares: Fares) -> None:
        call = self._needs.database.note
        await committed(self._needs.threads.run(call, self.remote.id, fares))

    # -- news --------------------------------------------------------------------------------------

    async def _idle(self, session: ImapSession) -> ImapSession | None:
        """Wait until there is something to be visited for; the session, if it is still good."""
        self.idling = True
        idle = asyncio.ensure_future(session.idle(IDLE_WAIT))
        wake = asyncio.ensure_future(self._wake.wait())
        good = False
        try:
            await asyncio.wait([idle, wake], return_when=asyncio.FIRST_COMPLETED)
            if idle.done():
                idle.result()
                good = True
        except RemoteError as error:
            log.info("told of new mail no longer", remote=self.remote.id, why=str(error))
        finally:
            self.idling = False
            for task in (idle, wake):
                task.cancel()
            await asyncio.wait([idle, wake])
            if not good:
                session.abort()
        return session if good else None

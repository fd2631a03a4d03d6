"""All remote accounts: each has a runner; the operator adds, removes, and asks how they fare."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Tasks, Threads, committed
from mailsuite.fetch.database import FetchDatabase
from mailsuite.fetch.handing import Into
from mailsuite.fetch.model import Fares, Remote, about
from mailsuite.fetch.runner import Runner
from mailsuite.fetch.visit import Needs
from mailsuite.remote import Credential, kind_of, packed
from mailsuite.vault import Vault


class Fetcher:
    """Made with the server. Methods belong to one event loop."""

    def __init__(
        self,
        path: Path,
        into: Into,
        vault: Vault,
        *,
        exists: Callable[[str], bool],
        max_size: Callable[[], int],
        at_once: int,
    ) -> None:
        """
        path      of the database
        exists    whether a local account is there; called in threads
        max_size  octets of the largest message that is taken, asked anew each time
        at_once   visits at once
        """
        self._path = path
        self._into = into
        self._vault = vault
        self._exists = exists
        self._max_size = max_size
        self._gate = asyncio.Semaphore(at_once)
        self._threads = Threads("fetch", 1)
        self._tasks = Tasks("fetch")
        self._needs: Needs | None = None
        self._runners: dict[int, tuple[Runner, asyncio.Task[None]]] = {}

    async def start(self) -> None:
        """Begin visiting. Raises UserError when the database can't be used."""
        database = await self._threads.run(FetchDatabase, self._path)
        self._needs = Needs(database, self._threads, self._into, self._max_size)
        for remote in await self._threads.run(database.remotes):
            self._begin(remote)

    async def stop(self) -> None:
        """End all visits; what was noted stays. Idempotent."""
        await self._tasks.cancel()
        self._runners.clear()
        needs, self._needs = self._needs, None
        if needs is not None:
            await self._threads.run(needs.database.close)
        await asyncio.to_thread(self._threads.close)

    def _begin(self, remote: Remote) -> None:
        runner = Runner(remote, self._started, self._vault, self._gate, self._exists)
        self._runners[remote.id] = (runner, self._tasks.start(runner.run(), str(remote.id)))

    @property
    def _started(self) -> Needs:
        if self._needs is None:
            raise UserError("nothing is fetched now, for the server stops")
        return self._needs

    # -- the operator ------------------------------------------------------------------------------

    async def add(self, settings: dict[str, Any], credential: Credential) -> int:
        """A new remote account; visited at once. Its number. Raises UserError."""
        needs = self._started
        if not await asyncio.to_thread(self._exists, settings["account"]):
            raise UserError(f"no such user: {settings['account']}")
        remote = await asyncio.to_thread(make, settings, credential, self._vault)
        remote = await committed(self._threads.run(needs.database.add, remote))
        self._begin(remote)
        return remote.id

    async def login(
        self, number: int, credential: Credential, certificate: str, key: str
    ) -> dict[str, Any]:
        """Sign in with this from now on; visited at once. What it is, for people.

        Raises UserError.
        """
        database = self._started.database
        remote = await self._threads.run(database.require, number)
        remote = await asyncio.to_thread(
            other_login, remote, credential, certificate, key, self._vault
        )
        await self._end(number)
        await committed(self._threads.run(change_login, database, remote))
        self._begin(remote)
        return shown(remote, Fares())

    async def _end(self, number: int) -> None:
        runner = self._runners.pop(number, None)
        if runner is not None:
            runner[1].cancel()
            await asyncio.wait([runner[1]])

    async def remove(self, number: int) -> dict[str, Any]:
        """Forget one. What it was, for people. Raises UserError."""
        needs = self._started
        await self._threads.run(needs.database.require, number)
        await self._end(number)
        remote = await committed(self._threads.run(needs.database.remove, number))
        return shown(remote, Fares())

    async def listing(self) -> list[dict[str, Any]]:
        """All of them, and how they fare, for JSON."""
        needs = self._started
        found = await self._threads.run(rows, needs.database)
        for row in found:
            if (runner := self._runners.get(row["id"])) is not None:
                row["visiting"], row["idling"] = runner[0].visiting, runner[0].idling
        return found

    async def run(self, number: int | None) -> list[dict[str, Any]]:
        """Visit one, or all, now: what was fetched from each, and what went wrong."""
        if number is not None and number not in self._runners:
            await self._threads.run(self._started.database.require, number)
        wanted = [one for one in self._runners if number in (None, one)]
        results = await asyncio.gather(*(self._runners[one][0].visited() for one in wanted))
        return [
            {"id": one, "fetched": count, "error": error}
            for one, (count, error) in zip(wanted, results, strict=True)
        ]


def make(settings: dict[str, Any], credential: Credential, vault: Vault) -> Remote:
    """A Remote of JSON values, its secret sealed. Raises UserError. Blocks."""
    bound = about(settings["protocol"], settings["user"], settings["host"])
    sealed = vault.seal(packed(credential), bound)
    return Remote(id=0, sealed=sealed, method=kind_of(credential), **settings)


def other_login(
    remote: Remote, credential: Credential, certificate: str, key: str, vault: Vault
) -> Remote:
    """The same account, signed in to with another secret. Raises UserError. Blocks."""
    return dataclasses.replace(
        remote,
        sealed=vault.seal(packed(credential), remote.about),
        method=kind_of(credential),
        certificate=certificate,
        key=key,
    )


def change_login(database: FetchDatabase, remote: Remote) -> None:
    """Written down; what failed with the old one is no reason to wait any more. Blocks."""
    database.sign_in_by(remote)
    fares = database.fares(remote.id)
    database.note(remote.id, dataclasses.replace(fares, failures=0, error="", next=0.0))


def rows(database: FetchDatabase) -> list[dict[str, Any]]:
    """All of them, and how they fare, for JSON. Blocks."""
    return [shown(remote, database.fares(remote.id)) for remote in database.remotes()]


def shown(remote: Remote, fares: Fares) -> dict[str, Any]:
    """One of them without its secret, for JSON."""
    found = dataclasses.asdict(remote) | dataclasses.asdict(fares)
    del found["sealed"]
    return found | {"visiting": False, "idling": False}

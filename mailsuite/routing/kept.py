"""Senders of forwarded mail that find no room in a return address, kept under short names. SQLite.

Promises: what `keep` has said yes to survives a power cut, and is found, also after a restart, as
long as its return address holds; there are never more than MAX of them, and the oldest go first.
Look-ups are from memory. A file that can't be read or written is told of, and mail goes on.
"""

from pathlib import Path

import apsw

from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.base.private import make_private
from mailsuite.base.sqlite import close, transaction
from mailsuite.base.tasks import Threads
from mailsuite.routing.srs import VALID

log = get_logger("routing")
MAX = 100_000
BUSY = 5000  # milliseconds
VERSION = 1
# An octet that has changed on the disk may be found by SQLite, or make a text that is none.
_UNUSABLE = (apsw.Error, OSError, UserError, UnicodeError)
_SCHEMA = f"""
CREATE TABLE sender (
    number INTEGER PRIMARY KEY,  -- in the order of time
    name TEXT NOT NULL UNIQUE,
    address TEXT NOT NULL,
    day INTEGER NOT NULL         -- since the epoch
) STRICT;
PRAGMA user_version = {VERSION};
"""


class KeptSenders:
    """The file. For the event loop; its own thread does what blocks."""

    def __init__(self, path: Path, *, most: int = MAX) -> None:
        """Read `path`, where it is there already; it is made when first needed."""
        self.path = path
        self._most = most
        self._threads = Threads("kept-senders", 1)
        self._db: apsw.Connection | None = None
        self._known: dict[str, str] = {}
        self._pruned = 0
        self._told = 0  # on which day the log was told that there is no room
        try:
            if path.exists():
                self._open()
        except _UNUSABLE as error:
            log.warning(
                "return addresses of forwarded mail not read", file=str(path), why=str(error)
            )

    def find(self, name: str) -> str | None:
        """The sender that is kept under `name` (in any case)."""
        return self._known.get(name.lower())

    async def keep(self, name: str, sender: str, day: int) -> bool:
        """Keep `sender` under `name`, durably. False: it can't be, and the log says why.

        day  since the epoch; those of whom no address holds any more are forgotten then
        """
        if self._known.get(name) == sender:
            return True
        try:
            kept = await self._threads.run(self._write, name, sender, day)
        except _UNUSABLE as error:
            log.warning(
                "mail is forwarded under its foreign sender, which hosts that check SPF may refuse",
                sender=sender,
                file=str(self.path),
                why=str(error),
            )
            return False
        self._known[name] = kept
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return kept == sender

    def close(self) -> None:
        """End what is under way, and close the file."""
        self._threads.close()
        self._close()

    # -- in the thread --------------------------------------------------------------------------

    def _write(self, name: str, sender: str, day: int) -> str:
        """Who is kept under `name` now: `sender`, but where chance gave two the same name."""
        try:
            db = self._db or self._open()
            with transaction(db):
                db.execute(
                    "INSERT INTO sender (name, address, day) VALUES (?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    (name, sender, day),
                )
                if day != self._pruned:
                    # A day more: midnight may come before the address is made.
                    db.execute("DELETE FROM sender WHERE day < ?", (day - VALID - 1,))
                db.execute(
                    "DELETE FROM sender WHERE number <= (SELECT max(number) FROM sender) - ?",
                    (self._most,),
                )
                early = db.changes()
            self._pruned = day
            if early and day != self._told:
                self._told = day
                log.warning(
                    "more return addresses of forwarded mail than there is room for:"
                    " bounces to the oldest are refused before their time",
                    file=str(self.path),
                    room=self._most,
                )
            for (address,) in db.execute("SELECT address FROM sender WHERE name = ?", (name,)):
                return str(address)
        except BaseException:
            # The next one finds the file that somebody has put in the place of a broken one.
            self._close()
            raise
        raise UserError("what was written is not there")

    def _open(self) -> apsw.Connection:
        make_private(self.path)
        db = apsw.Connection(str(self.path))
        try:
            db.set_busy_timeout(BUSY)
            db.pragma("journal_mode", "wal")
            db.pragma("synchronous", "full")
            version = db.pragma("user_version")
            if version == 0:
                with transaction(db):
                    db.execute(_SCHEMA)
            elif version != VERSION:
                raise UserError("made by another version of mailsuite")
            self._known = dict(db.execute("SELECT name, address FROM sender ORDER BY number"))
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def _close(self) -> None:
        if self._db is not None:
            close(self._db)
            self._db = None

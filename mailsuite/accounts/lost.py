"""What the server's key does not open any more: the key file is another one than it was.

Promises: tells how much there is, for the operator, and whether some account's SCRAM verifiers are
of no use still, so that nobody is offered a sign-in that can't succeed. Changes nothing: when the
old key file is put back, all is as it was.
"""

from dataclasses import dataclass

from mailsuite.accounts.database import Database
from mailsuite.accounts.sealed import Sealed


@dataclass(frozen=True, slots=True)
class Count:
    """Of accounts whose SCRAM verifiers, app passwords, and passwords for CRAM-MD5 are lost."""

    verifiers: int = 0
    app_passwords: int = 0
    secrets: int = 0

    def __bool__(self) -> bool:
        return bool(self.verifiers or self.app_passwords or self.secrets)

    def __str__(self) -> str:
        return (
            f"{self.app_passwords} app passwords, {self.secrets} passwords for CRAM-MD5 and APOP,"
            f" the SCRAM verifiers of {self.verifiers} accounts"
        )


class Lost:
    """Of one directory's file. Methods may be called from any thread, one at a time."""

    def __init__(self, database: Database, sealed: Sealed) -> None:
        self._database = database
        self._sealed = sealed
        self._verifiers: dict[str, bytes] = {}

    def look(self) -> Count:
        """Try all that is sealed: some ten microseconds each. UserError: there is no usable key."""
        read, opens = self._database.read, self._sealed.opens
        self._verifiers = {
            key: sealed
            for key, sealed in read("SELECT address, scram FROM users WHERE length(scram) > 0")
            if not opens(key, sealed)
        }
        rows = read("SELECT address, scram FROM app_passwords WHERE length(scram) > 0")
        secrets = read("SELECT address, legacy FROM users WHERE legacy IS NOT NULL")
        return Count(
            len(self._verifiers),
            sum(not opens(key, sealed) for key, sealed in rows),
            sum(not self._sealed.opens_secret(key, sealed) for key, sealed in secrets),
        )

    def some_verifiers(self) -> bool:
        """Some enabled account has verifiers that are of no use, since the last `look`."""
        while self._verifiers:
            key, sealed = next(iter(self._verifiers.items()))
            if self._database.read(
                "SELECT 1 FROM users WHERE address = ? AND enabled AND scram = ?", key, sealed
            ):
                return True
            del self._verifiers[key]
        return False

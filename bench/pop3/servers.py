"""The two servers of the IMAP benchmark, with their POP3 doors and many accounts."""

import json
from collections.abc import Callable
from pathlib import Path

from bench import peer_dovecot
from bench.imap import servers
from bench.pop3.client import Client

SESSIONS = 20


def accounts() -> list[str]:
    """The names of those that are used at once, and the one with much mail first."""
    return ["bob", *(f"user{number}" for number in range(SESSIONS))]


class Mailsuite(servers.Mailsuite):
    """`mailsuite dev` of this working copy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.users = tuple(self.address(name) for name in accounts())
        self.pop3_port = 0

    @staticmethod
    def address(name: str) -> str:
        """How an account signs in."""
        return f"{name}@example.test"

    def maildir_of(self, name: str) -> Path:
        """An account's INBOX on disk."""
        return self.folder / "mail" / "example.test" / name / "Maildir"

    def start(self) -> None:
        super().start()
        listeners = json.loads((self.folder / "ready.json").read_text())["listeners"]
        self.pop3_port = next(row["port"] for row in listeners if row["name"] == "pop3")

    def pop3(self) -> Client:
        """A session, not signed in."""
        return Client(self.pop3_port)


class Dovecot(servers.Dovecot):
    """Debian's, with Maildir."""

    pop3_port = 0

    @staticmethod
    def address(name: str) -> str:
        """How an account signs in."""
        return name

    def maildir_of(self, name: str) -> Path:
        """An account's INBOX on disk."""
        return self.folder / "home" / name / "Maildir"

    def start(self) -> None:
        served = peer_dovecot.dovecot(self.folder, self.home, "pop3", each="/%u")
        self.pop3_port = self._stack.enter_context(served)

    def pop3(self) -> Client:
        """A session, not signed in."""
        return Client(self.pop3_port)


Server = Mailsuite | Dovecot


def signed_in(server: Server, name: str = "bob") -> Client:
    """A session on an account's maildrop."""
    client = server.pop3()
    client.sign_in(server.address(name), server.password)
    return client


def timed(server: Server, work: Callable[[Client], float], name: str = "bob") -> float:
    """What `work` measures in a session of its own."""
    client = signed_in(server, name)
    took = work(client)
    client.quit()
    return took

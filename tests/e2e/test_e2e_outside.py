"""Other programs in the same Maildir while a session is in IDLE: it is told of all they do."""

import imaplib
import mailbox
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e_harness import Account, Server, message
from e2e_terminal import in_a_terminal


def maildir(server: Server, account: Account) -> Path:
    user, _, domain = account.address.partition("@")
    return server.data / "mail" / domain / user / "Maildir"


class Idling:
    """What a session in IDLE is told; its `Still here` would come after two minutes."""

    def __init__(self, client: imaplib.IMAP4) -> None:
        self._client = client
        client.send(b"i IDLE\r\n")
        self.until(rb"\+ ")

    def until(self, pattern: bytes) -> re.Match[bytes]:
        """The line that begins so; the socket's timeout bounds the wait."""
        while True:
            line = self._client.readline()
            assert line, "the server has hung up"
            assert not line.startswith(b"* OK Still here"), f"never told: {pattern!r}"
            if found := re.match(pattern, line):
                return found

    def done(self) -> None:
        self._client.send(b"DONE\r\n")
        self.until(rb"i OK")


@contextmanager
def idling(server: Server, account: Account, count: int) -> Iterator[tuple[Idling, Path]]:
    """INBOX with so many messages, all in cur/, and a session in IDLE on it."""
    with server.imap(account) as client:
        for number in range(1, count + 1):
            client.append("INBOX", r"\Answered", None, message(f"m{number}"))  # type: ignore[arg-type]
        client.select()
        session = Idling(client)
        try:
            yield session, maildir(server, account)
        finally:
            session.done()


def file_of(folder: Path, uid: int) -> Path:
    return next(path for path in (folder / "cur").iterdir() if f",U={uid}," in path.name)


def test_python_mv_and_rm(server: Server, account: Account) -> None:
    with idling(server, account, 3) as (session, folder):
        mailbox.Maildir(folder, create=False).add(message("from-python"))
        session.until(rb"\* 4 EXISTS")
        path = file_of(folder, 2)
        server.run("mv", path, path.with_name(path.name.partition(":")[0] + ":2,FRS"))
        flags = session.until(rb"\* 2 FETCH \((?:UID 2 )?FLAGS \((.*?)\)")[1].split()
        assert set(flags) >= {rb"\Answered", rb"\Flagged", rb"\Seen"}
        server.run("rm", file_of(folder, 1))
        session.until(rb"\* 1 EXPUNGE")
    assert [re.search(rb"Subject: (\S+)", body)[1] for body in server.bodies(account)] == [  # type: ignore[index]
        *(b"m2", b"m3", b"from-python")
    ]


@pytest.mark.client("mutt")
def test_mutt(server: Server, account: Account, tmp_path: Path) -> None:
    with idling(server, account, 3) as (session, folder):
        rc = tmp_path / "muttrc"
        rc.write_text(
            f"set folder={tmp_path}\nset mbox_type=Maildir\n"
            "set confirmcreate=no\nset delete=yes\nset sort=date\n"
        )
        command = ("mutt", "-n", "-F", rc, "-f", folder, "-e")
        keys = "<first-entry><flag-message><next-entry><delete-message><sync-mailbox><quit>"
        in_a_terminal(server, *command, f'push "{keys}"')
        told = {session.until(rb"\* (\d+ EXPUNGE|\d+ FETCH .*Flagged)")[1][2:9] for _ in range(2)}
        assert told == {b"EXPUNGE", b"FETCH ("}
    assert len(server.bodies(account)) == 2

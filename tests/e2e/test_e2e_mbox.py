"""mbox files: mutt reads those that we export, and we import one that mutt has written."""

from __future__ import annotations

import imaplib
import re
import sys
from pathlib import Path

import pytest
from e2e_harness import Account, Server
from e2e_terminal import in_a_terminal

pytestmark = pytest.mark.client("mutt")
BODY = b"From the start\r\n>From quoted\r\n.dot\r\n\r\nFrom the end\r\n"
FLAGS = (r"(\Seen)", r"(\Flagged \Answered)", "()")


def shown(client: imaplib.IMAP4, folder: str) -> list[tuple[bytes, set[bytes]]]:
    """(octets, flags) of each message."""
    assert client.select(folder, readonly=True)[0] == "OK"
    rows = client.fetch("1:*", "(FLAGS BODY.PEEK[])")[1]
    found = []
    for row in rows:
        if isinstance(row, tuple):
            flags = re.search(rb"FLAGS \(([^)]*)\)", row[0])
            assert flags is not None
            found.append((row[1], set(flags[1].split()) - {rb"\Recent"}))
    return found


def test_by_way_of_mutt(
    server: Server, account: Account, friend: Account, token: str, tmp_path: Path
) -> None:
    data = ("--data", str(server.data))
    with server.imap(account) as client:
        for number, flags in enumerate(FLAGS):
            head = f"From: a@elsewhere.test\r\nSubject: {token}-{number}\r\n\r\n".encode()
            client.append("INBOX", flags, None, head + BODY)
    server.mailsuite("export", account.address, str(tmp_path / "out"), "--format", "mbox", *data)

    muttrc, copy = tmp_path / "muttrc", tmp_path / "moved"
    muttrc.write_text(
        f'set folder = "{tmp_path}"\nset mbox_type = mbox\nset quit = yes\nset wait_key = no\n'
        "set delete = no\nset move = no\nset confirmcreate = no\nset confirmappend = no\n"
        "unset mark_old\n"
        f"push '<tag-pattern>~A<enter><tag-prefix><copy-message>{copy}<enter><quit>'\n"
    )
    in_a_terminal(server, "mutt", "-n", "-F", muttrc, "-f", tmp_path / "out" / "INBOX.mbox")

    command = (sys.executable, "-m", "mailsuite", "import", friend.address, "mbox", copy, *data)
    told = in_a_terminal(server, *command)
    assert "3 messages (" in told
    assert re.search("moved.*━.*[0-9]:[0-9]{2}:[0-9]{2}", told), told  # the bar, and time left
    with server.imap(account) as ours, server.imap(friend) as theirs:
        for (octets, flags), (before, flags_before) in zip(
            shown(theirs, "moved"), shown(ours, "INBOX"), strict=True
        ):
            assert flags == flags_before
            assert octets.endswith(b"\r\n\r\n" + BODY)
            assert before.endswith(b"\r\n\r\n" + BODY)

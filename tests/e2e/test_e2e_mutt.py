"""mutt in batch mode: sends by SMTP, reads by IMAP (its screen goes to a terminal nobody sees)."""

import os
import pty
import subprocess
import threading
from pathlib import Path

import pytest
from e2e_harness import (
    CLIENT_TIMEOUT,
    HOST,
    Account,
    Server,
    environment,
    eventually,
    message,
)

pytestmark = pytest.mark.client("mutt")


def settings(
    server: Server, account: Account, folder: Path, *, smtp: str, imap: str, starttls: bool
) -> Path:
    user = account.address.replace("@", "%40")
    path = folder / "muttrc"
    path.write_text(
        f"""\
set ssl_ca_certificates_file = "{server.ca_file}"
set ssl_starttls = yes
set ssl_force_tls = yes
set from = "{account.address}"
set realname = "A Test"
set use_envelope_from = yes
set envelope_from_address = "{account.address}"
set smtp_url = "{"smtp" if starttls else "smtps"}://{user}@{HOST}:{server.port(smtp)}/"
set smtp_pass = "{account.password}"
set imap_user = "{account.address}"
set imap_pass = "{account.password}"
set folder = "{"imap" if starttls else "imaps"}://{HOST}:{server.port(imap)}/"
set spoolfile = "+INBOX"
set record = "+Sent"
set postponed = "+Drafts"
set mail_check = 1
set header_cache = ""
set pipe_decode = no
set wait_key = no
set delete = yes
set sort = date
unset confirmappend
"""
    )
    return path


def in_a_terminal(server: Server, *command: str | Path) -> None:
    """Run a program that wants a screen; it must end by itself with exit status 0."""
    master, slave = pty.openpty()
    shown = bytearray()

    def look() -> None:
        try:
            while octets := os.read(master, 4096):
                shown.extend(octets)
        except OSError:
            pass  # the terminal's other side is closed

    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=server.folder,
        env=environment(server.home) | {"LINES": "40", "COLUMNS": "100"},
        start_new_session=True,
    )
    os.close(slave)
    reader = threading.Thread(target=look, daemon=True)
    reader.start()
    try:
        status = process.wait(CLIENT_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"{command[0]} hangs:\n{shown.decode(errors='replace')}") from None
    finally:
        reader.join(5)
        os.close(master)
    assert status == 0, shown.decode(errors="replace")


@pytest.mark.parametrize(
    ("smtp", "imap", "starttls"),
    [("submissions", "imaps", False), ("submission", "imap", True)],
    ids=["tls", "starttls"],
)
def test_send_and_read(
    server: Server,
    account: Account,
    friend: Account,
    token: str,
    tmp_path: Path,
    smtp: str,
    imap: str,
    starttls: bool,
) -> None:
    rc = settings(server, account, tmp_path, smtp=smtp, imap=imap, starttls=starttls)
    server.run(
        *("mutt", "-n", "-F", rc, "-s", token, "--", friend.address),
        stdin="Grüße von mutt.\n".encode(),
    )
    stored = server.wait_for(friend, token)
    assert f"From: A Test <{account.address}>".encode() in stored
    # Its copy was put into Sent by IMAP.
    server.wait_for(account, token, "Sent")

    with server.smtp() as client:
        client.sendmail("eve@elsewhere.test", [account.address], message(f"{token}-in"))
    arrived = server.wait_for(account, f"{token}-in")
    read = tmp_path / "read.eml"
    in_a_terminal(
        server,
        *("mutt", "-n", "-F", rc, "-e"),
        f'push "<first-entry><pipe-message>cat > {read}<enter><flag-message>'
        '<save-message>=Archive<enter><sync-mailbox><quit>"',
    )
    assert read.read_bytes().replace(b"\n", b"\r\n") == arrived
    server.wait_for(account, f"{token}-in", "Archive")
    eventually(lambda: server.bodies(account) == [], "INBOX empty", more=server.log)

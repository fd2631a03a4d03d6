"""mutt in batch mode: sends by SMTP, reads by IMAP (its screen goes to a terminal nobody sees)."""

from pathlib import Path

import pytest
from e2e_harness import HOST, Account, Server, eventually, message
from e2e_terminal import in_a_terminal

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
set ssl_use_tlsv1_3 = {"no" if starttls else "yes"}
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

"""mbsync (isync): a mailbox tree kept the same on both sides, and left alone when it is."""

import hashlib
import re
from pathlib import Path

import pytest
from e2e_harness import HOST, Account, Server, eventually, message

pytestmark = pytest.mark.client("mbsync")

CONFIG = """\
IMAPAccount there
Host {host}
Port {port}
User {user}
Pass {password}
SSLType {tls}
CertificateFile {ca}
SystemCertificates no

IMAPStore there
Account there

MaildirStore here
Path {path}/
Inbox {path}/INBOX
SubFolders Verbatim

Channel all
Far :there:
Near :here:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
"""


def snapshot(path: Path) -> dict[str, str]:
    """Every file of the local side: name (flags are in it) and what is in it."""
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def far_side(server: Server, account: Account) -> dict[str, object]:
    with server.imap(account) as imap:
        _, folders = imap.list()
        found: dict[str, object] = {"folders": sorted(str(row) for row in folders)}
        for folder in ("INBOX", "Lists/Python", "Sent"):
            if imap.select(f'"{folder}"', readonly=True)[0] == "OK":
                found[folder] = imap.uid("FETCH", "1:*", "(FLAGS RFC822.SIZE)")[1]
        return found


@pytest.mark.parametrize(("tls", "listener"), [("IMAPS", "imaps"), ("STARTTLS", "imap")])
def test_two_way(
    server: Server, account: Account, token: str, tmp_path: Path, tls: str, listener: str
) -> None:
    local = tmp_path / "mail"
    local.mkdir()
    config = tmp_path / "mbsyncrc"
    config.write_text(
        CONFIG.format(
            host=HOST,
            port=server.port(listener),
            user=account.address,
            password=account.password,
            tls=tls,
            ca=server.ca_file,
            path=local,
        )
    )

    def sync() -> None:
        server.run("mbsync", "--config", config, "--all")

    with server.smtp() as client:
        for number in range(5):
            client.sendmail("eve@elsewhere.test", [account.address], message(f"{token}{number}"))
    eventually(lambda: len(server.bodies(account)) == 5, "five messages", more=server.log)
    with server.imap(account) as imap:
        imap.create("Lists/Python")
        imap.select()
        imap.store("2", "+FLAGS", r"(\Flagged)")
        imap.copy("1:2", "Lists/Python")

    # There to here.
    sync()
    assert len(list((local / "INBOX").glob("*/*,*"))) == 5
    assert len(list((local / "Lists" / "Python").glob("*/*,*"))) == 2

    # A second run changes nothing on either side.
    near, far = snapshot(local), far_side(server, account)
    sync()
    assert snapshot(local) == near
    assert far_side(server, account) == far

    # Here to there: a new message, a flag, a deletion, a new folder.
    (local / "INBOX" / "new" / "1700000000.1.here").write_bytes(
        message(f"{token}-here").replace(b"\r\n", b"\n")
    )
    by_subject = {
        subject: file
        for file in (local / "INBOX").glob("*/*,*")
        for subject in [file.read_bytes().split(b"Subject: ")[1].split(b"\n")[0].decode()]
    }
    flagged = by_subject[f"{token}0"]
    flagged.rename(local / "INBOX" / "cur" / (flagged.name.partition(":")[0] + ":2,FRS"))
    deleted = by_subject[f"{token}4"]
    deleted.rename(local / "INBOX" / "cur" / (deleted.name.partition(":")[0] + ":2,T"))
    for part in ("cur", "new", "tmp"):
        (local / "Made here" / part).mkdir(parents=True)
    sync()
    bodies = server.bodies(account)
    assert len(bodies) == 5
    # mbsync finds its upload again by a field of its own.
    uploaded = [re.sub(rb"X-TUID: [^\r]*\r\n", b"", body) for body in bodies]
    assert message(f"{token}-here") in uploaded
    assert not any(f"{token}4\r\n".encode() in body for body in bodies)
    with server.imap(account) as imap:
        imap.select()
        for flag in ("FLAGGED", "ANSWERED", "SEEN"):
            _, found = imap.uid("SEARCH", "SUBJECT", f"{token}0", flag)
            assert found[0], flag
        assert b"Made here" in b"".join(row for row in imap.list()[1] if isinstance(row, bytes))

    near, far = snapshot(local), far_side(server, account)
    sync()
    assert snapshot(local) == near
    assert far_side(server, account) == far

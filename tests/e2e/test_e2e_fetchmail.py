"""fetchmail: collects by POP3 and by IMAP, keeping or deleting at the source."""

from pathlib import Path

import pytest
from e2e_harness import HOST, Account, Server, eventually, message

pytestmark = pytest.mark.client("fetchmail")


@pytest.mark.parametrize(
    ("protocol", "listener", "security"),
    [
        ("pop3", "pop3s", "ssl"),
        ("pop3", "pop3", 'sslproto "tls1.2+"'),
        ("imap", "imaps", "ssl"),
        ("imap", "imap", 'sslproto "tls1.2+"'),
    ],
)
def test_collect(
    server: Server,
    account: Account,
    token: str,
    tmp_path: Path,
    protocol: str,
    listener: str,
    security: str,
) -> None:
    mbox = tmp_path / "collected"
    config = tmp_path / "fetchmailrc"

    def collect(keep: str, expect: int = 0) -> bytes:
        uidl = "uidl" if protocol == "pop3" else ""
        config.write_text(
            f"poll {HOST} protocol {protocol} port {server.port(listener)} {uidl} auth password\n"
            f'  user "{account.address}" password "{account.password}" {keep}\n'
            f'  {security} sslcertck sslcertfile "{server.ca_file}"\n'
            f'  mda "cat >> {mbox}"\n'
        )
        config.chmod(0o600)
        done = server.run(
            *("fetchmail", "--fetchmailrc", config, "--nodetach", "--nosyslog", "--verbose"),
            *("--pidfile", tmp_path / "pid", "--idfile", tmp_path / "ids"),
            expect=expect,
        )
        return done.stdout

    with server.smtp() as client:
        for number in range(3):
            client.sendmail(
                "eve@elsewhere.test",
                [account.address],
                message(f"{token}-{number}", ".\r\n..\r\nHello.\r\n"),
            )
    eventually(lambda: len(server.bodies(account)) == 3, "three messages", more=server.log)

    collect("keep")
    got = mbox.read_bytes()
    for number in range(3):
        assert got.count(f"Subject: {token}-{number}\n".encode()) == 1
    assert got.replace(b"\r\n", b"\n").count(b"\n\n.\n..\nHello.\n") == 3
    assert len(server.bodies(account)) == 3
    # Nothing is new the second time (fetchmail's exit status 1 says so).
    collect("keep", expect=1)
    assert mbox.read_bytes() == got

    collect("nokeep fetchall")
    assert server.bodies(account) == []

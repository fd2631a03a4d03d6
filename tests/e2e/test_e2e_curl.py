"""curl: smtps, imaps, pop3s, and the same with STARTTLS."""

import subprocess
from pathlib import Path

import pytest
from e2e_harness import HOST, Account, Server, message, without_trace

pytestmark = pytest.mark.client("curl")


def curl(
    server: Server, account: Account | None, *options: str, stdin: bytes = b"", expect: int = 0
) -> subprocess.CompletedProcess[bytes]:
    command = ["curl", "--silent", "--show-error", "--cacert", server.ca_file, "--ssl-reqd"]
    if account is not None:
        command += ["--user", f"{account.address}:{account.password}"]
    return server.run(*command, *options, stdin=stdin, expect=expect)


@pytest.mark.parametrize(("scheme", "listener"), [("smtps", "submissions"), ("smtp", "submission")])
def test_send(server: Server, account: Account, token: str, scheme: str, listener: str) -> None:
    original = message(token, sender=account.address)
    curl(
        server,
        account,
        f"{scheme}://{HOST}:{server.port(listener)}/client.test",
        *("--mail-from", account.address, "--mail-rcpt", account.address, "--upload-file", "-"),
        stdin=original,
    )
    assert without_trace(server.wait_for(account, token), original) == original


@pytest.mark.parametrize(("scheme", "listener"), [("imaps", "imaps"), ("imap", "imap")])
def test_imap(
    server: Server, account: Account, token: str, tmp_path: Path, scheme: str, listener: str
) -> None:
    url = f"{scheme}://{HOST}:{server.port(listener)}"
    original = message(token)
    file = tmp_path / "message.eml"
    file.write_bytes(original)
    curl(server, account, f"{url}/INBOX", "--upload-file", str(file))
    assert b"INBOX" in curl(server, account, f"{url}/").stdout
    found = curl(server, account, f"{url}/INBOX?SUBJECT%20{token}").stdout
    assert found == b"* SEARCH 1\r\n"
    assert curl(server, account, f"{url}/INBOX;UID=1").stdout == original
    assert curl(server, account, f"{url}/INBOX;UID=1;SECTION=TEXT").stdout == b"Hello.\r\n"
    flags = curl(server, account, f"{url}/INBOX", "--request", "FETCH 1 FLAGS").stdout
    assert b"FLAGS (" in flags


@pytest.mark.parametrize(("scheme", "listener"), [("pop3s", "pop3s"), ("pop3", "pop3")])
def test_pop3(server: Server, account: Account, token: str, scheme: str, listener: str) -> None:
    original = message(token, "..\r\n.\r\n")
    with server.smtp() as client:
        client.sendmail("eve@elsewhere.test", [account.address], original)
    stored = server.wait_for(account, token)
    url = f"{scheme}://{HOST}:{server.port(listener)}"
    assert curl(server, account, f"{url}/").stdout == f"1 {len(stored)}\r\n".encode()
    assert curl(server, account, f"{url}/1").stdout == stored
    curl(server, account, f"{url}/1", "--request", "DELE", "--head")
    assert server.bodies(account) == []


@pytest.mark.parametrize("listener", ["imaps", "pop3s"])
def test_wrong_password(server: Server, account: Account, listener: str) -> None:
    wrong = Account(account.address, "wrong")
    url = f"{listener}://{HOST}:{server.port(listener)}/"
    assert curl(server, wrong, url, expect=67).stderr  # curl: login denied


def test_the_certificate_is_checked(server: Server, account: Account) -> None:
    done = server.run("curl", "--silent", f"imaps://{HOST}:{server.port('imaps')}/", expect=60)
    assert done.stdout == b""

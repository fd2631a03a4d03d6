"""swaks, the SMTP tester: plain, STARTTLS, implicit TLS, AUTH, wrong password, relay attempt."""

import subprocess

import pytest
from e2e_harness import HOST, Account, Server

pytestmark = pytest.mark.client("swaks")


def swaks(
    server: Server, listener: str, *options: str, expect: int = 0
) -> subprocess.CompletedProcess[bytes]:
    return server.run(
        *("swaks", "--server", HOST, "--port", str(server.port(listener)), "--helo", "c.test"),
        *("--timeout", "30"),
        *options,
        expect=expect,
    )


def verified(server: Server) -> list[str]:
    """TLS with the server's certificate checked."""
    return ["--tls-verify", "--tls-ca-path", server.ca_file]


def test_plain(server: Server, account: Account, token: str) -> None:
    swaks(
        server,
        "smtp",
        *("--from", "eve@elsewhere.test", "--to", account.address, "--header", f"Subject: {token}"),
    )
    assert b"This is a test mailing" in server.wait_for(account, token)


def test_starttls(server: Server, account: Account, token: str) -> None:
    done = swaks(
        server,
        "smtp",
        *("--from", "eve@elsewhere.test", "--to", account.address, "--header", f"Subject: {token}"),
        "--tls",
        *verified(server),
    )
    assert b"TLS started" in done.stdout
    assert b"ESMTPS" in server.wait_for(account, token)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("listener", "tls"), [("submission", "--tls"), ("submissions", "-tlsc")])
def test_auth(
    server: Server, account: Account, token: str, mechanism: str, listener: str, tls: str
) -> None:
    done = swaks(
        server,
        listener,
        *(tls, *verified(server), "--auth", mechanism),
        *("--auth-user", account.address, "--auth-password", account.password),
        *("--from", account.address, "--to", account.address, "--header", f"Subject: {token}"),
    )
    assert b"235 2.7.0" in done.stdout
    assert b"ESMTPSA" in server.wait_for(account, token)


def test_wrong_password(server: Server, account: Account) -> None:
    done = swaks(
        server,
        "submission",
        *("--tls", *verified(server), "--auth", "PLAIN"),
        *("--auth-user", account.address, "--auth-password", "wrong"),
        *("--from", account.address, "--to", account.address),
        expect=28,  # swaks: authentication failed
    )
    assert b"535 5.7.8" in done.stdout


def test_relay_attempt(server: Server, account: Account) -> None:
    done = swaks(
        server,
        "smtp",
        *("--from", account.address, "--to", "victim@world.example"),
        expect=24,  # swaks: no recipient was accepted
    )
    assert b"550 5.7.1" in done.stdout or b"554 5.7.1" in done.stdout, done.stdout.decode()


def test_submission_without_sign_in(server: Server, account: Account) -> None:
    done = swaks(
        server,
        "submission",
        *("--tls", *verified(server), "--from", account.address, "--to", account.address),
        expect=23,  # swaks: MAIL was refused
    )
    assert b"530 5.7.0" in done.stdout


def test_another_sender(server: Server, account: Account, friend: Account) -> None:
    done = server.run(
        *("swaks", "--server", HOST, "--port", str(server.port("submission"))),
        *("--tls", *verified(server), "--auth", "PLAIN"),
        *("--auth-user", account.address, "--auth-password", account.password),
        *("--from", friend.address, "--to", friend.address),
        expect=None,
    )
    assert done.returncode in (23, 24)
    assert b" 5.7.1 " in done.stdout


def test_unknown_recipient(server: Server) -> None:
    done = swaks(
        server,
        "smtp",
        *("--from", "eve@elsewhere.test", "--to", "nobody@example.test"),
        expect=24,
    )
    assert b"550 5.1.1" in done.stdout


def test_pipelining(server: Server, account: Account, token: str) -> None:
    swaks(
        server,
        "smtp",
        *("--pipeline", "--from", "eve@elsewhere.test", "--to", account.address),
        *("--header", f"Subject: {token}"),
    )
    server.wait_for(account, token)

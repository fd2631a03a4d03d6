"""`mailsuite dev`: what it prints, serves and keeps, and how it starts and stops."""

import os
import re
import signal
import socket
from collections.abc import Callable

import pytest
from e2e_harness import HOST, Account, Server, eventually, message

ALICE = Account("alice@example.test", "alice")
BOB = Account("bob@example.test", "bob")
EVERYONE = Account("everyone@example.test", "everyone")
DEFAULT = {
    "smtp": (2525, "starttls"),
    "submission": (2587, "starttls"),
    "submissions": (2465, "implicit"),
    "imap": (2143, "starttls"),
    "imaps": (2993, "implicit"),
    "pop3": (2110, "starttls"),
    "pop3s": (2995, "implicit"),
}
MakeServer = Callable[..., Server]


def test_the_first_start_and_the_second(make_server: MakeServer, token: str) -> None:
    """One server through its life: accounts, catch-all, capture, and mail kept over a restart."""
    server = make_server().start()
    assert {name: row.tls for name, row in server.listeners.items()} == {
        name: tls for name, (_, tls) in DEFAULT.items()
    }
    assert all(row.host == "127.0.0.1" for row in server.listeners.values())
    assert server.accounts == [ALICE, BOB, EVERYONE]

    # What a person sees has all that a mail client asks for.
    eventually(lambda: "Ctrl-C" in server.log(), "the screen", more=server.log)
    screen = server.log()
    for row in server.listeners.values():
        assert str(row.port) in screen
    for account in server.accounts:
        assert re.search(rf"{account.address}\s.*\b{account.password}\b", screen)
    assert server.ca_file in screen

    with server.smtp() as client:
        for user in ("bob", "Bob", "bob+shop", "nobody.there", "postmaster"):
            client.sendmail(
                "eve@elsewhere.test", [f"{user}@example.test"], message(f"{token}-{user}")
            )
    for user in ("bob", "Bob", "bob+shop"):
        server.wait_for(BOB, f"Subject: {token}-{user}\r\n")
    for user in ("nobody.there", "postmaster"):
        server.wait_for(EVERYONE, f"Subject: {token}-{user}\r\n")

    # Mail to the world stays here, where its sender can look at it.
    with server.smtp("submission", ALICE) as client:
        client.sendmail(ALICE.address, ["x@world.example"], message(f"{token}-out"))
    server.wait_for(ALICE, f"{token}-out", "Outbound")
    assert not any(token.encode() in body for body in server.bodies(ALICE))

    server.stop()
    server.start()
    server.wait_for(BOB, f"Subject: {token}-bob\r\n")
    server.wait_for(ALICE, f"{token}-out", "Outbound")


def test_ctrl_c_takes_less_than_two_seconds(make_server: MakeServer) -> None:
    """Even with sessions of each kind open. The best of three: other tests share the machine."""
    server = make_server()
    times = []
    for _ in range(3):
        server.start()
        with server.imap(ALICE) as imap, server.pop3(BOB), server.smtp() as smtp:
            imap.select()
            imap.send(b"i IDLE\r\n")
            smtp.mail("eve@elsewhere.test")
            times.append(server.stop())
            imap.sock.close()
            with pytest.raises(OSError):
                socket.create_connection((HOST, server.port("smtp")), 5)
            imap.state = "LOGOUT"
            imap.logout = lambda: None  # type: ignore[method-assign]
            smtp.close()
        if times[-1] < 2:
            break
    assert min(times) < 2, times


def test_sigterm_stops_it_as_well(make_server: MakeServer) -> None:
    server = make_server().start()
    server.stop(signal.SIGTERM)


def test_user_options_replace_the_default_accounts(make_server: MakeServer, token: str) -> None:
    server = make_server("--user=carol@example.test:a:b c", "--user", "dave@other.test:d").start()
    carol = Account("carol@example.test", "a:b c")
    dave = Account("dave@other.test", "d")
    assert server.accounts == [carol, dave]
    with server.smtp() as client:
        client.sendmail("eve@elsewhere.test", [carol.address, dave.address], message(token))
        for unknown in ("alice@example.test", "everyone@example.test", "x@example.test"):
            code, text = client.mail("eve@elsewhere.test")
            assert code == 250
            code, text = client.rcpt(unknown)
            assert (code, text[:5]) == (550, b"5.1.1"), text
            client.rset()
    server.wait_for(carol, token)
    server.wait_for(dave, token)


def test_another_domain(make_server: MakeServer, token: str) -> None:
    server = make_server("--domain", "home.test").start()
    assert [a.address for a in server.accounts] == [
        f"{name}@home.test" for name in ("alice", "bob", "everyone")
    ]
    with server.smtp() as client:
        client.sendmail("eve@elsewhere.test", ["any@home.test"], message(token))
        client.mail("eve@elsewhere.test")
        assert client.rcpt("alice@example.test")[0] == 550
    server.wait_for(Account("everyone@home.test", "everyone"), token)


def free_base() -> int:
    """A port base whose seven ports are free now."""
    for attempt in range(50):
        # Below the range from which systems choose ports by themselves.
        base = 10000 + (os.getpid() * 37 + attempt * 1000) % 20000
        try:
            for standard in (25, 587, 465, 143, 993, 110, 995):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + standard))
        except OSError:
            continue
        return base
    raise AssertionError("no free ports")


def test_port_base(make_server: MakeServer) -> None:
    base = free_base()
    server = make_server("--port-base", str(base)).start()
    assert {name: row.port - base for name, row in server.listeners.items()} == {
        "smtp": 25,
        "submission": 587,
        "submissions": 465,
        "imap": 143,
        "imaps": 993,
        "pop3": 110,
        "pop3s": 995,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--user", "carol"], "carol"),
        (["--user", "carol@example.test"], "carol@example.test"),
        (["--port-base", "65000"], "--port-base"),
        (["--domain", "no domain"], "no domain"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_options_are_explained(
    server: Server, options: list[str], said: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("wrong")
    done = server.mailsuite("dev", "--data", str(data), *options, expect=None)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode != 0
    assert said in text
    assert "Traceback" not in text


def test_data_that_a_server_has_is_left_alone(make_server: MakeServer) -> None:
    """A second server on the same data says so and ends, and changes nothing in it."""
    server = make_server("--user=carol@example.test:c").start()
    done = server.mailsuite("dev", "--data", str(server.data), "--ports", "auto", expect=None)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode != 0
    assert str(server.data) in text.replace("\n", "")
    assert "Traceback" not in text
    with server.smtp() as client:
        client.ehlo()
        client.mail("eve@elsewhere.test")
        for name in ("alice", "everyone", "anyone"):
            assert client.rcpt(f"{name}@example.test")[0] == 550


def test_a_taken_port_is_named(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    port = server.port("smtp")
    data = tmp_path_factory.mktemp("taken")
    done = server.mailsuite("dev", "--data", str(data), "--port-base", str(port - 25), expect=None)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode != 0
    assert str(port) in text
    assert "Traceback" not in text


def test_ready_soon(make_server: MakeServer, record_property: Callable[..., None]) -> None:
    """Two seconds is the promise; here only said, since other tests share the machine."""
    server = make_server().start()
    server.stop()
    server.start()
    record_property("seconds_to_ready", server.seconds_to_ready)
    print(f"ready after {server.seconds_to_ready:.2f} s")
    assert server.seconds_to_ready < 20

"""Signing in to Dovecot without a password: access tokens, refresh tokens, client certificates."""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from dovecot_peer import PASSWORD, USER, Dovecot
from e2e_harness import Account, Server, eventually

from mailsuite.remote import (
    Certificate,
    Credential,
    Endpoint,
    Password,
    SignInRefused,
    TokenCommand,
    parse_url,
)
from mailsuite.remote.access import Access
from mailsuite.sasl import ClientLogin, choose
from tests.identity_provider import Provider

pytestmark = [pytest.mark.client("dovecot"), pytest.mark.usefixtures("as_root")]
# As its owner must write name and secret of Dovecot into a URL, each encoded once more.
WHO = "mailsuite:p%253Ass%2520w%25C3%25B6rd"


@dataclass
class Far:
    """Dovecot, and the provider that it asks about tokens."""

    dovecot: Dovecot
    provider: Provider
    ca: Path
    user: Path  # certificate of USER with its key
    other: Path  # of somebody else
    folder: Path

    def url(self, protocol: str) -> str:
        ports = {
            "imaps": self.dovecot.imaps_port,
            "imap": self.dovecot.imap_port,
            "pop3s": self.dovecot.pop3s_port,
            "pop3": self.dovecot.pop3_port,
        }
        return f"{protocol}://{USER}@localhost:{ports[protocol]}"

    def put(self, text: str) -> None:
        client = self.dovecot.imap()
        client.append("INBOX", None, None, f"Subject: {text}\r\n\r\nhi\r\n".encode())
        client.logout()

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text + "\n")
        return path


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = tmp_path_factory.mktemp("far")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    for name, who in (("user.pem", USER), ("other.pem", "mallory@old.test")):
        own = authority.issue_cert(who, common_name=who)
        own.private_key_and_cert_chain_pem.write_to_path(folder / name)
    with Provider() as provider:
        where = provider.url.replace("http://", f"http://{WHO}@") + "/introspect"
        dovecot = Dovecot(
            certificate=(folder / "server.pem", folder / "server.pem"),
            users_ca=folder / "ca.pem",
            introspection=where,
        )
        try:
            with dovecot:
                yield Far(
                    dovecot,
                    provider,
                    folder / "ca.pem",
                    folder / "user.pem",
                    folder / "other.pem",
                    folder,
                )
        finally:
            dovecot.remove()


@dataclass
class Fetch:
    """`mailsuite fetch` into one account."""

    server: Server
    account: Account
    far: Far

    def __call__(self, *words: str | Path, stdin: str = "", expect: int = 0) -> str:
        done = self.server.mailsuite(
            *("fetch", *map(str, words), "--data", str(self.server.data)),
            stdin=stdin.encode(),
            expect=expect,
        )
        return (done.stdout + done.stderr).decode()

    def add(self, protocol: str, *words: str | Path, stdin: str = "", expect: int = 0) -> str:
        """Its number, or what went wrong."""
        fixed = ("--ca", self.far.ca, "--every", "1h", "--no-idle", "--delete")
        url = self.far.url(protocol)
        told = self("add", self.account.address, url, *fixed, *words, stdin=stdin, expect=expect)
        return told if expect else told.rpartition("number ")[2].partition(")")[0]

    def brings(self, number: str, text: str) -> None:
        """New mail comes over, once."""
        self.far.put(text)
        self("run", number)
        subject = f"Subject: {text}\r\n".encode()

        def there() -> bool:
            return sum(subject in body for body in self.server.bodies(self.account)) == 1

        eventually(there, f"{text} is there", more=self.server.log)


# -- the client alone ------------------------------------------------------------------------------


async def signed_in(
    far: Far, protocol: str, credential: Credential, certificate: Path | str = ""
) -> None:
    """Signs in, and sees INBOX. Raises RemoteError."""
    where = parse_url(far.url(protocol))
    login = ClientLogin(where.user)
    endpoint = Endpoint(
        where.protocol, where.host, where.port or 0, where.tls, login, str(far.ca), str(certificate)
    )
    access = Access(endpoint, credential)
    if where.protocol == "imap":
        session = await access.imap()
        assert await session.call(b"STATUS", b"INBOX", b"(MESSAGES)")
        await session.logout()
    else:
        pop3 = await access.pop3()
        await pop3.items()
        await pop3.quit()


ALL = pytest.mark.parametrize("protocol", ["imaps", "imap", "pop3s", "pop3"])


@ALL
async def test_with_an_access_token(far: Far, protocol: str) -> None:
    far.provider.active["good"] = {"email": USER}
    far.provider.active["other"] = {"email": "mallory@old.test"}
    await signed_in(far, protocol, TokenCommand("echo good"))
    # Dovecot takes its time for each refusal.
    for token in ("expired", "other") if protocol == "imaps" else ("expired",):
        with pytest.raises(SignInRefused, match="localhost refuses the token: "):
            await signed_in(far, protocol, TokenCommand(f"echo {token}"))


def test_as_xoauth2(far: Far) -> None:
    """Dovecot offers both, so the other one would be chosen."""
    far.provider.active["good"] = {"email": USER}
    exchange = choose(["XOAUTH2"], ClientLogin(USER, token="good"), secure=True)
    assert exchange is not None
    client = imaplib.IMAP4("127.0.0.1", far.dovecot.imap_port)
    assert client.authenticate("XOAUTH2", lambda _: exchange.initial)[0] == "OK"
    client.logout()


@ALL
async def test_with_a_certificate(far: Far, protocol: str) -> None:
    await signed_in(far, protocol, Certificate(), far.user)
    with pytest.raises(SignInRefused, match="localhost refuses the certificate: "):
        await signed_in(far, protocol, Certificate(), far.other)
    # Only shown, beside a password.
    await signed_in(far, protocol, Password(PASSWORD), far.other)
    with pytest.raises(SignInRefused, match=r"offers no sign-in with this certificate|refuses"):
        await signed_in(far, protocol, Certificate())


# -- the commands ----------------------------------------------------------------------------------


def test_a_refresh_token(make_server: Callable[..., Server], far: Far) -> None:
    """Kept, renewed, in force after a restart; and what is said when it is over."""
    server = make_server("--user=bob@example.test:secret").start()
    fetch = Fetch(server, server.accounts[0], far)
    provider = far.provider
    provider.refresh, provider.rotates = {"long lived": {"email": USER}}, True
    words: list[str | Path] = ["--refresh-token-file", "-", "--client-id", "mailsuite"]
    words += ["--token-endpoint", f"{provider.url}/token"]
    words += ["--client-secret-file", far.file("secret", provider.clients["mailsuite"])]
    number = fetch.add("imaps", *words, stdin="long lived\n")
    fetch.brings(number, "one")
    # The refresh token that has taken the first one's place is known after a restart.
    server.stop()
    server.start()
    fetch.brings(number, "two")
    provider.refresh.clear()
    provider.active.clear()
    told = fetch("run", number, expect=1)
    assert "takes the refresh token no more (invalid_grant: expired or revoked)" in told
    file = far.file("token", "now")
    provider.active["now"] = {"email": USER}
    fetch("login", number, "--token-file", file)
    fetch.brings(number, "three")


@pytest.mark.parametrize("way", ["token", "refresh", "certificate"])
def test_import(server: Server, account: Account, far: Far, way: str, token: str) -> None:
    far.put(token)
    far.provider.active["t"] = {"email": USER}
    far.provider.refresh["r"] = {"email": USER}
    far.provider.rotates = False
    words = {
        "token": ["--token-command", "echo t"],
        "refresh": [
            *("--refresh-token-file", str(far.file("refresh", "r")), "--client-id", "public"),
            *("--token-endpoint", f"{far.provider.url}/token"),
        ],
        "certificate": ["--certificate", str(far.user)],
    }[way]
    done = server.mailsuite(
        *("import", account.address, far.url("imaps"), "--ca", str(far.ca), *words),
        *("--data", str(server.data)),
    )
    assert b"messages (" in done.stdout
    assert any(token.encode() in body for body in server.bodies(account))

"""What to sign in with: tokens from a file, a command, a token endpoint; kept, renewed, refused."""

from __future__ import annotations

import asyncio
import sys
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from mailsuite.remote import (
    Certificate,
    Credential,
    Endpoint,
    Password,
    RefreshToken,
    RemoteError,
    SignInRefused,
    TlsFailed,
    TokenCommand,
    TokenFile,
    Unreachable,
    as_dict,
    from_dict,
    kind_of,
    packed,
    tokens,
    unpacked,
)
from mailsuite.remote.access import Access
from mailsuite.remote.credential import check_endpoint
from mailsuite.sasl import ClientLogin
from tests.identity_provider import SECRET, Provider

CREDENTIALS = [
    Password('a "b'),
    TokenFile("/run/token"),
    TokenCommand("pass show x"),
    RefreshToken("https://id.test/token", "me", "long", "hush", "mail"),
    Certificate(),
]


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_there_and_back(credential):
    assert from_dict(as_dict(credential)) == credential
    assert unpacked(kind_of(credential), packed(credential)) == credential
    assert not any(secret in repr(credential) for secret in ('a "b', "long", "hush"))


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://id.test/token", True),
        ("http://127.0.0.1:8080/token", True),
        ("http://localhost/token", True),
        ("http://id.test/token", False),
        ("https://me:secret@id.test/token", False),
        ("https://id.test/token#x", False),
        ("id.test/token", False),
    ],
)
def test_where_a_refresh_token_may_be_sent(url, fits):
    if fits:
        check_endpoint(url)
    else:
        with pytest.raises(ValueError):
            check_endpoint(url)


# -- files and commands ----------------------------------------------------------------------------


async def test_the_first_line_of_a_file(tmp_path):
    file = tmp_path / "token"
    with pytest.raises(RemoteError, match="no access token: No such file"):
        await tokens.from_file(TokenFile(str(file)))
    file.write_bytes(b"abc.def==\r\nmore\n")
    assert await tokens.from_file(TokenFile(str(file))) == "abc.def=="
    for wrong in (b"", b"\nabc", b"a b\n", b"a\x01b\n", "ä".encode()):
        file.write_bytes(wrong)
        with pytest.raises(RemoteError, match="its first line is no access token"):
            await tokens.from_file(TokenFile(str(file)))


def command(script: str) -> TokenCommand:
    return TokenCommand(f'"{sys.executable}" -c "{script}"')


async def test_what_a_command_says():
    assert await tokens.from_command(TokenCommand("printf 'abc\\nmore'")) == "abc"
    with pytest.raises(RemoteError, match=r"token command false: exit status 1\Z"):
        await tokens.from_command(TokenCommand("false"))
    with pytest.raises(RemoteError, match="exit status 3: locked"):
        await tokens.from_command(TokenCommand("sh -c 'echo oh >&2; echo locked >&2; exit 3'"))
    for wrong in ("/no/such/program", "echo 'x", ""):
        with pytest.raises(RemoteError, match="token command"):
            await tokens.from_command(TokenCommand(wrong))
    # More than anybody needs is not held.
    with pytest.raises(RemoteError, match="no access token"):
        await tokens.from_command(command("print('x y' * 1000000)"))


async def test_a_command_that_does_not_end(monkeypatch, tmp_path):
    """Nor does what it has begun outlive it."""
    monkeypatch.setattr(tokens, "COMMAND_WAIT", 0.3)
    pid = tmp_path / "pid"
    with pytest.raises(RemoteError, match="not done after"):
        await tokens.from_command(TokenCommand(f"sh -c 'sleep 100 & echo $! > {pid}; wait'"))
    stat = Path(f"/proc/{pid.read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while stat.exists() and " Z " not in stat.read_text():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


# -- the token endpoint ----------------------------------------------------------------------------


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as one:
        one.refresh["long"] = {"email": "bob"}
        yield one


@asynccontextmanager
async def mail_server(provider: Provider) -> AsyncIterator[tuple[Endpoint, list[str]]]:
    """A POP3 server that takes the provider's tokens; those that it was shown."""
    shown: list[str] = []

    serving: list[asyncio.Task[None]] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(serve(reader, writer)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK\r\n")
        while line := await reader.readline():
            if line.startswith(b"CAPA"):
                writer.write(b"+OK\r\nSASL OAUTHBEARER\r\n.\r\n")
            elif line.startswith(b"AUTH"):
                exchange = b64decode(line.split()[2])
                token = exchange.partition(b"Bearer ")[2].rstrip(b"\1").decode()
                shown.append(token)
                if token in provider.active:
                    writer.write(b"+OK\r\n")
                    continue
                writer.write(b"+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n")
                assert await reader.readline() == b"AQ==\r\n"
                writer.write(b"-ERR [AUTH] no\r\n")
            else:
                writer.write(b"+OK\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(accept, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        yield Endpoint("pop3", "127.0.0.1", port, "none", ClientLogin("bob")), shown
        await asyncio.gather(*serving)


class Clock:
    """Goes on when it is told to."""

    seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


def refresh(provider: Provider, **changed: str) -> RefreshToken:
    values = {"client_id": "mailsuite", "token": "long", "client_secret": SECRET} | changed
    return RefreshToken(f"{provider.url}/token", **values)


async def visit(access: Access) -> None:
    await (await access.pop3()).quit()


async def test_a_token_is_kept_as_long_as_it_is_good(provider):
    clock = Clock()
    async with mail_server(provider) as (endpoint, shown):
        access = Access(endpoint, refresh(provider), clock=clock)
        await visit(access)
        clock.seconds += provider.lifetime - tokens.EARLY - 1
        await visit(access)
        assert (provider.asked["/token"], len(set(shown))) == (1, 1)
        clock.seconds += 2
        await visit(access)
        assert (provider.asked["/token"], len(set(shown))) == (2, 2)
        # One that is refused before its time: another is asked for, once.
        provider.active.clear()
        await visit(access)
        assert (provider.asked["/token"], len(shown)) == (3, 5)


async def test_a_token_that_is_refused_though_it_is_new(provider):
    async with mail_server(provider) as (endpoint, shown):
        provider.refresh["long"] = {}
        access = Access(endpoint, refresh(provider))
        forgetful = provider.active = _Empty()
        with pytest.raises(
            SignInRefused, match=r"refuses the token: \[AUTH\] no \(invalid_token\)"
        ):
            await visit(access)
        assert forgetful == {} and len(shown) == 1


class _Empty(dict):
    def __setitem__(self, key: str, value: object) -> None:
        """Keeps nothing."""


async def test_sessions_at_once_ask_once(provider):
    async with mail_server(provider) as (endpoint, _):
        access = Access(endpoint, refresh(provider))
        await asyncio.gather(*(visit(access) for _ in range(5)))
    assert provider.asked["/token"] == 1


async def test_another_refresh_token_is_kept_before_the_access_token_is_used(provider):
    provider.rotates, provider.lifetime = True, 1
    kept: list[Credential] = []
    async with mail_server(provider) as (endpoint, shown):

        async def keep(credential: Credential) -> None:
            assert len(shown) == len(kept)
            kept.append(credential)

        access = Access(
            endpoint, refresh(provider, client_id="public", client_secret=""), keep=keep
        )
        await visit(access)
        await visit(access)
    assert len(kept) == 2 and kept[-1] == access.credential
    assert set(provider.refresh) == {access.credential.token}


async def test_it_is_kept_though_the_visit_is_cancelled(provider):
    provider.rotates = True
    kept: list[Credential] = []
    async with mail_server(provider) as (endpoint, _):
        begun = asyncio.Event()

        async def keep(credential: Credential) -> None:
            begun.set()
            await asyncio.sleep(0.01)
            kept.append(credential)

        task = asyncio.create_task(visit(Access(endpoint, refresh(provider), keep=keep)))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"token": "gone"}, SignInRefused, r"no more \(invalid_grant: expired or revoked\)"),
        ({"client_id": "x"}, SignInRefused, r"this client id or secret \(invalid_client\)"),
        ({"client_secret": "x"}, SignInRefused, "invalid_client"),
    ],
)
async def test_refusals(provider, changed, error, words):
    access = Access(
        Endpoint("imap", "x.test", 1, "none", ClientLogin("bob")), refresh(provider, **changed)
    )
    with pytest.raises(error, match=words):
        await access.imap()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {"token_type": "Bearer"}), "answers without an access token"),
        ((200, {"access_token": "a b"}), "answers without an access token"),
        ((200, ["x"]), "answers without an access token"),
        ((200, {"access_token": "a", "token_type": "mac"}), "a token of another type: mac"),
        ((503, {}), "gives no access token: status 503"),
        ((400, {"error": "slow_down", "error_description": "a\r\nb"}), "slow_down: a b"),
    ],
)
async def test_answers_that_are_of_no_use(provider, monkeypatch, answer, words):
    monkeypatch.setattr(Provider, "grant", lambda *_: answer)
    access = Access(Endpoint("imap", "x.test", 1, "none", ClientLogin("bob")), refresh(provider))
    with pytest.raises(RemoteError, match=words) as caught:
        await access.imap()
    assert not isinstance(caught.value, SignInRefused)


async def test_nobody_there():
    away = RefreshToken("http://127.0.0.1:1/token", "me", "long")
    access = Access(Endpoint("imap", "x.test", 1, "none", ClientLogin("bob")), away)
    with pytest.raises(Unreachable, match=r"no access token: 127\.0\.0\.1"):
        await access.imap()


# -- certificates ----------------------------------------------------------------------------------


async def test_certificates_that_can_not_be_shown(tmp_path):
    async def tried(certificate: Path, key: Path | str = "") -> None:
        files = (str(certificate), str(key))
        login = ClientLogin("bob")
        endpoint = Endpoint("imap", "127.0.0.1", 1, "implicit", login, "", *files)
        await Access(endpoint, Certificate()).imap()

    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    with pytest.raises(TlsFailed, match=r"gone\.pem: No such file"):
        await tried(tmp_path / "gone.pem")
    with pytest.raises(TlsFailed, match="can't be used as certificate and key"):
        await tried(empty)
    authority = trustme.CA()
    one, other = authority.issue_cert("bob@x.test"), authority.issue_cert("al@x.test")
    one.cert_chain_pems[0].write_to_path(tmp_path / "one.pem")
    other.private_key_pem.write_to_path(tmp_path / "other.key")
    with pytest.raises(TlsFailed, match=r"gone\.key: No such file"):
        await tried(tmp_path / "one.pem", tmp_path / "gone.key")
    with pytest.raises(TlsFailed, match=r"other\.key: can't be used"):
        await tried(tmp_path / "one.pem", tmp_path / "other.key")
    locked = _locked(one.private_key_pem.bytes())
    (tmp_path / "locked.key").write_bytes(locked)
    with pytest.raises(TlsFailed, match=r"locked\.key: the key is locked by a passphrase"):
        await tried(tmp_path / "one.pem", tmp_path / "locked.key")


def _locked(pem: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(pem, None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )

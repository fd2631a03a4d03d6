"""What every directory has to do, wherever it keeps its accounts. A new one joins `KINDS`.

All have alice (may sign in) and, where they can say so, bob (may not), in example.test.
"""

import asyncio
import shutil
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from mailsuite.accounts import AccountRow, Directory, DirectoryUnavailable
from mailsuite.accounts.ldap import Ldap, LdapSettings
from mailsuite.accounts.mirror import Mirror
from mailsuite.accounts.passwords import Hasher
from mailsuite.accounts.several import Directories
from mailsuite.accounts.users_file import UsersFile
from mailsuite.base.tasks import Threads
from mailsuite.mail import Mailbox, Unknown
from mailsuite.routing import Router
from mailsuite.sasl import Credentials
from mailsuite.signin import Client, Refused, SignedIn, Why
from tests.sign_in import sign_in
from tests.slapd import SEARCHER, SUFFIX, Slapd, person

ALICE, BOB, CAROL = (f"{name}@example.test" for name in ("alice", "bob", "carol"))
PEOPLE = (
    person("alice", "alice's", "Alice@example.test")
    + person("nopassword", None, "nobody@example.test")
    + person("two", "x", "one@example.test", "two@example.test")
    + person("elsewhere", "x", "dave@other.test")
    + "".join(person(f"more{n}", "x", f"more{n}@example.test") for n in range(6))
)


@dataclass
class Case:
    """`fail` makes the list unreadable, `repair` undoes that; None: it can't fail so."""

    directory: Directories
    fail: Callable[[], Awaitable[None]] | None = None
    repair: Callable[[], Awaitable[None]] | None = None
    mirror: Mirror | None = None


Kind = Callable[[Path, Slapd], AbstractAsyncContextManager[Case]]


def own(folder: Path, threads: Threads) -> Directory:
    return Directory(folder / "accounts.db", threads, hasher=Hasher(memory=64, passes=1))


@asynccontextmanager
async def built_in(folder: Path, slapd: Slapd) -> AsyncIterator[Case]:
    threads = Threads("test", 2)
    directory = own(folder, threads)
    directory.add_domain("example.test")
    directory.add_user(ALICE, "alice's")
    directory.add_user(BOB, "bob's")
    directory.disable(BOB)
    yield Case(Directories(directory))
    threads.close()
    directory.close()


@asynccontextmanager
async def beside(folder: Path, make: Callable[[Threads], Mirror]) -> AsyncIterator[Case]:
    threads = Threads("test", 2)
    directory = own(folder, threads)
    mirror = make(threads)
    several = Directories(directory, [mirror])
    await several.start()
    yield Case(several, mirror=mirror)
    await several.stop()
    threads.close()
    directory.close()


@asynccontextmanager
async def users_file(folder: Path, slapd: Slapd) -> AsyncIterator[Case]:
    hasher, path = Hasher(memory=64, passes=1), folder / "users"
    path.write_text(
        f"# people\n\nAlice@example.test:{hasher.make(b'alice' + bytes([39]) + b's')}\n"
        f"{BOB}:!{hasher.make(b'bob' + bytes([39]) + b's')}   # away\n"
    )

    def make(threads: Threads) -> Mirror:
        return UsersFile(path, ["example.test"], threads, hasher=hasher, interval=3600)

    async with beside(folder, make) as case:
        whole = path.read_text()

        async def fail() -> None:
            path.write_text(whole + "nonsense\n")
            assert case.mirror
            await case.mirror.refresh()

        async def repair() -> None:
            path.write_text(whole)
            assert case.mirror
            await case.mirror.refresh()

        case.fail, case.repair = fail, repair
        yield case


@asynccontextmanager
async def ldap(folder: Path, slapd: Slapd) -> AsyncIterator[Case]:
    settings = LdapSettings(
        url=slapd.secure_url,
        base=f"ou=people,{SUFFIX}",
        ca=slapd.ca,
        user=SEARCHER,
        password="searcher",
        timeout=5.0,
        refresh=3600.0,
    )

    def make(threads: Threads) -> Mirror:
        return Ldap(settings, ["example.test"], threads)

    async with beside(folder, make) as case:

        async def fail() -> None:
            await asyncio.to_thread(slapd.stop)
            assert case.mirror
            await case.mirror.refresh()

        async def repair() -> None:
            if slapd.process is None:
                await asyncio.to_thread(slapd.start)
            assert case.mirror
            await case.mirror.refresh()

        case.fail, case.repair = fail, repair
        try:
            yield case
        finally:
            await repair()


KINDS: dict[str, Kind] = {"built-in": built_in, "file": users_file, "ldap": ldap}


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd | None]:
    if shutil.which("slapd") is None:
        yield None
        return
    with Slapd(tmp_path_factory.mktemp("slapd"), PEOPLE) as running:
        yield running


@pytest.fixture(
    params=[
        pytest.param(
            kind, marks=[pytest.mark.client("slapd", "python:bonsai")] if kind == "ldap" else []
        )
        for kind in KINDS
    ]
)
async def case(request: pytest.FixtureRequest, tmp_path: Path, slapd: Slapd) -> AsyncIterator[Case]:
    async with KINDS[request.param](tmp_path, slapd) as opened:
        yield opened


async def test_who_is_there(case: Case) -> None:
    directory = case.directory
    assert directory.is_local("EXAMPLE.test") and not directory.is_local("other.test")
    found = directory.lookup("ALICE@example.test")
    assert isinstance(found, AccountRow) and found.address == ALICE and found.enabled
    assert directory.lookup("carol@example.test") is None
    assert directory.lookup("alice@other.test") is None
    assert directory.lookup("no address") is None
    assert ALICE in [row.address for row in directory.users()]
    assert ALICE in [row.address for row in directory.users("example.test")]
    assert directory.users("other.test") == []
    assert [row.name for row in directory.domains()] == ["example.test"]
    assert directory.enabled("Alice@example.test") == ALICE
    assert directory.enabled(BOB) is None


async def test_who_comes_in(case: Case) -> None:
    verify = case.directory.verify
    assert await verify("Alice@example.test", "alice's") == ALICE
    for name, password in [
        (ALICE, "wrong"), (ALICE, ""), (ALICE, "x" * 5000), (ALICE, "alice's\0"), (BOB, "bob's"),
        (CAROL, "alice's"), ("alice", "alice's"), ("", ""),
    ]:  # fmt: skip
        assert await verify(name, password) is None, (name, password)


async def test_the_router_and_the_sign_in_room_take_it(case: Case) -> None:
    router = Router(case.directory)
    assert router.route("alice+shop@example.test") == Mailbox(ALICE, "shop")
    assert isinstance(router.route("carol@example.test"), Unknown)
    room = sign_in(case.directory, scram="auto")
    client = Client("imap", "192.0.2.1", secure=True)
    assert isinstance(await room.password(client, Credentials("", ALICE, "alice's")), SignedIn)
    outcome = await room.password(client, Credentials("", ALICE, "wrong"))
    assert isinstance(outcome, Refused) and outcome.why is Why.WRONG
    assert ("SCRAM-SHA-256" in room.mechanisms(client)) is (case.mirror is None)
    _, word = case.directory.app_passwords.add(ALICE, "phone")
    assert isinstance(await room.password(client, Credentials("", ALICE, word)), SignedIn)


async def test_a_list_that_cannot_be_read_is_no_empty_list(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    if case.fail is None or case.repair is None:
        pytest.skip("it is read anew at each question")
    await case.fail()
    directory = case.directory
    found = directory.lookup(ALICE)
    assert isinstance(found, AccountRow)  # known before
    with pytest.raises(DirectoryUnavailable):
        directory.lookup(CAROL)
    with pytest.raises(DirectoryUnavailable):
        await directory.verify(CAROL, "x")
    room = sign_in(directory)
    outcome = await room.password(
        Client("pop3", "192.0.2.1", secure=True), Credentials("", CAROL, "x")
    )
    assert isinstance(outcome, Refused) and outcome.why is Why.UNAVAILABLE
    assert directory.is_local("example.test")
    assert capsys.readouterr().out.count("accounts not read") == 1
    await case.repair()
    assert directory.lookup(CAROL) is None
    assert await directory.verify(ALICE, "alice's") == ALICE


class TestUsersFile:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("alice", "users:2: expected address:hash"),
            ("not an address:x", "users:2: expected address:hash"),
            (f"{CAROL}:secret", "carol@example.test has no argon2 hash"),
            ("carol@other.test:!x", "is in none of the domains in the settings"),
            ("\xff", "users:2: "),
        ],
    )
    async def test_mistakes(
        self, tmp_path: Path, line: str, words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "users"
        path.write_bytes(b"# one\n" + line.encode("latin-1") + b"\n")
        threads = Threads("test", 1)
        mirror = UsersFile(path, ["example.test"], threads)
        await mirror.refresh()
        assert not mirror.reliable and words in capsys.readouterr().out
        path.unlink()
        await mirror.refresh()
        assert "users: No such file" in capsys.readouterr().out
        threads.close()

    async def test_a_name_that_is_not_there_costs_what_the_files_hashes_cost(
        self, tmp_path: Path
    ) -> None:
        """They may have been made with other parameters than ours."""

        class Watched(Hasher):
            seen: ClassVar[list[str | None]] = []

            def check(self, kept: str | None, password: bytes) -> bool:
                self.seen.append(kept)
                return super().check(kept, password)

        path, kept = tmp_path / "users", Hasher(memory=128, passes=2).make(b"one")
        path.write_text(f"{ALICE}:{kept}\n")
        threads = Threads("test", 1)
        mirror = UsersFile(path, ["example.test"], threads, hasher=Watched(memory=64, passes=1))
        await mirror.refresh()
        assert not await mirror.verify(CAROL, "one") and not await mirror.verify(CAROL, "two")
        assert await mirror.verify(ALICE, "one") and not await mirror.verify(CAROL, "one")
        assert Watched.seen == [kept] * 4
        threads.close()

    async def test_a_change_is_seen_and_a_changed_password_is_in_force_at_once(
        self, tmp_path: Path
    ) -> None:
        hasher, path = Hasher(memory=64, passes=1), tmp_path / "users"
        path.write_text(f"{ALICE}:{hasher.make(b'one')}\n")
        threads = Threads("test", 1)
        mirror = UsersFile(path, ["example.test"], threads, hasher=hasher, interval=0.01)
        await mirror.start()
        assert await mirror.verify(ALICE, "one") and await mirror.verify(ALICE, "one")
        path.write_text(f"{ALICE}:{hasher.make(b'two!')}\n{CAROL}:{hasher.make(b'c')}\n")
        for _ in range(1000):
            if mirror.find(CAROL) is not None:
                break
            await asyncio.sleep(0.01)
        assert not await mirror.verify(ALICE, "one")
        assert await mirror.verify(ALICE, "two!")
        await mirror.close()
        threads.close()


@pytest.mark.client("slapd", "python:bonsai")
class TestLdap:
    def mirror(self, slapd: Slapd, threads: Threads, **changes: object) -> Ldap:
        values: dict[str, object] = {
            "url": slapd.secure_url,
            "base": SUFFIX,
            "ca": slapd.ca,
            "user": SEARCHER,
            "password": "searcher",
            **changes,
        }
        return Ldap(LdapSettings(**values), ["example.test"], threads)  # type: ignore[arg-type]

    async def test_entries_by_pages_and_what_is_left_out(
        self, slapd: Slapd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The server gives three at once; one with two addresses could be either."""
        monkeypatch.setattr("mailsuite.accounts.ldap.PAGE", 2)
        threads = Threads("test", 1)
        mirror = self.mirror(slapd, threads)
        await mirror.refresh()
        assert mirror.reliable, capsys.readouterr().out
        assert [row.address.partition("@")[0] for row in mirror.users()] == [
            "alice", *(f"more{n}" for n in range(6)), "nobody",
        ]  # fmt: skip
        assert "not one address, left out" in capsys.readouterr().out
        assert not await mirror.verify("nobody@example.test", "x")  # no password is set
        threads.close()

    async def test_starttls_and_a_filter(self, slapd: Slapd) -> None:
        threads = Threads("test", 1)
        mirror = self.mirror(slapd, threads, url=slapd.url, starttls=True, filter="(uid=alice)")
        await mirror.refresh()
        assert [row.address for row in mirror.users()] == [ALICE]
        assert await mirror.verify(ALICE, "alice's")
        threads.close()

    @pytest.mark.parametrize(
        "changes",
        [
            {"password": "wrong"},
            {"ca": None},
            {"base": "dc=nowhere"},
            {"url": "ldap://127.0.0.1:1"},
        ],
    )
    async def test_what_is_wrong_is_told(
        self, slapd: Slapd, changes: dict[str, object], capsys: pytest.CaptureFixture[str]
    ) -> None:
        threads = Threads("test", 1)
        mirror = self.mirror(slapd, threads, **changes)
        await mirror.refresh()
        assert not mirror.reliable
        assert "accounts not read" in capsys.readouterr().out
        threads.close()

    async def test_a_server_that_says_nothing_holds_nobody_up(self, slapd: Slapd) -> None:
        silent = socket.create_server(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        threads = Threads("test", 1)
        mirror = self.mirror(slapd, threads, url=f"ldap://127.0.0.1:{port}", timeout=0.2)
        began = time.monotonic()
        await mirror.refresh()
        assert not mirror.reliable
        assert time.monotonic() - began < 30
        silent.close()
        threads.close()

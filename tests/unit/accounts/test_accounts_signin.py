"""Sign-in: right and wrong passwords, the same work for unknown names, the short memory."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailsuite.accounts import Directory
from mailsuite.accounts.passwords import Hasher, Remembered, prepare
from mailsuite.base.tasks import Threads


class CountingHasher(Hasher):
    """Cheap parameters, and a count of the checks made."""

    def __init__(self, passes: int = 1) -> None:
        super().__init__(memory=64, passes=passes)
        self.checks = 0
        self.at_once = 0
        self.most_at_once = 0
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def check(self, kept: str | None, password: bytes) -> bool:
        self.checks += 1
        self.at_once += 1
        self.started.set()
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.go_on.wait(10)
            return super().check(kept, password)
        finally:
            self.at_once -= 1


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
async def directory(tmp_path: Path, hasher: CountingHasher) -> AsyncIterator[Directory]:
    threads = Threads("test", 8)
    found = Directory(tmp_path / "accounts.db", threads, hasher=hasher)
    found.add_domain("example.test")
    found.add_user("alice@example.test", "secret")
    yield found
    threads.close()
    found.close()


async def test_right_and_wrong(directory: Directory) -> None:
    assert await directory.verify("ALICE@example.test", "secret") == "alice@example.test"
    assert await directory.verify("alice@example.test", "Secret") is None
    assert await directory.verify("alice@example.test", "") is None
    assert await directory.verify("alice@example.test", "secret" + "x" * 2000) is None
    assert await directory.verify("bob@example.test", "secret") is None
    assert await directory.verify("alice", "secret") is None
    assert await directory.verify("", "") is None
    assert await directory.verify("\ud800@\x00", "\ud800") is None


async def test_an_alias_is_no_login(directory: Directory) -> None:
    directory.add_alias("sales@example.test", ["alice@example.test"])
    assert await directory.verify("sales@example.test", "secret") is None


async def test_unknown_and_disabled_names_cost_a_check(
    directory: Directory, hasher: CountingHasher
) -> None:
    directory.disable("alice@example.test")
    for name in ("nobody@example.test", "no address", "alice@example.test"):
        before = hasher.checks
        assert await directory.verify(name, "secret") is None
        assert hasher.checks == before + 1
    directory.enable("alice@example.test")
    assert await directory.verify("alice@example.test", "secret") == "alice@example.test"


async def test_a_success_is_remembered_and_a_failure_is_not(
    directory: Directory, hasher: CountingHasher
) -> None:
    for _ in range(3):
        assert await directory.verify("alice@example.test", "secret")
    assert hasher.checks == 1
    for _ in range(3):
        assert await directory.verify("alice@example.test", "wrong") is None
    assert hasher.checks == 4


async def test_changes_end_the_memory_at_once(directory: Directory, tmp_path: Path) -> None:
    assert await directory.verify("alice@example.test", "secret")
    other = Directory(tmp_path / "accounts.db", hasher=CountingHasher())
    other.disable("alice@example.test")
    assert await directory.verify("alice@example.test", "secret") is None
    other.enable("alice@example.test")
    assert await directory.verify("alice@example.test", "secret")
    other.set_password("alice@example.test", "new")
    assert await directory.verify("alice@example.test", "secret") is None
    assert await directory.verify("alice@example.test", "new")
    other.remove_user("alice@example.test")
    assert await directory.verify("alice@example.test", "new") is None
    other.close()


async def test_a_burst_of_one_client_is_few_checks(
    directory: Directory, hasher: CountingHasher
) -> None:
    found = await asyncio.gather(
        *(directory.verify("alice@example.test", "secret") for _ in range(50))
    )
    assert found == ["alice@example.test"] * 50
    assert hasher.checks <= 4
    await asyncio.gather(*(directory.verify("alice@example.test", str(n)) for n in range(50)))
    assert hasher.most_at_once <= 4


async def test_a_cancelled_check_runs_to_its_end(
    directory: Directory, hasher: CountingHasher
) -> None:
    hasher.go_on.clear()
    task = asyncio.create_task(directory.verify("alice@example.test", "secret"))
    async with asyncio.timeout(10):
        await asyncio.to_thread(hasher.started.wait)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    hasher.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hasher.at_once == 0


async def test_dated_hashes_are_renewed(tmp_path: Path) -> None:
    path = tmp_path / "dated.db"
    old = Directory(path, hasher=CountingHasher(passes=1))
    old.add_domain("example.test")
    old.add_user("alice@example.test", "secret")
    kept = old.credentials._row("alice@example.test")[1]
    old.close()
    new = Directory(path, hasher=CountingHasher(passes=2))
    assert new.check("alice@example.test", "wrong") is None
    assert new.credentials._row("alice@example.test")[1] == kept
    assert new.check("alice@example.test", "secret")
    renewed = new.credentials._row("alice@example.test")[1]
    assert renewed is not None
    assert renewed != kept
    assert ",t=2," in renewed
    assert new.check("alice@example.test", "secret")
    new.close()


def test_passwords_compare_as_opaque_strings() -> None:
    """RFC 8265 §4.2.2: NFC, other spaces become U+0020, case and width stay."""
    assert prepare("cafe\u0301") == prepare("caf\u00e9")
    assert prepare("a\u3000b\u00a0c") == b"a b c"
    assert prepare("P\uff41ss") != prepare("Pass")
    assert prepare("\ud800") != prepare("?")


def test_the_memory_is_bounded_in_time_and_number() -> None:
    memory = Remembered(lifetime=10, limit=3)
    memory.add("a@x", "h", b"p", now=100)
    assert memory.has("a@x", "h", b"p", now=109)
    assert not memory.has("a@x", "h", b"q", now=109)
    assert not memory.has("a@x", "other", b"p", now=109)
    assert not memory.has("a@x", "h", b"p", now=110)
    for number in range(5):
        memory.add(f"{number}@x", "h", b"p", now=200)
    assert [memory.has(f"{n}@x", "h", b"p", now=201) for n in range(5)] == [False] * 2 + [True] * 3

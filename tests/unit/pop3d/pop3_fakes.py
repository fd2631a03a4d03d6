"""A store and accounts in memory, as far as the POP3 door needs them, that fail on demand."""

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from mailsuite.store import Form, MessageGone, StoreUnavailable, UniqueIds

PASSWORDS = {"alice@example.test": "open sesame", "bob@example.test": "b"}


class FakeClock:
    """Stands still until it is told to go on; in seconds."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class FakeInbox:
    """A mailbox of the store, in memory."""

    def __init__(self) -> None:
        self.uidvalidity = 7
        self.mail: dict[int, bytes] = {}
        self.faults: dict[str, Exception] = {}
        self.users = 0
        self.flag_table: list[frozenset[str]] = [frozenset()]
        self.unreadable_from = 1 << 40

    @property
    def uids(self) -> "array[int]":
        return array("I", sorted(self.mail))

    @property
    def flagsets(self) -> list[int]:
        return [0] * len(self.mail)

    def _fail(self, call: str) -> None:
        if (error := self.faults.pop(call, None)) is not None:
            raise error

    async def open(self, name: str) -> "FakeInbox":
        assert name == "INBOX"
        self._fail("open")
        self.users += 1
        return self

    async def open_ended(self, first: int, last: int) -> list[int]:
        return [
            uid
            for uid, octets in self.mail.items()
            if first <= uid <= last and octets and not octets.endswith(b"\r\n")
        ]

    async def unique_ids(self) -> UniqueIds:
        return UniqueIds(Form.read("%v.%u", self.uidvalidity))

    def release(self) -> None:
        self.users -= 1

    def index(self, uid: int) -> int | None:
        return 0 if uid in self.mail else None

    async def sizes(self, uids: Sequence[int]) -> tuple["array[int]", "array[int]"]:
        self._fail("sizes")
        there = [uid for uid in uids if uid in self.mail]
        return array("I", there), array("Q", [len(self.mail[uid]) for uid in there])

    async def table(self, uids: Sequence[int], *, columns: Sequence[str]) -> list[Any]:
        self._fail("table")
        there = [uid for uid in uids if uid in self.mail]
        assert columns == ("header",)
        return [there, [header_block(self.mail[uid]) for uid in there]]

    async def read(
        self, uids: Sequence[int], *, max_octets: int = 1 << 20
    ) -> list[tuple[int, bytes | None]]:
        self._fail("read")
        assert sum(len(self.mail.get(uid, b"")) for uid in uids) <= max_octets
        return [(uid, self.mail.get(uid)) for uid in uids]

    async def examine(self, uids: Sequence[int], look: Any) -> list[Any]:
        self._fail("examine")
        return [(uid, look(self.mail[uid]) if uid in self.mail else None) for uid in uids]

    async def open_message(self, uid: int) -> "FakeFile":
        self._fail("open_message")
        if uid not in self.mail:
            raise MessageGone
        return FakeFile(self, self.mail[uid])

    async def expunge(
        self, uids: Iterable[int], *, only_deleted: bool, origin: object = None
    ) -> list[int]:
        assert not only_deleted
        self._fail("expunge")
        return [uid for uid in uids if self.mail.pop(uid, None) is not None]


class FakeFile:
    def __init__(self, inbox: FakeInbox, octets: bytes) -> None:
        self._inbox = inbox
        self._octets = octets
        self.size = len(octets)
        inbox.users += 1

    async def read(self, offset: int = 0, length: int | None = None) -> bytes:
        self._inbox._fail("read_file")
        if offset >= self._inbox.unreadable_from:
            raise StoreUnavailable("the disk failed")
        return self._octets[offset : None if length is None else offset + length]

    def close(self) -> None:
        self._inbox.users -= 1


class FakeStore:
    def __init__(self) -> None:
        self.inboxes = {address: FakeInbox() for address in PASSWORDS}

    async def account(self, address: str) -> FakeInbox:
        return self.inboxes[address]


def header_block(message: bytes) -> bytes:
    header, end, _ = message.partition(b"\r\n\r\n")
    return header + end

"""Random operations, ours and others', restarts, lost indexes: the store equals a model."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.store import AccountStore, Attachment, Facets, Mailbox, NewMessage, Store, Usage

NAMES = ("INBOX", "Archive")
FLAGS = ("\\Seen", "\\Deleted", "\\Flagged", "$Forwarded", "work", "Junk")
LETTERS = {"S": "\\Seen", "T": "\\Deleted", "F": "\\Flagged", "P": "$Forwarded"}

which = st.sampled_from(NAMES)
some = st.lists(st.integers(0, 7), max_size=4)
flag_sets = st.frozensets(st.sampled_from(FLAGS), max_size=3)
operations = st.one_of(
    st.tuples(st.just("append"), which, st.integers(1, 3), flag_sets),
    st.tuples(st.just("flags"), which, some, st.sampled_from(["+", "-", ""]), flag_sets),
    st.tuples(st.just("expunge"), which, some, st.booleans()),
    st.tuples(st.just("copy"), which, some, which),
    st.tuples(st.just("move"), which, some, which),
    st.tuples(st.just("tell"), which, st.booleans()),
    st.tuples(st.just("other deliver"), which),
    st.tuples(st.just("other flag"), which, st.integers(0, 7), st.sets(st.sampled_from("STFP"))),
    st.tuples(st.just("other remove"), which, st.integers(0, 7)),
    st.tuples(st.just("restart"), st.booleans(), st.booleans()),
)


@dataclass
class Message:
    text: bytes
    flags: frozenset[str]


@dataclass
class Model:
    """What ought to be: for each mailbox its messages by UID, and every UID ever seen."""

    boxes: dict[str, dict[int, Message]] = field(
        default_factory=lambda: {name: {} for name in NAMES}
    )
    used: dict[str, dict[int, bytes]] = field(default_factory=lambda: {n: {} for n in NAMES})

    def add(self, name: str, uid: int, message: Message) -> None:
        assert uid > max(self.used[name], default=0), "a UID must be greater than all before"
        self.used[name][uid] = message.text
        self.boxes[name][uid] = message

    def pick(self, name: str, numbers: list[int]) -> list[int]:
        uids = sorted(self.boxes[name])
        return sorted({uids[number] for number in numbers if number < len(uids)})


class World:
    """The store under test, one session on each mailbox, and the model."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.model = Model()
        self.threads = Threads("model", 3)
        self.number = 0
        self.store: Store
        self.account: AccountStore
        self.boxes: dict[str, Mailbox] = {}
        self.sessions: dict[str, Attachment] = {}

    async def start(self) -> None:
        facets = Facets(("start",), 1, lambda octets: (bytes(octets[:12]),))
        self.store = Store(self.root, facets=facets, threads=self.threads, clock=SystemClock())
        self.account = await self.store.account("alice@example.test")
        for name in NAMES:
            self.boxes[name] = await self.account.open(name)
            self.sessions[name] = self.boxes[name].attach(
                lambda change: None, claim_recent=name == "INBOX"
            )

    async def stop(self) -> None:
        for name in NAMES:
            self.sessions[name].detach()
            self.boxes[name].release()
        await self.store.close()

    def text(self) -> bytes:
        self.number += 1
        return b"X: %d\r\n\r\nbody\r\n" % self.number

    def files(self, name: str) -> list[Path]:
        folder = self.root / "example.test" / "alice" / "Maildir"
        if name != "INBOX":
            folder = folder / f".{name}"
        found = [path for place in ("new", "cur") for path in (folder / place).iterdir()]
        return sorted(found, key=lambda path: int(path.name.partition("U=")[2].split(",")[0]))

    async def run(self, operation: tuple[Any, ...]) -> None:
        kind, *rest = operation
        await getattr(self, f"do_{kind.replace(' ', '_')}")(*rest)

    async def do_append(self, name: str, count: int, flags: frozenset[str]) -> None:
        texts = [self.text() for _ in range(count)]
        done = await self.account.append(name, [NewMessage(text, flags) for text in texts])
        for uid, text in zip(done.uids, texts, strict=True):
            self.model.add(name, uid, Message(text, flags))

    async def do_flags(
        self, name: str, numbers: list[int], operation: str, flags: frozenset[str]
    ) -> None:
        uids = self.model.pick(name, numbers)
        await self.boxes[name].store_flags(uids, operation, flags)
        for uid in uids:
            message = self.model.boxes[name][uid]
            if operation == "+":
                message.flags |= flags
            elif operation == "-":
                message.flags -= flags
            else:
                message.flags = flags

    async def do_expunge(self, name: str, numbers: list[int], only_deleted: bool) -> None:
        uids = self.model.pick(name, numbers)
        box = self.model.boxes[name]
        gone = [uid for uid in uids if not only_deleted or "\\Deleted" in box[uid].flags]
        done = await self.boxes[name].expunge(uids, only_deleted=only_deleted)
        assert done == gone
        for uid in gone:
            del box[uid]

    async def do_copy(self, name: str, numbers: list[int], target: str) -> None:
        uids = self.model.pick(name, numbers)
        done = await self.account.copy(self.boxes[name], uids, target)
        assert done.source_uids == uids
        for old, new in zip(done.source_uids, done.target_uids, strict=True):
            original = self.model.boxes[name][old]
            self.model.add(target, new, Message(original.text, original.flags))

    async def do_move(self, name: str, numbers: list[int], target: str) -> None:
        uids = self.model.pick(name, numbers)
        session = self.sessions[name]
        done = await self.account.move(self.boxes[name], uids, target, origin=session)
        assert done.source_uids == uids
        for old, new in zip(done.source_uids, done.target_uids, strict=True):
            self.model.add(target, new, self.model.boxes[name].pop(old))

    async def do_tell(self, name: str, expunges: bool) -> None:
        session = self.sessions[name]
        if expunges:
            session.told(session.expunged)
        session.grow()

    async def do_other_deliver(self, name: str) -> None:
        text = self.text()
        folder = self.root / "example.test" / "alice" / "Maildir"
        folder = folder if name == "INBOX" else folder / f".{name}"
        (folder / "new" / f"1.{self.number}.other").write_bytes(text.replace(b"\r\n", b"\n"))
        self.noticeable(name)
        await self.boxes[name].refresh()
        self.model.add(name, self.boxes[name].uids[-1], Message(text, frozenset()))

    async def do_other_flag(self, name: str, number: int, letters: set[str]) -> None:
        await self.quiet()
        for path in self.files(name)[number : number + 1]:
            head = path.name.partition(":")[0]
            path.rename(path.parent.parent / "cur" / f"{head}:2,{''.join(sorted(letters))}")
            uid = self.model.pick(name, [number])[0]
            message = self.model.boxes[name][uid]
            words = {flag for flag in message.flags if flag in ("work", "Junk")}
            message.flags = frozenset(words | {LETTERS[letter] for letter in letters})
        self.noticeable(name)

    async def do_other_remove(self, name: str, number: int) -> None:
        await self.quiet()
        for path in self.files(name)[number : number + 1]:
            path.unlink()
            del self.model.boxes[name][self.model.pick(name, [number])[0]]
        self.noticeable(name)
        await self.boxes[name].refresh()

    async def do_restart(self, without_index: bool, crash: bool) -> None:
        await self.quiet()
        if crash:
            await self.store.watcher.close()  # a process that is no more watches nothing
        else:
            await self.stop()
        index = self.root / "example.test" / "alice" / "index.db"
        if without_index:
            self.account.files.index.close()
            index.unlink()
        await self.start()

    def noticeable(self, name: str) -> None:
        """A change in the same tick of the kernel's clock as ours would show up only later."""
        folder = self.root / "example.test" / "alice" / "Maildir"
        folder = folder if name == "INBOX" else folder / f".{name}"
        for place in ("new", "cur"):
            os.utime(folder / place, ns=(time.time_ns(), time.time_ns()))

    async def quiet(self) -> None:
        while len(self.account.tasks):
            await self.account.tasks.wait()

    async def check(self) -> None:
        for name, box in self.model.boxes.items():
            mailbox = self.boxes[name]
            await mailbox.refresh()
            assert {uid: mailbox.flags(uid) for uid in mailbox.uids} == {
                uid: message.flags for uid, message in box.items()
            }
            uids = list(mailbox.uids)
            texts = dict(await mailbox.read(uids))
            assert texts == {uid: message.text for uid, message in box.items()}
            rows = await mailbox.rows(uids, columns=["size", "start"])
            assert rows == [(u, len(m.text), m.text[:12]) for u, m in sorted(box.items())]
            status = await self.account.status(name)
            assert (status.messages, status.size) == (
                len(box),
                sum(len(message.text) for message in box.values()),
            )
            assert status.unseen == sum("\\Seen" not in m.flags for m in box.values())
            assert status.deleted == sum("\\Deleted" in m.flags for m in box.values())
            assert status.uidnext > max(self.model.used[name], default=0)
            session = self.sessions[name]
            known = list(session.uids[: session.count])
            assert known == sorted(set(known))
            assert set(session.expunged) == set(known) - set(uids)
            assert session.arrived == len(set(uids) - set(known))
        kept = [len(m.text) for box in self.model.boxes.values() for m in box.values()]
        assert await self.account.usage() == Usage(sum(kept), len(kept))


@settings(max_examples=30)
@given(st.lists(operations, max_size=14))
def test_the_store_equals_a_model(steps: list[tuple[Any, ...]]) -> None:
    async def play() -> None:
        root = Path(tempfile.mkdtemp())
        world = World(root / "mail")
        try:
            await world.start()
            for step in steps:
                await world.run(step)
                await world.check()
            await world.stop()
        finally:
            world.threads.close()
            shutil.rmtree(root)

    asyncio.run(play())

"""Visits to servers that misbehave: nothing twice, nothing lost, and told in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fetch_house import House

from mailsuite.fetch import pop3_visit
from tests.odd_imap import OddImap, message


class OddPop3:
    """A POP3 server. `mail`: (unique id, octets) in the order of their numbers.

    says  instead of the usual, by command or command and number; what does not end with a line's
          end is followed by hanging up
    """

    def __init__(self, *mail: tuple[str, bytes]) -> None:
        self.mail = list(mail)
        self.says: dict[bytes, bytes] = {}
        self.deleted: list[str] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[dict[str, Any]]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield {"host": "127.0.0.1", "port": port, "tls": "none", "ca_file": ""}
        finally:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        marked: list[str] = []
        try:
            writer.write(self.says.get(b"", b"+OK hello\r\n"))
            while line := (await reader.readline()).strip():
                answer = self.says.get(line, self.says.get(line.split(b" ")[0]))
                if answer is None:
                    answer = self._usual(line, marked)
                writer.write(answer)
                await writer.drain()
                if line == b"QUIT":
                    self.deleted += marked
                if not answer.endswith(b"\n") or line == b"QUIT":
                    return
        except ConnectionError:
            return
        finally:
            writer.close()

    def _usual(self, line: bytes, marked: list[str]) -> bytes:
        verb, _, word = line.partition(b" ")
        if verb == b"CAPA":
            return b"+OK\r\nUIDL\r\n.\r\n"
        if verb == b"UIDL":
            rows = [f"{place} {name}" for place, (name, _) in enumerate(self.mail, 1)]
            return "\r\n".join(["+OK", *rows, ".\r\n"]).encode()
        if verb == b"LIST":
            rows = [f"{place} {len(octets)}" for place, (_, octets) in enumerate(self.mail, 1)]
            return "\r\n".join(["+OK", *rows, ".\r\n"]).encode()
        if verb == b"RETR":
            return b"+OK\r\n" + self.mail[int(word) - 1][1] + b".\r\n"
        if verb == b"DELE":
            marked.append(self.mail[int(word) - 1][0])
        return b"+OK\r\n"


def letter(name: str) -> bytes:
    return f"Subject: {name}\r\n\r\nhi\r\n".encode()


def letters(*names: str) -> list[tuple[str, bytes]]:
    return [(f"uid-{name}", letter(name)) for name in names]


async def state(house: House, number: int) -> tuple[str, str]:
    (row,) = [row for row in await house.server.fetcher.listing() if row["id"] == number]
    return row["error"], row["trouble"]


async def test_unique_ids_that_repeat(house: House) -> None:
    """Two messages of one name are two messages, and each comes once."""
    odd = OddPop3(("same", letter("a")), ("same", letter("b")), ("same", letter("c")))
    async with odd.serving() as where:
        number = await house.add("pop3", **where)
        assert await house.subjects() == ["a", "b", "c"]
        odd.mail.append(("same", letter("d")))
        assert await house.visit(number) == (1, "")
        assert await house.visit(number) == (0, "")
    assert await house.subjects() == ["a", "b", "c", "d"]


async def test_unique_ids_that_are_others_each_time(house: House) -> None:
    """What is known comes no second time; what is new comes, and only that."""
    odd = OddPop3(*letters("a", "b"), ("uid-b2", letter("b")))
    async with odd.serving() as where:
        number = await house.add("pop3", leave=7, **where)
        for turn in range(2):
            odd.mail = [(f"{turn}-{name}", octets) for name, octets in odd.mail]
            odd.mail.append((f"new-{turn}", letter(f"new {turn}")))
            assert await house.visit(number) == (1, "")
            known = f"{3 + turn} known, though the server has given other unique ids"
            assert await state(house, number) == ("", known)
        assert await house.visit(number) == (0, "")
    assert await house.subjects() == ["a", "b", "b", "new 0", "new 1"]


async def test_a_list_that_is_empty_for_once(house: House) -> None:
    odd = OddPop3(*letters("a", "b"))
    async with odd.serving() as where:
        number = await house.add("pop3", **where)
        odd.mail, kept = [], odd.mail
        assert await house.visit(number) == (0, "")
        # Where they are in the mailbox still, they would be known; not where they have been moved.
        inbox = await (await house.server.store.account("bob@example.test")).open("INBOX")
        await inbox.expunge(list(inbox.uids), only_deleted=False)
        inbox.release()
        odd.mail = kept
        assert await house.visit(number) == (0, "")
    assert await house.subjects() == []


async def test_one_that_can_not_be_deleted_keeps_no_other(house: House) -> None:
    odd = OddPop3(*letters("a", "b", "c"))
    odd.says[b"DELE 2"] = b"-ERR it is locked\r\n"
    async with odd.serving() as where:
        number = await house.add("pop3", leave=0, **where)
        assert odd.deleted == ["uid-a", "uid-c"]
        assert await state(house, number) == ("", "1 not deleted, for the server refuses that")
        odd.mail = [odd.mail[1]]
        del odd.says[b"DELE 2"]
        assert await house.visit(number) == (0, "")
    assert odd.deleted == ["uid-a", "uid-c", "uid-b"]
    assert await house.subjects() == ["a", "b", "c"]


async def test_a_message_without_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pop3_visit, "ENDLESS", 1 << 20)
    limits = house.server.config.limits.model_copy(update={"max_message_size": 100_000})
    house.server.config = house.server.config.model_copy(update={"limits": limits})
    odd = OddPop3(*letters("a", "b"))
    odd.says[b"RETR 2"] = b"+OK\r\n" + b"x" * 3_000_000
    async with odd.serving() as where:
        number = await house.add("pop3", **where)
        assert "does not end a message" in (await state(house, number))[0]
    assert await house.subjects() == ["a"]


POP3_NONSENSE = [
    (b"LIST", b"+OK\r\n1 " + b"9" * 5000 + b"\r\n.\r\n", ""),
    (b"LIST", b"+OK\r\n1 -5\r\n7 10\r\n.\r\n", ""),
    (b"LIST", b"-ERR no\r\n", "LIST: no"),
    (b"UIDL", b"+OK\r\n99999999999 a\r\n.\r\n", "no line of UIDL"),
    (b"UIDL", b"+OK\r\n" + b"1 x" * 90_000, "too long"),
    (b"UIDL", b"+OK\r\n5 a\r\n.\r\n", ""),
    (b"RETR", b"what\r\n", "no POP3 reply"),
    (b"RETR", b"+OK\r\nSubject: half", "closed the connection"),
    (b"QUIT", b"-ERR not now\r\n", "QUIT: not now"),
    (b"USER", b"-ERR [SYS/TEMP] later\r\n", "takes no sign-in now"),
    (b"PASS", b"+" * 10_000, "too long"),
    (b"", b"* OK IMAP4rev1\r\n", "no POP3 reply"),
    (b"", b"-ERR too many\r\n", "takes no session"),
]


async def test_nonsense_by_pop3(house: House) -> None:
    """Told in words; what came before stays, and the rest comes when the server has come round."""
    for place, (command, answer, words) in enumerate(POP3_NONSENSE):
        odd = OddPop3(*letters(f"a{place:02}"))
        odd.says[command] = answer
        async with odd.serving() as where:
            number = await house.add("pop3", user=f"user{place}", **where)
            error, _ = await state(house, number)
            assert words in error and "failed inside" not in error, (answer[:80], error)
            odd.says.clear()
            await house.visit(number)
            assert await state(house, number) == ("", "")
            await house.server.fetcher.remove(number)
    assert await house.subjects() == [f"a{place:02}" for place in range(len(POP3_NONSENSE))]


# -- IMAP ------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(odd: OddImap) -> AsyncIterator[dict[str, Any]]:
    async with odd.serving() as access:
        port = access.endpoint.port
        yield {"host": "127.0.0.1", "port": port, "tls": "none", "ca_file": ""}


async def test_one_that_imap_can_not_read_keeps_no_other(house: House) -> None:
    """NO to the whole FETCH, as Dovecot says it of damaged mail and of mail that has just gone."""
    odd = OddImap({b"INBOX": {uid: letter(f"m{uid}") for uid in range(1, 6)}})

    def refuse(words: bytes, selected: bytes) -> bytes | None:
        if b"BODY" in words and 3 in dict(odd.chosen(words, selected)):
            return message((1, odd.folders[selected][1])) + b"%tag NO [SERVERBUG] cannot\r\n"
        return None

    odd.odd = refuse
    async with serving(odd) as where:
        number = await house.add("imap", **where)
        assert await house.subjects() == ["m1", "m2", "m4", "m5"]
        assert await state(house, number) == ("", "1 not given by the server")
        odd.folders[b"INBOX"][6] = letter("m6")
        assert await house.visit(number) == (1, "")
        odd.odd = lambda words, selected: None
        assert await house.visit(number) == (1, "")
        assert await house.visit(number) == (0, "")
        assert await state(house, number) == ("", "")
    assert await house.subjects() == [f"m{uid}" for uid in range(1, 7)]


async def test_a_size_that_is_not_told(house: House) -> None:
    """It is no reason to pass over the message for ever."""
    odd = OddImap({b"INBOX": {uid: letter(f"m{uid}") for uid in (1, 2, 3)}})
    told = (
        b"* 1 FETCH (UID 1 RFC822.SIZE 20)\r\n* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3 FLAGS ())\r\n"
    )
    odd.odd = lambda words, _: told + b"%tag OK\r\n" if b"SIZE" in words else None
    async with serving(odd) as where:
        await house.add("imap", **where)
    assert await house.subjects() == ["m1", "m2", "m3"]


async def test_leave_in_the_middle(house: House) -> None:
    """BYE after one of three: the others come at the next visit, and none twice."""
    odd = OddImap({b"INBOX": {uid: letter(f"m{uid}") for uid in (1, 2, 3)}})
    first = message((1, letter("m1")))
    odd.odd = lambda words, _: first + b"* BYE enough\r\n*" if b"BODY" in words else None
    async with serving(odd) as where:
        number = await house.add("imap", **where)
        assert "ends the session" in (await state(house, number))[0]
        odd.odd = lambda words, selected: None
        await house.visit(number)
    assert await house.subjects() == ["m1", "m2", "m3"]


IMAP_NONSENSE = [
    (b"BODY", b"* 1 FETCH (UID 1 BODY[] {9223372036854775808}\r\n", "9223372036854775808"),
    (b"BODY", b"* 1 FETCH (UID 1 BODY[] {500000}\r\n" + b"x" * 300_000, "closed"),
    (b"SIZE", b"* 1 FETCH (UID 4294967296 RFC822.SIZE 5)\r\n%tag OK\r\n", "number"),
    (b"SIZE", b"* 1 FETCH (UID 1 RFC822.SIZE 99999999999999999999)\r\n%tag OK\r\n", "number"),
    (b"EXAMINE", b"* OK [UIDVALIDITY 99999999999] x\r\n%tag OK\r\n", "number"),
    (b"EXAMINE", b"%tag NO [NONEXISTENT] no such folder\r\n", "no such folder"),
]


async def test_nonsense_by_imap(house: House) -> None:
    """The same; and no half message waits in the queue's folder."""
    for place, (command, answer, words) in enumerate(IMAP_NONSENSE):
        odd = OddImap({b"INBOX": {1: letter(f"a{place:02}")}})
        odd.odd = lambda given, _, c=command, a=answer: a if c in given else None
        async with serving(odd) as where:
            number = await house.add("imap", user=f"user{place}", **where)
            error, _ = await state(house, number)
            assert words in error and "failed inside" not in error, (answer[:80], error)
            odd.odd = lambda given, _: None
            await house.visit(number)
            assert await state(house, number) == ("", "")
            await house.server.fetcher.remove(number)
    assert await house.subjects() == [f"a{place:02}" for place in range(len(IMAP_NONSENSE))]
    spool = house.server.config.data / "queue"
    left = {path.name for path in spool.rglob("*") if path.is_file()}
    assert left <= {"queue.lock", "queue.db", "queue.db-wal", "queue.db-shm"}

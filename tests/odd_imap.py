"""An IMAP server that is as odd as a test wants it: one over plain TCP, with mail in memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mailsuite.remote import Endpoint, Password
from mailsuite.remote.access import Access
from mailsuite.sasl import ClientLogin

GREETING = b"* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n"
Answer = bytes | None


class OddImap:
    """`folders`: names as they are spelled in a quoted string, and messages by UID.

    odd      asked for each command (its words without the tag, the selected mailbox): what to say
             instead; None: the usual. What does not end with a line's end is followed by hanging up
    most     connections at once; one more is told BYE
    """

    def __init__(self, folders: dict[bytes, dict[int, bytes]]) -> None:
        self.folders = folders
        self.odd: Callable[[bytes, bytes], Answer] = lambda words, selected: None
        self.most = 100
        self.uidvalidity = 7
        self.asked: list[bytes] = []
        self._open = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Access]:
        """How to reach it."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint("imap", "127.0.0.1", port, "none", ClientLogin("bob"))
        try:
            yield Access(endpoint, Password("secret"))
        finally:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > self.most:
                writer.write(b"* BYE too many connections\r\n")
                return
            writer.write(GREETING)
            selected = b""
            while line := await reader.readline():
                tag, _, words = line.strip().partition(b" ")
                self.asked.append(words)
                if words.startswith((b"EXAMINE ", b"SELECT ")):
                    selected = quoted(words.partition(b" ")[2])
                answer = self.odd(words, selected)
                if answer is None:
                    answer = self._usual(words, selected)
                writer.write(answer.replace(b"%tag", tag))
                await writer.drain()
                if not answer.endswith(b"\n"):
                    return
        except ConnectionError:
            return
        finally:
            self._open -= 1
            writer.close()

    def _usual(self, words: bytes, selected: bytes) -> bytes:
        verb, _, rest = words.partition(b" ")
        told = b""
        if verb == b"LIST":
            told = b"".join(b'* LIST () "/" "%s"\r\n' % name for name in self.folders)
        elif verb == b"STATUS":
            name = quoted(rest)
            told = b'* STATUS "%s" (MESSAGES %d)\r\n' % (name, len(self.folders[name]))
        elif verb in (b"EXAMINE", b"SELECT"):
            there = self.folders[selected]
            told = b"* %d EXISTS\r\n* OK [UIDVALIDITY %d] x\r\n* OK [UIDNEXT %d] x\r\n" % (
                len(there),
                self.uidvalidity,
                max(there, default=0) + 1,
            )
        elif words.startswith(b"UID FETCH "):
            whole = b"BODY" in words
            chosen = self.chosen(words, selected)
            told = b"".join(message(one, whole=whole) for one in chosen)
        return told + b"%tag OK done\r\n"

    def chosen(self, words: bytes, selected: bytes) -> list[tuple[int, bytes]]:
        """UIDs and octets of what a UID FETCH names."""
        there = self.folders[selected]
        ranges: list[tuple[int, int]] = []
        for part in words.split(b" ")[2].split(b","):
            first, _, last = part.partition(b":")
            ranges.append(
                (int(first), max(there, default=0) if last == b"*" else int(last or first))
            )
        return [
            (uid, octets)
            for uid, octets in sorted(there.items())
            if any(first <= uid <= last for first, last in ranges)
        ]


def quoted(rest: bytes) -> bytes:
    found = re.match(rb'"((?:[^"\\]|\\.)*)"', rest)
    return found[1] if found else rest.split(b" ")[0]


def message(one: tuple[int, bytes], *, whole: bool = True) -> bytes:
    """A FETCH response, with or without the octets."""
    uid, octets = one
    size = len(octets)
    body = b" BODY[] {%d}\r\n%s" % (size, octets) if whole else b""
    return b"* %d FETCH (UID %d FLAGS (\\Seen) RFC822.SIZE %d%s)\r\n" % (uid, uid, size, body)

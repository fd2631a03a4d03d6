"""What an IMAP URL names on this server: octets of a message, as FETCH BODY[…] would give them.

Promises: only what the account may read; nothing is marked as seen; memory stays flat.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from mailsuite.imapd.octets import PIECE, Octets
from mailsuite.imapd.reply import Refusal
from mailsuite.store import MessageFile, MessageGone, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from mailsuite.imapd.namespace import Namespace
    from mailsuite.imapd.syntax.url import MessageUrl


class BadUrl(Exception):
    """There is nothing at this URL, or nothing that the account may read."""


class NoSuchPart(BadUrl):
    """The message is there, and has no such part."""


class Named:
    """The octets that a URL names. Close it, or use it in `with`.

    parts      the parts table of the message, b"" for a whole message
    structure  its BODYSTRUCTURE, if it was asked for
    """

    __slots__ = ("_data", "_end", "_start", "file", "parts", "structure")

    def __init__(
        self, file: MessageFile, parts: bytes, start: int, end: int, data: bytes | None
    ) -> None:
        self.file = file
        self.parts = parts
        self.structure = b""
        self._start = start
        self._end = end
        self._data = data

    @property
    def size(self) -> int:
        """How many octets."""
        return self._end - self._start if self._data is None else len(self._data)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The octets. Raises StoreUnavailable."""
        if self._data is not None:
            yield self._data
            return
        at = self._start
        while at < self._end:
            piece = await self.file.read(at, min(PIECE, self._end - at))
            if not piece:
                raise StoreUnavailable("message shorter than its index says")
            yield piece
            at += len(piece)

    def close(self) -> None:
        """Give the file back."""
        self.file.close()

    def __enter__(self) -> Named:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def find(
    store: Namespace, mailbox: str, url: MessageUrl, *, structure: bool = False
) -> Named:
    """What `url` names in this mailbox. Raises BadUrl, NoSuchPart, StoreUnavailable."""
    try:
        return await _find(store, mailbox, url, structure=structure)
    except StoreUnavailable:
        raise
    except (Refusal, StoreError) as error:
        raise BadUrl(str(error)) from error


async def _find(store: Namespace, name: str, url: MessageUrl, *, structure: bool) -> Named:
    wanted = Octets(b"", url.section, url.partial)
    mailbox = await store.open(name)
    try:
        if url.uidvalidity not in (None, mailbox.uidvalidity) or mailbox.index(url.uid) is None:
            raise BadUrl("no such message")
        parts = whole = b""
        if wanted.needs_parts or structure:
            rows = await mailbox.rows([url.uid], columns=("parts", "bodystructure"))
            if not rows:
                raise MessageGone(f"UID {url.uid}")
            _, parts, whole = rows[0]
        file = await mailbox.open_message(url.uid)
    finally:
        mailbox.release()
    try:
        found = wanted.locate(parts, file.size)
        if found is None:
            raise NoSuchPart("no such part")
        data = None
        if wanted.selects:
            data = wanted.pick(await file.read(found[0], found[1] - found[0]))
        named = Named(file, parts, *found, data)
        named.structure = whole
        return named
    except BaseException:
        file.close()
        raise

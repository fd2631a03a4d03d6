"""One message on its way from the client into the queue, whatever verb carries it.

Promises: a message is either in the queue for good when `finish` answers 250, or nothing of it is
kept; the octets of a message that is refused on the way are swallowed and not stored; at most
`HEADER_LIMIT` octets of a message are held here. On submission the header block is repaired and
parts with lines over 998 octets are encoded (RFC 6409 §8); nothing else of a message is changed.
"""

import asyncio
import mmap
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from mailsuite.accounts import DirectoryUnavailable
from mailsuite.base.clock import zone
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import committed
from mailsuite.delivery.trace import key_of, passed
from mailsuite.mail import Recipient
from mailsuite.message import (
    LineWatch,
    Submitter,
    count_received,
    fields,
    first_value,
    protocol,
    received,
    repair_submission,
    split_header,
)
from mailsuite.message.downgrade import Inconvertible, NextHop, downgrade
from mailsuite.queue import NoSpace, QueueUnavailable
from mailsuite.smtpd import reply as replies
from mailsuite.smtpd.context import Incoming
from mailsuite.smtpd.lmtp import refusals
from mailsuite.smtpd.model import Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

_T = TypeVar("_T")
log = get_logger("smtpd")
HEADER_LIMIT = 1 << 18
LARGE_HEADER = 1 << 14
"""Octets of a header block from which on it is looked at in a thread: it may take its time."""
FEW_ADDRESSES = 8
"""In a header from an account, more than which are looked up in a thread."""
LONGEST_ID = 998  # octets of a Message-ID in the log

NO_SPACE = reply(452, "4.3.1", "Insufficient system storage, try again later")
NO_QUEUE = reply(451, "4.3.0", "Mail queue is not available, try again later")
LOOP = reply(554, "5.4.6", "Too many hops: the message runs in circles")
HEADER_TOO_LARGE = reply(552, "5.3.4", "Message header is too large")


class Reception:
    """Takes one message's octets. Make it, `write` them, `finish`; always `abandon` in the end.

    refusal  why the message will not be taken, as soon as that is known
    refused  recipients that are refused by themselves, when the others are not (LMTP)
    answer   what became of the message, also when `finish` itself was cancelled
    """

    __slots__ = (
        "_context",
        "_envelope",
        "_head",
        "_incoming",
        "_message_id",
        "_new_priority",
        "_passed",
        "_session",
        "_settled",
        "_watch",
        "answer",
        "refusal",
        "refused",
        "size",
    )

    def __init__(self, session: SmtpSession, transaction: Transaction) -> None:
        """Raises QueueUnavailable or NoSpace when the queue takes nothing now."""
        self._session = session
        self._context = session.context
        local = session.context.settings.kind == "local"
        self._envelope = transaction.to_envelope(session.session.account, internal=local)
        self._incoming: Incoming = session.context.queue.receive(self._envelope)
        self._message_id = ""
        self._new_priority = transaction.priority_changed
        self._head: bytearray | None = bytearray()
        self._settled = False
        self._watch = LineWatch() if self._context.settings.submission else None
        self.size = 0
        self._passed: set[str] = set()
        self.refusal: Reply | None = None
        self.refused: dict[str, Reply] = {}
        self.answer: Reply | None = None

    @property
    def id(self) -> str:
        """The queue id."""
        return self._incoming.id

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Whom it is for."""
        return self._envelope.recipients

    async def write(self, octets: bytes) -> None:
        """Take the message's next octets."""
        self.size += len(octets)
        if self.refusal is not None or not octets:
            return
        if self.size > self._context.settings.max_message_size:
            await self.refuse(replies.TOO_LARGE)
            return
        if self._watch is not None:
            self._watch.feed(octets)
        if self._head is None:
            await self._keep(octets)
            return
        start = max(0, len(self._head) - 3)
        self._head += octets
        if self._head.find(b"\r\n\r\n", start) >= 0 or len(self._head) > HEADER_LIMIT:
            await self._begin(bytes(self._head))

    async def refuse(self, answer: Reply) -> None:
        """The message will not be taken; the first reason counts."""
        if self.refusal is None:
            self.refusal = answer
            self._head = None
            await self.abandon()

    async def finish(self) -> Reply:
        """All octets are there: commit, and say how it went."""
        if self.refusal is None and self._head is not None:
            await self._begin(bytes(self._head))
        if self.refusal is None and self._watch is not None and self._watch.long:
            await self._mend()
        if self.refusal is None and self._context.settings.lmtp:
            await self._choose()
        if self.refusal is None:
            # A commit is not left half done, and no log line of it is lost, because the client
            # hangs up or the server stops.
            return await committed(self._commit())
        self.answer = self._refused(self.refusal)
        return self.answer

    async def abandon(self) -> None:
        """Leave nothing behind of what was not committed. Harmless after a commit."""
        if not self._settled:
            self._settled = True
            await committed(self._incoming.discard())

    async def _begin(self, head: bytes) -> None:
        """The header block is there, or as much of it as we are ready to hold.

        What fails here refuses the message, whose other octets are still to be read: as commands
        they may not be.
        """
        self._head = None
        try:
            await self._look(head)
        except DirectoryUnavailable as error:
            await self.refuse(self._session.no_directory(error))
        except Exception:
            log.exception("header not read", id=self.id, client=self._session.peer)
            await self.refuse(self._session.failed())

    async def _look(self, head: bytes) -> None:
        body, _ = split_header(head)
        self._message_id = _message_id(head[:body])
        if count_received(head[:body]) > self._context.settings.max_hops:
            await self.refuse(LOOP)
        elif await _beside(body, lambda: self._came_back(head[:body])):
            await self.refuse(replies.CAME_BACK)
        elif not self._context.settings.submission:
            await self._keep(self._trace() + head)
        elif body > HEADER_LIMIT and await _beside(body, lambda: _has_fields(head)):
            # Without the whole header nobody can say that no Bcc is left in it. (What has no
            # field at all is a message without a header.)
            await self.refuse(HEADER_TOO_LARGE)
        else:
            # Each of the authors may be a list with a thousand members.
            many = head.count(b"@", 0, body) > FEW_ADDRESSES
            octets = LARGE_HEADER + 1 if many else body
            repaired = await _beside(octets, lambda: self._repaired(head[:body]))
            self._message_id = _message_id(repaired)
            await self._keep(self._trace() + repaired + head[body:])

    def _repaired(self, block: bytes) -> bytes:
        now = self._context.clock.now()
        return repair_submission(
            block,
            now=now,
            zone=zone(now),
            hostname=self._context.settings.hostname,
            message_id=lambda: self._incoming.id,
            submitter=self._submitter(),
        )

    def _submitter(self) -> Submitter:
        account = self._envelope.submitter or ""
        address = self._envelope.sender or account
        # Who may use the socket may say who writes, as sendmail(8) has it.
        local = self._context.settings.kind == "local"
        if not (address.isascii() or self._envelope.smtputf8):
            address = ""  # no field could name it
        return Submitter(
            address,
            owns=lambda author: local or self._context.router.may_send_as(account, author),
            recipients=tuple(one.address for one in self._envelope.recipients),
            apparently=self._context.settings.apparently_fields,
        )

    async def _mend(self) -> None:
        """Lines that are too long for the way become short ones (RFC 6409 §8.4)."""
        if self._envelope.body != "BINARYMIME":
            await self._queue(self._incoming.rewrite(_shortened))

    def _came_back(self, block: bytes) -> bool:
        """Recipients have had this message: delivery would bounce it, so say so now.

        Of strangers' mail to several one such recipient is enough. To bounce it to him would carry
        it to whomever it names as its sender, and anybody can write a Delivered-To. (In LMTP he is
        refused alone.)
        """
        names = self._passed = passed(block)
        had = [key_of(one.address) in names for one in self._envelope.recipients]
        settings = self._context.settings
        return all(had) if settings.submission or settings.lmtp else any(had)

    async def _choose(self) -> None:
        """Leave out whom the client is told of that he can't have the message."""
        recipients = self._envelope.recipients
        try:
            refused = await refusals(self._context, recipients, self.size, self._passed)
        except Exception:
            log.exception("recipients not checked", id=self.id, client=self._session.peer)
            await self.refuse(self._session.failed())
            return
        left = tuple(one for one in recipients if one.address not in refused)
        self.refused = refused
        self._context.counters.recipients_refused += len(refused)
        if left:
            self._envelope = replace(self._envelope, recipients=left)
        else:
            await self.refuse(next(iter(refused.values())))

    def _trace(self) -> bytes:
        client = self._session.session
        ssl_object = self._session.ssl_object
        cipher = ssl_object.cipher() if ssl_object is not None else None
        recipients = self._envelope.recipients
        now = self._context.clock.now()
        return received(
            helo=client.host_name or "",
            peer=self._session.peer,
            by=self._context.settings.hostname,
            protocol=protocol(
                extended=client.extended_smtp,
                tls=self._session.tls,
                authenticated=client.account is not None,
                utf8=self._envelope.smtputf8,
                lmtp=self._context.settings.lmtp,
            ),
            queue_id=self._incoming.id,
            rdns=self._session.local_user,
            epoch=now,
            zone=zone(now),
            recipient=recipients[0].address if len(recipients) == 1 else None,
            cipher=cipher[0] if cipher is not None else None,
            priority=self._envelope.priority,
        )

    async def _keep(self, octets: bytes) -> None:
        await self._queue(self._incoming.write(octets))

    async def _queue(self, work: Awaitable[None]) -> None:
        """What the queue can't do now refuses the message."""
        try:
            await work
        except QueueUnavailable as error:
            await self.refuse(unavailable(error))
        except Exception:
            log.exception("queue failed", id=self._incoming.id, client=self._session.peer)
            await self.refuse(self._session.failed())

    async def _commit(self) -> Reply:
        self._settled = True
        self.answer = await self._committed()
        return self.answer

    async def _committed(self) -> Reply:
        try:
            if not await self._into_queue():
                await self._incoming.discard()
                return self._refused(replies.TOO_MUCH_HELD)
        except QueueUnavailable as error:
            await self._incoming.discard()
            return self._refused(unavailable(error))
        except Exception:
            log.exception("queue failed", id=self._incoming.id, client=self._session.peer)
            await self._incoming.discard()
            return self._refused(self._session.failed())
        counters = self._context.counters
        counters.messages += 1
        counters.octets += self.size
        counters.recipients += len(self._envelope.recipients)
        # RFC 6710 §4.1 wants what was asked for in the log.
        asked = {"priority": self._envelope.priority} if self._envelope.priority else {}
        log.info("accepted", **self._facts(), **asked)
        queued = f"queued as {self._incoming.id}"
        if self._new_priority:
            priority = self._envelope.priority
            return reply(250, "2.3.6", f"{priority} is the new priority; {queued}")
        return reply(250, "2.0.0", f"Ok: {queued}")

    async def _into_queue(self) -> bool:
        """Commit; False: the account has too much held by now.

        That was looked at before, at MAIL (RFC 4865 §6), but the size may not have been told then,
        and several sessions may bring mail.
        """
        envelope, queue = self._envelope, self._context.queue
        if envelope.hold_until is None or envelope.submitter is None:
            await self._incoming.commit(envelope)
            return True
        async with queue.holding(envelope.submitter) as octets:
            if octets + self._incoming.size > self._context.settings.max_hold_size:
                return False
            await self._incoming.commit(envelope)
            return True

    def _refused(self, answer: Reply) -> Reply:
        self._context.counters.messages_refused += 1
        log.info("refused", **self._facts(), reply=answer.text)
        return answer

    def broken_off(self) -> None:
        """The client has gone in the middle."""
        self._context.counters.messages_broken_off += 1
        log.info("broken off", **self._facts())

    def _facts(self) -> dict[str, str | int | None]:
        return {
            "id": self._incoming.id,
            "client": self._session.peer,
            "helo": self._session.session.host_name,
            "account": self._envelope.submitter,
            "sender": self._envelope.sender,
            "recipients": len(self._envelope.recipients),
            "size": self.size,
            "tls": self._session.tls,
            "message_id": self._message_id,
        }


def _shortened(data: bytes | mmap.mmap) -> Iterable[bytes] | None:
    """The message with parts whose lines are too long encoded; None where there are none."""
    try:
        conversion = downgrade(data, NextHop(eight_bit=True, utf8=True))
    except Inconvertible:
        return None
    return None if conversion is None else conversion.pieces(data)


async def _beside(octets: int, look: Callable[[], _T]) -> _T:
    """What `look` finds out about so many octets of a header, without holding up the others."""
    return await asyncio.to_thread(look) if octets > LARGE_HEADER else look()


def _has_fields(head: bytes) -> bool:
    return any(field.name for field in fields(head))


def _message_id(block: bytes) -> str:
    found = first_value(block, b"message-id")
    return "" if found is None else found[:LONGEST_ID].decode("utf-8", "replace")


def unavailable(error: QueueUnavailable) -> Reply:
    """The reply to a client whose message the queue does not take now."""
    log.warning("queue refused", why=str(error))
    return NO_SPACE if isinstance(error, NoSpace) else NO_QUEUE

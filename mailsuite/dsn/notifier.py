"""Writes the notices that the queue asks for: to the sender, or to postmaster where there is none.

Promises: a notice has the null reverse-path, so that it is never answered; failures, delays and
successes are told apart, each in its own message; a message with the null reverse-path, or one
collected from another server, that fails goes to postmaster once, and what fails on its way there
is kept.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mailsuite.base.clock import zone
from mailsuite.base.tasks import Threads
from mailsuite.dsn.report import Notice, compose
from mailsuite.mail import Envelope, FollowUp, Job, Notices, QueuedMessage, Recipient, Report
from mailsuite.mail.notice import DELAYED, FAILED
from mailsuite.message import decode_words, fields, first_field, split_header

POSTMASTER = "postmaster"
HEADER = 1 << 16
"""Octets of a header that are returned."""
BLOCK = 1 << 18
WHOLE = 1 << 16
"""A failed message up to this size is returned whole where its sender did not say (octets)."""


class DeliveryNotifier:
    """See `mail.Notifier`."""

    def __init__(self, hostname: str, threads: Threads) -> None:
        self._hostname = hostname
        self._threads = threads

    async def notices(self, job: Job, reports: Sequence[Report], now: float) -> Notices:
        """See `mail.Notifier`."""
        sender = _sender(job)
        if not sender:
            reports = [report for report in reports if report.action == FAILED]
            if all(_is_postmaster(report.recipient.address) for report in reports):
                return Notices(kept=bool(reports))
        failed = [report for report in reports if report.action == FAILED]
        full = bool(failed) and _returned_whole(job)
        look = await self._threads.run(_look, job.message, full)
        groups = (
            failed,
            [report for report in reports if report.action == DELAYED],
            [report for report in reports if report.action not in (FAILED, DELAYED)],
        )
        return Notices(tuple(self._notice(job, group, look, now) for group in groups if group))

    def _notice(self, job: Job, reports: Sequence[Report], look: "_Look", now: float) -> FollowUp:
        sender, header = _sender(job), look.header
        full = reports[0].action == FAILED and _returned_whole(job)
        notice = Notice(
            hostname=self._hostname,
            to=sender or f"{POSTMASTER}@{self._hostname}",
            queue_id=job.id,
            id=f"{job.id}.{secrets.token_hex(4)}",
            boundary=f"report-{secrets.token_hex(16)}",
            envelope=job.envelope,
            received_at=job.received_at,
            now=now,
            reports=reports,
            header=header,
            subject=_field(header, "subject"),
            message_id=_message_id(header),
            full=full,
            ascii=look.ascii,
            returned=not sender,
            zone=zone(now),
        )
        head, tail = compose(notice)
        envelope = Envelope(
            "",
            (Recipient(sender or POSTMASTER),),
            body="8BITMIME" if notice.eight_bit else "7BIT",
            smtputf8=notice.utf8,
            require_tls=job.envelope.require_tls,
            priority=job.envelope.priority,  # RFC 6710 §4.6
            internal=True,
        )
        return FollowUp(envelope, head, None if full else b"", tail)


def _sender(job: Job) -> str:
    """Who is told. Those who wrote to a mailbox elsewhere know nothing of this server."""
    return "" if job.envelope.collected else job.envelope.sender


def _returned_whole(job: Job) -> bool:
    """RET (RFC 3461 §4.3).

    A binary message can't go into a part that has lines, and one that asked for TLS on its way
    there does not go all the way back (RFC 8689 §5).
    """
    if job.envelope.body == "BINARYMIME" or job.envelope.require_tls:
        return False
    if job.envelope.ret:
        return job.envelope.ret == "FULL"
    return job.message.size <= WHOLE


def _is_postmaster(address: str) -> bool:
    return address.partition("@")[0].lower() == POSTMASTER


@dataclass(frozen=True, slots=True)
class _Look:
    """The message's header, and whether all of it is ASCII, where it was asked for."""

    header: bytes
    ascii: bool


def _look(message: QueuedMessage, whole: bool) -> _Look:
    if message.data is not None:
        octets = message.data
        return _Look(_header(octets), not whole or octets.isascii())
    with Path(message.path).open("rb") as file:
        file.seek(message.offset)
        octets = file.read(HEADER)
        header, ascii = _header(octets), octets.isascii()
        while whole and ascii and (octets := file.read(BLOCK)):
            ascii = octets.isascii()
    return _Look(header, not whole or ascii)


def _header(octets: bytes) -> bytes:
    header = octets[: split_header(octets)[1]][:HEADER]
    return header[: header.rfind(b"\n") + 1]


def _field(header: bytes, name: str) -> str:
    found = first_field(fields(header), name)
    return "" if found is None else decode_words(found.unfolded)


def _message_id(header: bytes) -> str:
    """Message-ID, if it is one that can be quoted as it is."""
    found = first_field(fields(header), "message-id")
    text = "" if found is None else found.unfolded.decode("ascii", "replace")
    good = text.startswith("<") and text.endswith(">") and text.isascii() and len(text) < 900
    return text if good and " " not in text else ""

"""The mail that follows from an attempt: notices to the sender, and what couriers ask for.

Makes new messages ready for the commit that records the attempt; sends nothing itself.
"""

from collections.abc import Callable, Sequence

from mailsuite.base.log import get_logger
from mailsuite.mail import Envelope, FollowUp, Job, Notifier, Outcome
from mailsuite.queue import outcomes
from mailsuite.queue.boarding import Arriving
from mailsuite.queue.changes import Attempted
from mailsuite.queue.committer import File, NewFile, SharedFile
from mailsuite.queue.ids import Ids
from mailsuite.queue.incoming import Received
from mailsuite.queue.settings import Settings
from mailsuite.queue.spool import Spool

log = get_logger("queue")


class Following:
    """See the module. Without a notifier what bounced stays in the queue."""

    def __init__(
        self,
        ids: Ids,
        spool: Spool,
        prefix: Callable[[Envelope], bytes],
        notifier: Notifier | None,
        settings: Settings,
    ) -> None:
        self._ids = ids
        self._spool = spool
        self._prefix = prefix
        self._notifier = notifier
        self._settings = settings

    async def told(
        self, job: Job, ended: Sequence[Outcome], change: Attempted
    ) -> tuple[Attempted, Sequence[FollowUp]]:
        """What was recorded of the attempt, and the mail that tells the sender of it."""
        if self._notifier is None:
            return change, ()
        reports = outcomes.reports(job, ended, change.results, change.at, self._settings)
        if not reports:
            return outcomes.returned(change), ()
        try:
            notices = await self._notifier.notices(job, reports, change.at)
        except Exception as error:
            # What has bounced stays in the queue, where the operator sees it.
            log.error("no notice could be made", id=job.id, exc_info=error)
            return change, ()
        if notices.kept:
            log.warning("kept: nobody can be told of the failure", id=job.id)
            return change, notices.follow_ups
        return outcomes.returned(change), notices.follow_ups

    def planned(
        self,
        job: Job,
        following: Sequence[FollowUp],
        now: float,
        plan: Callable[[Received, Envelope, float], Arriving],
    ) -> tuple[list[Arriving], list[File]]:
        """The rows and the files of new messages; `plan` as `Attempts.plan`."""
        planned: list[Arriving] = []
        files: list[File] = []
        for each in following:
            id = self._ids.next()
            file, received = self._file(id, job, each)
            try:
                planned.append(plan(received, each.envelope, now))
            except ValueError as error:
                log.error("follow-up mail refused", id=job.id, exc_info=error)
                continue
            files.append(file)
            recipients = [one.address for one in each.envelope.recipients]
            log.info(
                "follow-up",
                id=id,
                of=job.id,
                sender=each.envelope.sender,
                to=", ".join(recipients[:10]) + (", …" if len(recipients) > 10 else ""),
            )
        return planned, files

    def _file(self, id: str, job: Job, each: FollowUp) -> tuple[File, Received]:
        prefix = self._prefix(each.envelope)
        file: File
        if each.body is not None:
            data = each.head + each.body + each.tail
            file = NewFile(id, prefix + data)
            return file, Received(id, file, len(prefix), len(data), bool(prefix), data)
        message = job.message
        if each.head or each.tail:
            file = SharedFile(id, job.id, message.offset, prefix + each.head, each.tail)
            size = len(each.head) + message.size + len(each.tail)
            return file, Received(id, file, len(prefix), size, bool(prefix), None)
        file = SharedFile(id, job.id, 0, b"")
        return file, Received(id, file, message.offset, message.size, False, message.data)

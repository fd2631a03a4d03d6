"""Where accepted mail enters: straight into mailboxes here, or into the queue.

Promises: a message is durable when `accept` returns, in all the mailboxes it is for or in the
queue, even when its sender has hung up meanwhile. Rows, file and first attempt of a queued one are
one piece of work, so that it is in line without waiting for any poll. What a direct attempt has not
brought to its end is queued as tried, so that no mailbox gets it twice; a client never waits longer
than `PATIENCE` for one, and none goes before mail that is in line. The queue's first attempt begins
when the direct one has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import ends_within
from mailsuite.mail import Envelope, Job, Outcome
from mailsuite.queue.attempts import Attempts
from mailsuite.queue.committer import Committer, Work
from mailsuite.queue.direct import direct_job, is_end, must_be_queued
from mailsuite.queue.errors import QueueUnavailable
from mailsuite.queue.incoming import Received
from mailsuite.queue.lanes import Lane

log = get_logger("queue")

Attempt: TypeAlias = "asyncio.Task[Sequence[Outcome]]"
PATIENCE = 10.0  # seconds after which a slow mailbox is left to the queue


class Intake:
    """The way from `Incoming` to the mailboxes or the committer."""

    def __init__(self, attempts: Attempts, committer: Committer, clock: Clock) -> None:
        self._attempts = attempts
        self._committer = committer
        self._clock = clock
        self._refused = False  # the queue has not taken what came last

    async def accept(self, received: Received, envelope: Envelope) -> None:
        """Take a message. Raises QueueUnavailable, NoSpace, ValueError; nothing is left then."""
        now = self._clock.now()
        # What some have and the queue refuses for others comes anew, for all, as often as its
        # sender tries: the queue has to work again before that can happen once more.
        first = must_be_queued(envelope, now) or (self._refused and len(envelope.recipients) > 1)
        lane = None if first else self._attempts.idle_lane(envelope)
        job = None if lane is None else direct_job(received, envelope, lane, now)
        if lane is None or job is None:
            await self._queue(received, envelope)
            return
        task = self._attempts.start_direct(lane, job)
        try:
            await ends_within(task, PATIENCE)
        except asyncio.CancelledError:
            self._attempts.finish(self._finish(task, lane, job, received))
            raise
        await self._conclude(task, lane, job, received)

    async def _finish(self, task: Attempt, lane: Lane, job: Job, received: Received) -> None:
        await ends_within(task, PATIENCE)
        await self._conclude(task, lane, job, received)

    async def _conclude(self, task: Attempt, lane: Lane, job: Job, received: Received) -> None:
        """Queue what a direct attempt has not made an end of."""
        if not task.done():
            log.warning("mailbox is slow, message queued", id=job.id, courier=lane.name)
        elif not task.cancelled() and task.exception() is None and is_end(job, task.result()):
            # In its turn: whoever has brought the message tells of it first.
            asyncio.get_running_loop().call_soon(
                self._attempts.record_direct, lane, job, task.result(), self._clock.now()
            )
            return
        await self._queue(received, job.envelope, task)

    async def _queue(
        self, received: Received, envelope: Envelope, direct: Attempt | None = None
    ) -> None:
        """`direct`: the attempt that has been made, or still is: no other one runs beside it."""
        tried, now = direct is not None, self._clock.now()
        try:
            arriving = self._attempts.plan(received, envelope, now, tried=tried)
        except BaseException:
            await self._committer.abandon(received.file)
            raise

        def done(error: QueueUnavailable | None) -> None:
            self._refused = error is not None
            if error is not None:
                self._attempts.refused(arriving)
            elif direct is not None and not direct.done():
                self._attempts.arrived_during(direct, arriving)
            else:
                self._attempts.arrived(arriving)

        await self._committer.commit(Work([arriving.change], [received.file], done))

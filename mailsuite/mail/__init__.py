"""Pure. Values that travel between rooms: envelope, outcome, route, job. They only hold."""

from mailsuite.mail.envelope import Envelope, Recipient
from mailsuite.mail.job import Courier, Job, QueuedMessage
from mailsuite.mail.outcome import Bounced, Deferred, FollowUp, Outcome, Sent
from mailsuite.mail.route import Alias, Mailbox, Remote, Route, Unknown

__all__ = [
    "Alias",
    "Bounced",
    "Courier",
    "Deferred",
    "Envelope",
    "FollowUp",
    "Job",
    "Mailbox",
    "Outcome",
    "QueuedMessage",
    "Recipient",
    "Remote",
    "Route",
    "Sent",
    "Unknown",
]

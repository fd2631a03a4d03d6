"""Pure. Values that travel between rooms: envelope, outcome, route. They only hold."""

from mailsuite.mail.envelope import Envelope, Recipient
from mailsuite.mail.outcome import Bounced, Deferred, FollowUp, Outcome, Sent
from mailsuite.mail.route import Alias, Mailbox, Remote, Route, Unknown

__all__ = [
    "Alias",
    "Bounced",
    "Deferred",
    "Envelope",
    "FollowUp",
    "Mailbox",
    "Outcome",
    "Recipient",
    "Remote",
    "Route",
    "Sent",
    "Unknown",
]

"""Pure. Values that travel between rooms: envelope, outcome, route, job. They only hold."""

from mailsuite.mail.envelope import DeliverBy, Envelope, Recipient
from mailsuite.mail.job import Courier, DirectCourier, Job, QueuedMessage
from mailsuite.mail.notice import Notices, Notifier, Report
from mailsuite.mail.outcome import Bounced, Contact, Deferred, FollowUp, Outcome, Sent
from mailsuite.mail.route import Alias, Mailbox, Remote, Route, Unknown
from mailsuite.mail.xtext import decode_unitext, decode_xtext, encode_unitext, encode_xtext

__all__ = [
    "Alias",
    "Bounced",
    "Contact",
    "Courier",
    "Deferred",
    "DeliverBy",
    "DirectCourier",
    "Envelope",
    "FollowUp",
    "Job",
    "Mailbox",
    "Notices",
    "Notifier",
    "Outcome",
    "QueuedMessage",
    "Recipient",
    "Remote",
    "Report",
    "Route",
    "Sent",
    "Unknown",
    "decode_unitext",
    "decode_xtext",
    "encode_unitext",
    "encode_xtext",
]

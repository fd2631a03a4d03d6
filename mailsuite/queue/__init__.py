"""Mail between its acceptance and its end: durable, attempted until every recipient has one.

Promises: 250 is a promise. What was accepted survives a power cut at any instant, and is sent, or
kept with the reason why not. Knows no protocol, no mailbox and no host: only couriers handed in.
"""

from mailsuite.queue.entries import AttemptEntry, Counts, Entry, RecipientEntry
from mailsuite.queue.errors import NoSpace, QueueUnavailable
from mailsuite.queue.handover import HandOver
from mailsuite.queue.incoming import Convert, Incoming
from mailsuite.queue.offline import Offline
from mailsuite.queue.queue import Queue
from mailsuite.queue.settings import Settings
from mailsuite.queue.watch import Watch

__all__ = [
    "AttemptEntry",
    "Convert",
    "Counts",
    "Entry",
    "HandOver",
    "Incoming",
    "NoSpace",
    "Offline",
    "Queue",
    "QueueUnavailable",
    "RecipientEntry",
    "Settings",
    "Watch",
]

"""What is in memory of the queue: jobs in line and under way, and what becomes of them.

Promises: each recipient is in memory at most once; an attempt's end is recorded before its place is
free again; an unexpected error of a courier defers, it never loses.
"""

import asyncio
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks, Threads, committed
from mailsuite.mail import (
    Bounced,
    Courier,
    Deferred,
    Envelope,
    FollowUp,
    Job,
    Outcome,
    QueuedMessage,
    Sent,
)
from mailsuite.queue import schedule
from mailsuite.queue.changes import Arrival, Attempted, Loaded, Result, Unleased, arrival
from mailsuite.queue.committer import Committer, File, NewFile, SharedFile, Work
from mailsuite.queue.errors import QueueUnavailable
from mailsuite.queue.ids import Ids
from mailsuite.queue.incoming import Received
from mailsuite.queue.lanes import Flight, Lane
from mailsuite.queue.settings import DAY, Settings
from mailsuite.queue.spool import Spool

log = get_logger("queue")

MAX_TEXT = 1000  # characters kept of a courier's words

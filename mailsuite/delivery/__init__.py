"""Delivery agents: couriers that put mail into mailboxes of this server.

Promises: a repeated attempt puts nothing there twice. Never sends mail itself: what an alias leads
elsewhere comes back as follow-up mail.
"""

from mailsuite.delivery.capture import CaptureCourier
from mailsuite.delivery.local import LocalCourier
from mailsuite.delivery.trace import local_prefix

__all__ = ["CaptureCourier", "LocalCourier", "local_prefix"]
